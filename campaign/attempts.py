"""The life of an attempt as data: its states, which of them are final, and what is remembered of it.

Promises that every other module reads the same meaning into a state. The picture of the transitions is in docs/.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AttemptState(StrEnum):
    """Where one try at one recipient stands."""

    CLAIMED = "claimed"
    """The ledger row is written; the POST may be on its way."""
    RELEASED = "released"
    """The call was surely not placed (no connection, 429): the same attempt may be claimed again."""
    PLACED = "placed"
    """Hamsa made a call of it: there is a job id."""
    REFUSED = "refused"
    """Hamsa said no (4xx). It is not tried again in the same run."""
    UNCERTAIN = "uncertain"
    """A POST went out and nobody knows whether the phone rang. Never redialed until it is settled."""
    NOT_PLACED = "not_placed"
    """Settled: the call was proved absent, so the same attempt may be claimed again."""
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    FORWARDED = "forwarded"
    TERMINATED = "terminated"


ENDED = frozenset(
    {
        AttemptState.COMPLETED,
        AttemptState.NO_ANSWER,
        AttemptState.FAILED,
        AttemptState.FORWARDED,
        AttemptState.TERMINATED,
    }
)
"""Hamsa placed the call and it is over."""

OPEN = frozenset({AttemptState.CLAIMED, AttemptState.PLACED, AttemptState.UNCERTAIN})
"""Something is still to be learned: a request on its way, a call in progress, or an answer that was lost."""

VACANT = frozenset({AttemptState.RELEASED, AttemptState.REFUSED, AttemptState.NOT_PLACED})
"""No phone rang: the attempt may be claimed again and counts against no cap."""

COUNTS = ENDED | OPEN
"""A phone rang or may have rung: counts against attempts and every cap."""


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """What the rules need to know of an earlier attempt. All times are aware and in UTC."""

    campaign: str
    recipient_id: str
    phone: str
    attempt: int
    state: AttemptState
    claimed_at: datetime
    ended_at: datetime | None = None
    opted_out: bool = False
    run_id: str | None = None
