"""Watches an event loop: how long it stood still at most, and what it was doing then."""

import asyncio
import gc
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BEAT_SECONDS = 0.005
LATE_SECONDS = 0.05
"""From here on it is worth a look at what the loop is doing."""


class LoopWatch:
    """`async with LoopWatch() as watch`: from then on `figures()` tells of the loop that runs it."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.computing = 0.0
        self.collecting = 0.0
        self.where: list[str] = []
        self._beat_at = time.perf_counter()
        self._thread = threading.get_ident()
        self._over = threading.Event()
        self.late: tuple[float, list[str]] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._collected = 0.0
        self._collecting_since = 0.0

    async def __aenter__(self) -> Self:
        self._thread = threading.get_ident()
        self._beat_at = time.perf_counter()
        self._beating = asyncio.create_task(self._beat())
        threading.Thread(target=self._look, daemon=True).start()
        gc.callbacks.append(self._collect)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        gc.callbacks.remove(self._collect)
        if self._beating is not None:
            self._beating.cancel()

    def figures(self) -> dict[str, Any]:
        """Seconds for which it stood still at most, and for which it computed at most without a pause, and where.

        The first is long, too, when other programs have the processor; the second is the loop's own doing. The third
        says how much of the second Python's garbage collector took.
        """
        return {
            "stall": self.longest,
            "computing": self.computing,
            "collecting": self.collecting,
            "computing_where": self.where,
        }

    async def _beat(self) -> None:
        while True:
            self._beat_at, processor, self._collected = time.perf_counter(), time.thread_time(), 0.0
            await asyncio.sleep(BEAT_SECONDS)
            self.longest = max(self.longest, time.perf_counter() - self._beat_at - BEAT_SECONDS)
            computing = time.thread_time() - processor
            if computing > self.computing:
                began, where = self.late or (0.0, [])
                self.computing, self.where = computing, where if began == self._beat_at else []
                self.collecting = self._collected

    def _collect(self, phase: str, _info: dict[str, int]) -> None:
        """The garbage collector begins, or has ended, in whichever thread made it necessary."""
        if threading.get_ident() != self._thread:
            return
        if phase == "start":
            self._collecting_since = time.thread_time()
        else:
            self._collected += time.thread_time() - self._collecting_since

    def _look(self) -> None:
        """In a thread of its own: where is the loop, when its beat is late?"""
        while not self._over.wait(BEAT_SECONDS):
            beat = self._beat_at
            if self.late is not None and self.late[0] == beat:
                continue  # the first look shows what made it late, a later one perhaps what came of it
            late = time.perf_counter() - beat - BEAT_SECONDS
            if late > LATE_SECONDS and (frame := sys._current_frames().get(self._thread)):  # noqa: SLF001 - made for this
                # Not `extract_stack`: it reads source lines, which costs what is to be measured.
                stack = [(each.f_code, line) for each, line in traceback.walk_stack(frame)][:8]
                self.late = beat, [f"{Path(code.co_filename).name}:{line} {code.co_name}" for code, line in stack[::-1]]
