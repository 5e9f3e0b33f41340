"""The campaign's own log lines, told in the log of the Prefect run that they belong to."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

TELLERS = ("campaign", "tasks")
"""The loggers whose lines are worth a place in the run's log."""


class _IntoRun(logging.Handler):
    """Passes records on to a run's logger."""

    def __init__(self, run_logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]") -> None:
        super().__init__(level=logging.INFO)
        self._run_logger = run_logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log it once more, as the run's."""
        self._run_logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


@contextmanager
def told_in_run() -> Iterator[None]:
    """Within this, what the campaign logs shows up in the flow run's log too. Outside a run it changes nothing."""
    try:
        handler = _IntoRun(get_run_logger())
    except MissingContextError:
        yield
        return
    loggers = [logging.getLogger(name) for name in TELLERS]
    before = [(teller.level, teller.propagate) for teller in loggers]
    for teller in loggers:
        teller.addHandler(handler)
        teller.setLevel(logging.INFO)
        # The run's log goes to the console too: told once is enough.
        teller.propagate = False
    try:
        yield
    finally:
        for teller, (level, propagate) in zip(loggers, before, strict=True):
            teller.removeHandler(handler)
            teller.setLevel(level)
            teller.propagate = propagate
