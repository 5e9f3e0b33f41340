"""An event loop whose time passes only while everybody waits: days in milliseconds, and the same every time."""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
"""A Tuesday afternoon in London."""


class Stuck(RuntimeError):
    """Everybody waits for something that will never come."""


class _TurningSelector(selectors.SelectSelector):
    """Waits for nobody: where a selector would wait, it turns the clock."""

    def __init__(self, turn: Callable[[float], None]) -> None:
        super().__init__()
        self._turn = turn

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck("Everybody waits, and no time of day will wake them.")
            self._turn(max(timeout, 0.0))
        return ready


class TurnedLoop(asyncio.SelectorEventLoop):
    """An event loop in which `asyncio.sleep`, timeouts and timers run on a time of its own.

    Nothing in it may wait for a thread, a socket or another process.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_TurningSelector(self._turn))

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
