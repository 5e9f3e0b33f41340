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
from typing import Any

from prefect.exceptions import TerminationSignal

logger = logging.getLogger(__name__)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Within this, SIGTERM cancels the current task, once. Promises to leave Prefect's own handler in place.

    Raises:
        TerminationSignal: The block was ended by SIGTERM. Prefect makes Cancelled of it if somebody cancelled the run.
    """
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield  # signals are for the main thread alone
        return
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    # Python writes the number of each signal there, before any handler runs.
    before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    heard = False

    def hear() -> None:
        nonlocal heard
        numbers = here.recv(4096)
        if before != -1:
            with suppress(OSError):
                os.write(before, numbers)
        if signal.SIGTERM in numbers:
            heard = True
            # A loop that is torn down has cancelled every task already: a second time would disturb the clearing up.
            if not task.cancelling():
                task.cancel()

    loop.add_reader(here, hear)
    try:
        yield
    except BaseException as error:
        if heard and not isinstance(error, TerminationSignal):
            raise TerminationSignal(signal.SIGTERM) from error
        raise
    finally:
        loop.remove_reader(here)
        signal.set_wakeup_fd(before)
        here.close()
        there.close()


async def despite_cancellation(work: Coroutine[Any, Any, None], *, seconds: float) -> None:
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
