"""Watches an event loop: how long it stood still at most, and what it was doing then."""

import asyncio
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
        self.longest_processor = 0.0
        self.where: list[str] = []
        self._beat_at = time.perf_counter()
        self._thread = threading.get_ident()
        self._over = threading.Event()
        self._seen: tuple[float, list[str]] = (0.0, [])
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._thread = threading.get_ident()
        self._beat_at = time.perf_counter()
        self._beating = asyncio.create_task(self._beat())
        threading.Thread(target=self._look, daemon=True).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._beating is not None:
            self._beating.cancel()

    def figures(self) -> dict[str, Any]:
        """Seconds of the longest stand-still, how many of them the loop computed, and where it was."""
        return {"stall": self.longest, "stall_processor": self.longest_processor, "stall_where": self.where}

    async def _beat(self) -> None:
        while True:
            self._beat_at, processor = time.perf_counter(), time.thread_time()
            await asyncio.sleep(BEAT_SECONDS)
            late = time.perf_counter() - self._beat_at - BEAT_SECONDS
            if late > self.longest:
                self.longest, self.longest_processor = late, time.thread_time() - processor
                began, where = self._seen
                self.where = where if began == self._beat_at else []

    def _look(self) -> None:
        """In a thread of its own: where is the loop, when its beat is late?"""
        while not self._over.wait(BEAT_SECONDS):
            beat = self._beat_at
            late = time.perf_counter() - beat - BEAT_SECONDS
            if late > max(LATE_SECONDS, self.longest) and (frame := sys._current_frames().get(self._thread)):  # noqa: SLF001 - made for this
                stack = traceback.extract_stack(frame)
                self._seen = beat, [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in stack[-8:]]
