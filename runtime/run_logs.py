"""The campaign's own log lines, told in the log of the Prefect run that they belong to."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

TELLERS = ("campaign", "tasks")
"""The loggers whose lines are worth a place in the run's log."""


RunLogger = logging.Logger | logging.LoggerAdapter[logging.Logger]

_run_logger: ContextVar[RunLogger | None] = ContextVar("run_logger", default=None)
"""The log of the run that the present task, or the one that began it, works for."""


class _IntoRun(logging.Handler):
    """Passes each record on to the logger of the run in which it was logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it once more, as the run's."""
        if (run_logger := _run_logger.get()) is not None:
            run_logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
        elif (root := logging.getLogger()).isEnabledFor(record.levelno):
            root.handle(record)  # logged outside of any run: it goes where it would have gone


class _Tellers:
    """The loggers of `TELLERS`, listened to while at least one run is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._handler = _IntoRun(level=logging.INFO)
        self._before: list[tuple[logging.Logger, int, bool]] = []

    def enter(self) -> None:
        """Begin to listen with the first run."""
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            loggers = [logging.getLogger(name) for name in TELLERS]
            self._before = [(teller, teller.level, teller.propagate) for teller in loggers]
            for teller in loggers:
                teller.addHandler(self._handler)
                teller.setLevel(logging.INFO)
                # The run's log goes to the console too: told once is enough.
                teller.propagate = False

    def leave(self) -> None:
        """Leave everything as it was after the last run."""
        with self._lock:
            self._inside -= 1
            if self._inside:
                return
            for teller, level, propagate in self._before:
                teller.removeHandler(self._handler)
                teller.setLevel(level)
                teller.propagate = propagate


_tellers = _Tellers()


@contextmanager
def logged_in_run() -> Iterator[None]:
    """Within this, what the campaign logs shows up in the run's log too. Outside a run it changes nothing.

    Several runs may be within it at once: each is told what it logged itself, and what its own tasks did.
    """
    try:
        run_logger = get_run_logger()
    except MissingContextError:
        yield
        return
    token = _run_logger.set(run_logger)
    _tellers.enter()
    try:
        yield
    finally:
        _tellers.leave()
        _run_logger.reset(token)
