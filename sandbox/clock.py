"""The sandbox's time: real, accelerated, or turned by hand.

Both clocks have the shape of `campaign.clock.Clock` (`now()`, `sleep()`), so that one and the same clock can be handed
to a campaign and to the sandbox it talks to. With a `ManualClock` nothing ever sleeps for real: hours pass when a test
says so.
"""

import asyncio
import heapq
import itertools
import linecache
import re
import sys
import threading
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")

DEFAULT_START = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
"""A Tuesday on which it is daytime from New York (10:00) to Dubai (19:00)."""


class SystemClock:
    """The machine's clock, `speed` times as fast since `epoch`.

    Two processes that are given the same `speed` and `epoch` agree on the time.

    Args:
        speed: Seconds of this clock per real second, above 0.
        epoch: The moment at which this clock and the machine's agree; the moment of construction if not given.
    """

    def __init__(self, speed: float = 1.0, epoch: datetime | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        if epoch is not None and epoch.tzinfo is None:
            raise ValueError("epoch needs a time zone")
        self.speed = speed
        started = datetime.now(UTC)
        self._monotonic = time.monotonic()
        self._epoch = started if epoch is None else epoch.astimezone(UTC)
        self._ahead_seconds = (started - self._epoch).total_seconds() * speed

    def now(self) -> datetime:
        """The present moment on this clock, aware, in UTC."""
        elapsed = (time.monotonic() - self._monotonic) * self.speed
        return self._epoch + timedelta(seconds=self._ahead_seconds + elapsed)

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock's time."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)


class ManualClock:
    """A clock that stands still until it is turned.

    Turn it with `advance` (at once, from plain code), `run_for` (step by step, letting each sleeper work before the
    next one wakes) or `drive` (for as long as something takes, whatever the hour then is).

    Args:
        start: Where it stands at first; aware.
    """

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        if start.tzinfo is None:
            raise ValueError("start needs a time zone")
        self._now = start.astimezone(UTC)
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._asked = 0
        self._still_since = time.monotonic()

    def now(self) -> datetime:
        """The moment at which the clock stands, aware, in UTC."""
        self._asked += 1
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was turned by `seconds`; with 0 or less, only let others work for a moment."""
        self._asked += 1
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), waking))
        await waking

    @property
    def next_wake(self) -> datetime | None:
        """When the first sleeper wakes; none if nobody sleeps."""
        # A cancelled sleep leaves its entry behind; it must not draw the clock forward.
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Turn the clock by `seconds` and wake, in order, everybody whose time has come.

        They work when the event loop next runs, and all of them then see the new time.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._turn_to(self._now + timedelta(seconds=seconds))

    def advance_to(self, moment: datetime) -> None:
        """Turn the clock to `moment`, which is not before now."""
        self.advance((moment - self._now).total_seconds())

    async def run_for(self, seconds: float, idle: float = 0.002) -> None:
        """Turn the clock by `seconds`, from one sleeper to the next: each sees the time at which it asked to wake."""
        await self.drive(self.sleep(seconds), idle=idle)

    async def drive(self, awaitable: Awaitable[T], idle: float = 0.002) -> T:
        """Run `awaitable` to its end, turning the clock to the next sleeper whenever everything waits.

        Args:
            awaitable: What to run.
            idle: Real seconds without any work after which everything counts as waiting. Work in threads of this
                process, such as SQLite's, is seen; give more where other processes work, which this clock cannot see.

        Returns:
            The result of `awaitable`. Its exception is raised; a cancellation of this call cancels it.
        """
        task = asyncio.ensure_future(awaitable)
        self._still_since = time.monotonic()
        try:
            while not task.done():
                if await self._is_quiet(task, idle) and not task.done():
                    wake = self.next_wake
                    if wake is not None:
                        self._turn_to(wake)
                        self._still_since = time.monotonic()
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        return await task

    async def _is_quiet(self, task: "asyncio.Future[T]", idle: float) -> bool:
        """Whether for `idle` real seconds nobody used this clock or the processor to speak of, and no thread works."""
        asked, used, threads_worked = self._asked, time.process_time(), _threads_at_work()
        await asyncio.wait([task], timeout=idle)
        if self._asked != asked:
            self._still_since = time.monotonic()
            return False
        if time.monotonic() - self._still_since > PATIENCE_SECONDS:
            return True
        busy = time.process_time() - used > max(idle / 4, 0.0005)
        return not (busy or threads_worked or _threads_at_work())

    def _turn_to(self, moment: datetime) -> None:
        while (wake := self.next_wake) is not None and wake <= moment:
            waking = heapq.heappop(self._sleepers)[2]
            self._now = max(self._now, wake)
            waking.set_result(None)
        self._now = max(self._now, moment)


_WAITS = re.compile(r"\b(get|acquire|wait|select|poll|accept|recv\w*|_?read\w*|sleep|join|result)\s*\(")
"""A line of code on which a thread does nothing but wait."""

PATIENCE_SECONDS = 2.0
"""Real seconds after which work of which nothing comes no longer keeps the clock: a thread may never come to rest."""


def _threads_at_work() -> bool:
    """Whether another thread stands on a line that does more than wait: a query, a flush to disk, a computation."""
    here = threading.get_ident()
    frames = sys._current_frames()  # noqa: SLF001 - documented in spite of its name, and the only way to ask
    lines = (linecache.getline(at.f_code.co_filename, at.f_lineno) for thread, at in frames.items() if thread != here)
    return any(line and not _WAITS.search(line) for line in lines)
