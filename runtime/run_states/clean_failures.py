"""Ending like a product: what a user can fix, suspend or cancel ends a run with one sentence, and without a traceback.

Importing this module is enough for what Prefect logs. Flows have `@fail_cleanly` below `@flow`, tasks that a cancelled
run breaks off `@end_as_cancelled` below `@task`.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect.states import Cancelled, Failed

from campaign.errors import CampaignError, NotApproved
from campaign.reporting import CampaignReport
from hamsa import HamsaError
from runtime.run_states.cancellation import cancel_on_sigterm
from runtime.run_states.loss_of_prefect import LossOfPrefect

P = ParamSpec("P")
R = TypeVar("R")

_NO_ERROR = re.compile(
    r"Finished in state (?:Running|Cancel\w+|Suspended|Paused)\b"
    r"|Crash detected! Execution was cancelled by the runtime environment"
    r"|Finished in state Crashed\('Execution was cancelled by the runtime environment"
)
"""What Prefect logs as an error when somebody suspended or cancelled the run, and what was broken off for it."""


class _WithoutTraceback(logging.Filter):
    """Keeps Prefect's line about an error that speaks for itself, and drops the traceback that would drown it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, and what is not an error at a lower level."""
        if record.exc_info and isinstance(record.exc_info[1], CampaignError | HamsaError):
            record.exc_info = None
        if record.levelno == logging.ERROR and _NO_ERROR.match(record.getMessage()):
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


for _name in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_name).addFilter(_WithoutTraceback())


def fail_cleanly(flow: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Turn a `CampaignError` into a Failed state whose message is its sentence; a no to an approval into Cancelled.

    A worker that cancels the run cancels the flow's own task, at whatever step it is. Placed between `@flow` and the
    function. Whoever awaits the flow still gets the exception.
    """

    @wraps(flow)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with cancel_on_sigterm():
                return await flow(*args, **kwargs)
        except CampaignError as error:
            # Prefect takes a returned state for the run's own; the type of the result is not its business.
            return cast("R", _failed(error))

    return wrapped


def end_as_cancelled(task: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Let a task that is broken off, because the run was suspended or cancelled, end as Cancelled: it did not crash.

    Placed below `@task`. Whoever awaits the task may then get that state instead of a result.
    """

    @wraps(task)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await task(*args, **kwargs)
        except asyncio.CancelledError:
            return cast("R", Cancelled(message="The run ended before this was through."))

    return wrapped


def _failed(error: CampaignError) -> Any:
    if isinstance(error, NotApproved):
        return Cancelled(message=str(error), data=error)
    if isinstance(report := getattr(error, "report", None), CampaignReport) and report.stop_kind == "prefect":
        LossOfPrefect.run_ended(str(error))
    return Failed(message=str(error), data=error)
