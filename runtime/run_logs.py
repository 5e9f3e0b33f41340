"""The project's own log lines in the log of the Prefect run that they belong to, each under its logger's name.

As `PREFECT_LOGGING_EXTRA_LOGGERS` does it, but without a setting that would have to be made wherever a run may start;
and a line that is logged outside of any run is no reason for a warning.
"""

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

LOGGERS = ("blocks", "campaign", "flows", "hamsa", "runtime", "tasks")
"""Whose lines are worth a place in the run's log."""


def _in_a_run(_: logging.LogRecord) -> bool:
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


_handler = APILogHandler(level=logging.INFO)
_handler.addFilter(_in_a_run)


def link_logs_to_runs() -> None:
    """From now on, show in the log of the flow or task run at work what the project logs. Done once, however often."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):  # Prefect's, by its setting
            logger.addHandler(_handler)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
