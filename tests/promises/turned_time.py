"""An event loop whose time passes only while everybody waits: days in milliseconds, and the same every time."""

import asyncio
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

START = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
"""A Tuesday afternoon in London."""


class Stuck(RuntimeError):
    """Everybody waits for something that will never come."""


DATABASE_SECONDS = 0.005
"""Real seconds that a database has for an answer before time goes on: one that waits for a lock needs the others."""

STUCK_SECONDS = 30.0
"""Real seconds after which a database that does not answer, while everybody waits for it, never will."""


class _TurningSelector(selectors.SelectSelector):
    """Waits for nobody but a database: where a selector would wait, it turns the clock."""

    def __init__(self, turn: Callable[[float], None]) -> None:
        super().__init__()
        self._turn = turn
        self.asked = 0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and self.asked and timeout != 0:
            ready = super().select(STUCK_SECONDS if timeout is None else DATABASE_SECONDS)
        if not ready:
            if timeout is None:
                raise Stuck("Everybody waits, and no time of day will wake them.")
            self._turn(max(timeout, 0.0))
        return ready


class TurnedLoop(asyncio.SelectorEventLoop):
    """An event loop in which `asyncio.sleep`, timeouts and timers run on a time of its own.

    Nothing in it may wait for a thread, a socket or another process, but for a database within `asking`.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._turning = _TurningSelector(self._turn)
        super().__init__(self._turning)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Within this, somebody waits for a database's answer: it gets a moment for it before time goes on."""
        self._turning.asked += 1
        try:
            yield
        finally:
            self._turning.asked -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], T], *args: *Arguments
    ) -> asyncio.Future[T]:
        """Do at once what was meant for a thread."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)
        return future

    def time(self) -> float:
        return self._seconds

    def _turn(self, seconds: float) -> None:
        self._seconds += seconds


class LoopClock:
    """The time of a `TurnedLoop`, as campaign and sandbox want it."""

    def __init__(self, loop: TurnedLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return START + timedelta(seconds=self._loop.time())

    async def sleep(self, seconds: float) -> None:
        """Wait for so long in the loop's time."""
        await asyncio.sleep(max(0.0, seconds))
