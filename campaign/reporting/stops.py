"""Why a run dials no more, before everybody had their turn."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from campaign.errors import CampaignError, LimitUnavailable, UnexpectedError
from campaign.intake import SourceError

StopKind: TypeAlias = Literal[
    "unauthorized",
    "refusals",
    "uncertain",
    "max_calls",
    "max_cost",
    "canary",
    "hold",
    "agent",
    "ledger",
    "source",
    "hamsa",
    "prefect",
    "cancelled",
    "suspended",
    "error",
]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run dials no more.

    Attributes:
        kind: For programs and events.
        message: For people: what happened and what to do.
        failed: Whether the run is to be shown as failed, or merely as finished early, as it was told to.
    """

    kind: StopKind
    message: str
    failed: bool


def stop_kind(error: CampaignError) -> StopKind:
    """What kind of stop an error is, that a person can fix, when it ends a run that has begun."""
    if isinstance(error, SourceError):
        return "source"
    if isinstance(error, LimitUnavailable):
        return "prefect"
    if isinstance(error, UnexpectedError):
        return "error"
    return "ledger"
