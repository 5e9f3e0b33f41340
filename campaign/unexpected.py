"""Errors that nobody foresaw. They are shown by their kind and place: their text may hold a number or a secret."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from campaign.errors import CampaignError, UnexpectedError
from hamsa import HamsaError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def log_unexpected(log: logging.Logger, what: str, error: BaseException) -> None:
    """Log an error with the way that led to it, in files and lines, and without its text."""
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    log.error("%s: %s\n%s", what, kind_of(error), frames)


def kind_of(error: BaseException) -> str:
    """An error's class, with the module that it is from unless that is Python itself: `httpx.ConnectError`."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def redacted(error: Exception) -> Exception:
    """An error as it may be shown: itself if somebody foresaw it, else an `UnexpectedError`; its log says where."""
    if isinstance(error, CampaignError | HamsaError):
        return error
    log_unexpected(logger, "An error that nobody foresaw", error)
    return UnexpectedError(
        f"The run met an error that it does not know ({kind_of(error)}): no more calls are made. Its log says where."
    )


def redact_unexpected_errors(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Let a function raise what somebody foresaw, and `UnexpectedError` in place of anything else.

    Prefect writes the text of an error into the state of a run, into its log and into events. Stands below `@task`.
    """

    @wraps(function)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except (CampaignError, HamsaError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
            shown = redacted(error)
        # Raised out here, so that nothing leads from it to the error whose text must not be shown.
        raise shown

    return wrapped
