"""A run that is cancelled ends in order, wherever Prefect's signal happens to strike.

A worker cancels a run by SIGTERM, and Prefect's handler raises `TerminationSignal` in whatever the main thread is just
doing: if that is a callback of the event loop, the exception is merely logged; if it is a task of its own, such as a
call's line, the exception ends that task alone. Either way the campaign would go on dialing. So the signal is heard a
second time here, as an event of the loop, and cancels the run's own task, through which every claim is given back.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from prefect.exceptions import TerminationSignal

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Block:
    """One run's task within `cancel_on_sigterm`."""

    task: asyncio.Task[Any]
    heard: bool = False


class _Listener:
    """Hears of SIGTERM for every block of one event loop. The process has one place to listen at, and they share it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._blocks: set[_Block] = set()

    def enter(self, block: _Block) -> None:
        """Begin to listen with the first block."""
        if not self._blocks:
            self._here, self._there = socket.socketpair()
            self._here.setblocking(False)
            self._there.setblocking(False)
            # Python writes the number of each signal there, before any handler runs.
            self._before = signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)
            self._loop.add_reader(self._here, self._hear)
        self._blocks.add(block)

    def leave(self, block: _Block) -> bool:
        """Listen no more after the last block, and return whether it was that."""
        self._blocks.discard(block)
        if self._blocks:
            return False
        self._loop.remove_reader(self._here)
        found = signal.set_wakeup_fd(-1)
        # Whoever began to listen after us goes on.
        after = self._before if found == self._there.fileno() else found
        with suppress(OSError, ValueError):  # the one before us may be gone meanwhile
            signal.set_wakeup_fd(after)
        self._here.close()
        self._there.close()
        return True

    def _hear(self) -> None:
        numbers = self._here.recv(4096)
        if self._before != -1:
            with suppress(OSError):
                os.write(self._before, numbers)
        if signal.SIGTERM in numbers:
            for block in self._blocks:
                block.heard = True
                # A loop that is torn down has cancelled all tasks already: again would disturb the clearing up.
                if not block.task.cancelling():
                    block.task.cancel()


_listeners: dict[asyncio.AbstractEventLoop, _Listener] = {}


@contextmanager
def cancel_on_sigterm() -> Iterator[None]:
    """Within this, SIGTERM cancels the current task, once. Promises to leave Prefect's own handler in place.

    Several tasks may be within it at once, as when a flow gathers two campaigns: each is cancelled, and each may leave
    when it likes.

    Raises:
        TerminationSignal: The block was ended by SIGTERM. Prefect makes Cancelled of it if somebody cancelled the run.
    """
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield  # signals are for the main thread alone
        return
    loop = asyncio.get_running_loop()
    listener = _listeners.get(loop) or _Listener(loop)
    block = _Block(task)
    listener.enter(block)
    _listeners[loop] = listener
    try:
        yield
    except BaseException as error:
        if block.heard and not isinstance(error, TerminationSignal):
            raise TerminationSignal(signal.SIGTERM) from error
        raise
    finally:
        if listener.leave(block):
            del _listeners[loop]


async def finish_despite_cancellation(work: Coroutine[Any, Any, None], *, seconds: float) -> None:
    """Do what is still to be done when the run is cancelled already, however often it is cancelled meanwhile.

    Args:
        work: Reports on its own what goes wrong in it; what it raises is not raised here.
        seconds: It is broken off after so long: a worker that cancels a run kills it half a minute later.
    """
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not task.done() and loop.time() < until:
        with suppress(asyncio.CancelledError, TerminationSignal):
            await asyncio.wait({task}, timeout=until - loop.time())
    if not task.done():
        logger.error(
            "The run ends before its report was written (%.0f s were not enough); the ledger has every call", seconds
        )
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
