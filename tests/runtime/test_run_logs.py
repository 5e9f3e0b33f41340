"""What a campaign logs is told in the log of its own run, also while another run is in progress."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from prefect.exceptions import MissingContextError

from runtime import run_logs as story
from runtime.run_logs import TELLERS, logged_in_run

logger = logging.getLogger("campaign.dialing.dialer")


class Run:
    """Stands for a flow run: keeps what its log was told."""

    def __init__(self, name: str) -> None:
        self.lines: list[str] = []
        self.logger = logging.Logger(name, logging.INFO)  # noqa: LOG001 - one of its own, known to nobody else
        keep = logging.Handler()
        keep.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]
        self.logger.addHandler(keep)


Inside = Callable[[Run | None], None]


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> Inside:
    """Say which run the code is in."""
    now: list[Run | None] = [None]

    def get_run_logger() -> logging.Logger:
        if now[0] is None:
            raise MissingContextError
        return now[0].logger

    monkeypatch.setattr(story, "get_run_logger", get_run_logger)
    return lambda run: now.__setitem__(0, run)


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    """When nobody is inside any more the loggers are as they were."""

    def stand() -> list[tuple[int, bool, int]]:
        loggers = [logging.getLogger(name) for name in TELLERS]
        return [(each.level, each.propagate, len(each.handlers)) for each in loggers]

    before = stand()
    yield
    assert stand() == before


@contextmanager
def inside(run: Run, present: Inside) -> Iterator[None]:
    present(run)
    with logged_in_run():
        yield


async def test_two_runs_at_once_are_told_their_own_lines_and_all_of_them(present: Inside) -> None:
    first, second = Run("first"), Run("second")
    both, first_left = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        with inside(first, present):
            await both.wait()
            logger.info("first: dialing")
            await asyncio.create_task(line("first"))
        first_left.set()

    async def other() -> None:
        with inside(second, present):
            both.set()
            logger.info("second: dialing")
            await first_left.wait()
            await asyncio.create_task(line("second"))
            logger.warning("second: over")

    async def line(name: str) -> None:
        logger.info("%s: a line", name)
        await asyncio.to_thread(logger.info, "%s: a thread", name)

    await asyncio.gather(one(), other())
    assert first.lines == ["first: dialing", "first: a line", "first: a thread"]
    assert second.lines == ["second: dialing", "second: a line", "second: a thread", "second: over"]


async def test_what_is_logged_outside_of_any_run_is_told_where_it_always_is(
    present: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run("run")
    entered, leave = asyncio.Event(), asyncio.Event()

    async def campaign() -> None:
        with inside(run, present):
            entered.set()
            await leave.wait()

    running = asyncio.create_task(campaign())
    await entered.wait()
    logger.warning("from elsewhere")
    leave.set()
    await running
    assert run.lines == []
    assert caplog.messages == ["from elsewhere"]


def test_a_run_within_a_run_is_told_its_own_lines(present: Inside) -> None:
    flow, task = Run("flow"), Run("task")
    with inside(flow, present):
        with inside(task, present):
            logger.info("in the task")
        logger.info("in the flow")
    assert (flow.lines, task.lines) == (["in the flow"], ["in the task"])


def test_outside_of_a_run_nothing_changes(present: Inside, caplog: pytest.LogCaptureFixture) -> None:
    present(None)
    with logged_in_run():
        logger.warning("by hand")
    assert caplog.messages == ["by hand"]
