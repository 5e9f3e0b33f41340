"""Failing like a product: what a user can mend ends a run as Failed with one sentence, and without a traceback.

Importing this module is enough for tasks. Flows wear `@fail_cleanly` below `@flow`.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect.states import Cancelled, Failed

from campaign.errors import CampaignError, NotApproved
from hamsa import HamsaError

P = ParamSpec("P")
R = TypeVar("R")


class _WithoutTraceback(logging.Filter):
    """Keeps Prefect's line about an error that speaks for itself, and drops the traceback that would drown it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        if record.exc_info and isinstance(record.exc_info[1], CampaignError | HamsaError):
            record.exc_info = None
        return True


for _name in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_name).addFilter(_WithoutTraceback())


def fail_cleanly(flow: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Turn a `CampaignError` into a Failed state whose message is its sentence; a no to an approval into Cancelled.

    Placed between `@flow` and the function. Whoever awaits the flow still gets the exception.
    """

    @wraps(flow)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await flow(*args, **kwargs)
        except CampaignError as error:
            # Prefect takes a returned state for the run's own; the type of the result is not its business.
            return cast("R", _failed(error))

    return wrapped


def _failed(error: CampaignError) -> Any:
    if isinstance(error, NotApproved):
        return Cancelled(message=str(error), data=error)
    return Failed(message=str(error), data=error)
