"""Why a run dials no more, before everybody had their turn."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

StopKind: TypeAlias = Literal[
    "unauthorized",
    "refusals",
    "max_calls",
    "max_cost",
    "canary",
    "hold",
    "ledger",
    "source",
    "hamsa",
    "prefect",
    "cancelled",
    "suspended",
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
