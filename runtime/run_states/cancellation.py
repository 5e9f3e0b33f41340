"""A run that is cancelled ends in order, wherever Prefect's signal happens to strike.

A worker cancels a run by SIGTERM, and Prefect's handler raises `TerminationSignal` in whatever the main thread is just
doing. An event loop does not survive that unharmed (https://bugs.python.org/issue39622). Raised in a task of its own,
such as a call's line, it ends that task alone, and the campaign goes on dialing. Raised in a callback, it is merely
logged, and if that callback was to wake a task, nothing ever wakes it: the run stands still until the worker kills it,
without a report. So Prefect's handler is replaced meanwhile by one that raises nothing and has the loop cancel the
run's own task, through which every claim is given back.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

from prefect.exceptions import TerminationSignal
from prefect.utilities import engine

logger = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], Any]


@dataclass(eq=False, slots=True)
class _Block:
    """One run's task within `cancel_on_sigterm`."""

    task: asyncio.Task[Any]
    heard: bool = False


class _Listener:
    """Hears of SIGTERM for every block of one event loop. The process has one handler, and they share it.

    Args:
        loop: The main thread's.
        before: The handler in place: Prefect's, or one that is called too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, before: Handler) -> None:
        self._loop = loop
        self._before = before
        self._replaces_prefects = before is _prefects_handler()
        self._handler: Handler = self._hear  # one object, by which it is known again
        self._blocks: set[_Block] = set()

    def enter(self, block: _Block) -> None:
        """Begin to listen with the first block."""
        if not self._blocks:
            self._install(self._handler)
        self._blocks.add(block)

    def leave(self, block: _Block) -> bool:
        """Listen no more after the last block, and return whether it was that."""
        self._blocks.discard(block)
        if not self._blocks:
            self._install(self._before)
        return not self._blocks

    def _install(self, handler: Handler) -> None:
        # Prefect tells the worker that a run can be cancelled only while the handler in place is the one that it knows.
        with engine._prefect_sigterm_bridge_lock if self._replaces_prefects else nullcontext():  # noqa: SLF001 - see above
            if signal.getsignal(signal.SIGTERM) in (self._before, self._handler):  # and not somebody's third
                signal.signal(signal.SIGTERM, handler)
            if self._replaces_prefects:
                engine._prefect_sigterm_handler = handler  # type: ignore[assignment]  # noqa: SLF001 - see above

    def _hear(self, number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # a loop that is closed has no task left to cancel
            self._loop.call_soon_threadsafe(self._cancel)
        if not self._replaces_prefects:
            self._before(number, frame)

    def _cancel(self) -> None:
        for block in self._blocks:
            block.heard = True
            # A loop that is torn down has cancelled all tasks already: again would disturb the clearing up.
            if not block.task.cancelling():
                block.task.cancel()


_listeners: dict[asyncio.AbstractEventLoop, _Listener] = {}


def _prefects_handler() -> object:
    """What Prefect's engine raises `TerminationSignal` by."""
    return getattr(engine, "_prefect_sigterm_handler", None)


@contextmanager
def cancel_on_sigterm() -> Iterator[None]:
    """Within this, SIGTERM cancels the current task, once. Promises to put the handler back that was there before.

    Several tasks may be within it at once, as when a flow gathers two campaigns, or a task more than once: each is
    cancelled, and each may leave when it likes.

    Raises:
        TerminationSignal: The block was ended by SIGTERM. Prefect makes Cancelled of it if somebody cancelled the run.
    """
    task = asyncio.current_task()
    # Signals are for the main thread alone, and a process that nothing guards is ended by SIGTERM at once.
    if task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    listener = _listeners.get(loop)
    if listener is None:
        before = signal.getsignal(signal.SIGTERM)
        if not callable(before):
            yield
            return
        listener = _listeners[loop] = _Listener(loop, before)
    block = _Block(task)
    listener.enter(block)
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
