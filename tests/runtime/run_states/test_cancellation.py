"""SIGTERM ends every campaign of a process in order, however many there are and in whatever order they are over."""

import asyncio
import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from prefect.exceptions import TerminationSignal

from runtime.run_states.cancellation import cancel_on_sigterm


@pytest.fixture(autouse=True)
def survived() -> Iterator[list[int]]:
    """SIGTERM reaches a handler that does nothing but count, as Prefect's may go unheard."""
    counted: list[int] = []

    def count(number: int, _: FrameType | None) -> None:
        counted.append(number)

    before = signal.signal(signal.SIGTERM, count)
    yield counted
    signal.signal(signal.SIGTERM, before)


async def campaign(leave: asyncio.Event, entered: asyncio.Event) -> str:
    """Run until it may leave."""
    with cancel_on_sigterm():
        entered.set()
        await leave.wait()
    return "over"


async def begun(leave: asyncio.Event) -> asyncio.Task[str]:
    entered = asyncio.Event()
    task = asyncio.create_task(campaign(leave, entered))
    await entered.wait()
    return task


async def test_every_campaign_hears_of_it(survived: list[int]) -> None:
    never = asyncio.Event()
    running = [await begun(never) for _ in range(3)]
    os.kill(os.getpid(), signal.SIGTERM)
    ended = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), timeout=60)
    assert [type(each) for each in ended] == [TerminationSignal] * 3
    assert survived == [signal.SIGTERM]
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_one_is_over_before_the_other_which_still_hears(order: tuple[int, int]) -> None:
    leaves = [asyncio.Event(), asyncio.Event()]
    running = [await begun(leave) for leave in leaves]
    first, second = order
    leaves[first].set()
    assert await running[first] == "over"
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(TerminationSignal):
        await asyncio.wait_for(running[second], timeout=60)
    assert signal.set_wakeup_fd(-1) == -1


async def test_the_one_who_listened_before_still_does(survived: list[int]) -> None:
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    try:
        leave = asyncio.Event()
        running = await begun(leave)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), timeout=60)
        heard.clear()
        leave.set()
        assert await running == "over"
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), timeout=60)
        assert survived == []
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
