"""The sandbox's time: real, accelerated, or turned by hand.

Both clocks have the shape of `campaign.clock.Clock` (`now()`, `sleep()`), so that one and the same clock can be handed
to a campaign and to the sandbox it talks to. With a `ManualClock` nothing ever sleeps for real: hours pass when a test
says so.
"""

import asyncio
import gc
import heapq
import inspect
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
        """Whether nothing can go on before this clock is turned.

        That is so when for `idle` real seconds nobody used this clock, no callback of the event loop is due, no task
        waits for a thread or a database, and no thread works. The last are facts: they hold also where a busy machine
        lets this process stand still for longer than `idle`.
        """
        asked, threads_worked = self._asked, _threads_at_work()
        await asyncio.wait([task], timeout=idle)
        if self._asked != asked:
            self._still_since = time.monotonic()
            return False
        goes_on = _callbacks_are_due() or _tasks_wait_outside()
        still_seconds = time.monotonic() - self._still_since
        if still_seconds > (LONG_PATIENCE_SECONDS if goes_on else PATIENCE_SECONDS):
            return True
        return not (goes_on or threads_worked or _threads_at_work())

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

LONG_PATIENCE_SECONDS = 30.0
"""The same for work of which it is known that somebody waits for it: a statement may wait for a lock."""


_DATABASE = re.compile(r"[/\\](aiosqlite|asyncpg)[/\\]")
"""Code that awaits an answer of a database, which comes from a thread or another process."""


def _callbacks_are_due() -> bool:
    """Whether the running event loop has more to do at once, as when it was held up in the middle of it."""
    return bool(getattr(asyncio.get_running_loop(), "_ready", ()))


def _tasks_wait_outside() -> bool:
    """Whether a task of the running event loop waits for what is done in a thread or by a database."""
    return any(_waits_for_thread(task) or _waits_for_database(task) for task in asyncio.all_tasks())


def _waits_for_thread(task: "asyncio.Task[object]") -> bool:
    """Whether what a task awaits in the end is the result of `run_in_executor`, as `to_thread` calls it too."""
    callbacks = getattr(getattr(task, "_fut_waiter", None), "_callbacks", None) or ()
    return any("_chain_future" in getattr(callback, "__qualname__", "") for callback, _ in callbacks)


def _waits_for_database(task: "asyncio.Task[object]") -> bool:
    """Whether a database's driver is on the way from a task's coroutine to what it awaits in the end."""
    awaited: object = task.get_coro()
    while awaited is not None:
        kind = next((kind for kind in ("cr", "ag", "gi") if hasattr(awaited, f"{kind}_code")), None)
        if kind is None:  # a step of an asynchronous generator, or what `__await__` returned: look at what it wraps
            wrapped = gc.get_referents(awaited)
            awaited = next((each for each in wrapped if inspect.iscoroutine(each) or inspect.isasyncgen(each)), None)
            continue
        if _DATABASE.search(getattr(awaited, f"{kind}_code").co_filename):
            return True
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
    return False


def _threads_at_work() -> bool:
    """Whether another thread stands on a line that does more than wait: a query, a flush to disk, a computation."""
    here = threading.get_ident()
    frames = sys._current_frames()  # noqa: SLF001 - documented in spite of its name, and the only way to ask
    lines = (linecache.getline(at.f_code.co_filename, at.f_lineno) for thread, at in frames.items() if thread != here)
    return any(line and not _WAITS.search(line) for line in lines)
