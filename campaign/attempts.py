"""The life of an attempt as data: its states, which of them are final, and what is remembered of it.

Promises that every other module reads the same meaning into a state. The picture of the transitions is in docs/.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class AttemptState(StrEnum):
    """Where one try at one recipient stands."""

    CLAIMED = "claimed"
    """The ledger row is written; the POST may be on its way."""
    RELEASED = "released"
    """The call was not placed (no connection, 429): the same attempt may be claimed again."""
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

    @property
    def label(self) -> str:
        """As a person reads it: `no answer`."""
        return self.value.replace("_", " ")


ENDED = frozenset(
    {AttemptState.COMPLETED, AttemptState.NO_ANSWER, AttemptState.FAILED, AttemptState.FORWARDED}
    | {AttemptState.TERMINATED}
)
"""Hamsa placed the call and it is over."""

UNANSWERED = (AttemptState.NO_ANSWER, AttemptState.FAILED)
"""It is over, and nobody talked."""

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
    person: str | None = None
    debt: str | None = None
    status: str | None = None
    error: str | None = None

    @property
    def who(self) -> str:
        """The person, over all campaigns: by an id of their own where the recipient's id is something else's."""
        return self.person or self.recipient_id


TRANSITIONS: dict[AttemptState, frozenset[AttemptState]] = {
    AttemptState.CLAIMED: VACANT,
    AttemptState.RELEASED: frozenset({AttemptState.CLAIMED}),
    AttemptState.REFUSED: frozenset({AttemptState.CLAIMED}),
    AttemptState.UNCERTAIN: frozenset({AttemptState.CLAIMED}),
    AttemptState.NOT_PLACED: frozenset({AttemptState.UNCERTAIN}),
    # Evidence that Hamsa has the call wins over everything that was believed before.
    AttemptState.PLACED: frozenset({AttemptState.CLAIMED, AttemptState.UNCERTAIN}) | VACANT,
    **dict.fromkeys(ENDED, OPEN | VACANT),
}
"""Into which state an attempt may come from which others. Everything else changes nothing."""

# Assumed: a machine that picks up counts as completed. Nothing documented tells it from a person. A status of its own
# would be an unknown one: the call is followed until it is given up, and the report names the status.
STATE_OF_STATUS: dict[str, AttemptState] = {state.name: state for state in ENDED}
"""Hamsa's final job statuses, as states of an attempt."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Hamsa's answer that no call was made of an attempt: 429, or another 4xx.

    Attributes:
        account: Whose key was used.
        agent_id: Whose call it would have been.
        asked_at: When the turn began to which Hamsa said so, …
        answered_at: … and when the answer was written down.
    """

    account: str | None
    agent_id: str | None
    asked_at: datetime
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to place one call: the ledger row written before the POST.

    `turn` counts how often this attempt was claimed; a report from an earlier turn moves nothing. After
    `lease_until` the claim must not be used: somebody else may already be finding out whether it rang.
    `opt_out_fields` are the outcome fields that mean *no more calls*, whoever learns of the call's end.
    `denial` is Hamsa's answer to the turn before: whoever dials looks first whether it was a no.
    """

    call_key: str
    campaign: str
    recipient_id: str
    phone: str
    attempt: int
    turn: int
    claimed_at: datetime
    lease_until: datetime
    opt_out_fields: tuple[str, ...] = ()
    denial: Denial | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of `call_attempts`: everything the ledger knows of one attempt. Costs in Hamsa's currency."""

    call_key: str
    campaign: str
    recipient_id: str
    phone: str
    attempt: int
    state: AttemptState
    claimed_at: datetime
    lease_until: datetime
    updated_at: datetime
    run_id: str | None = None
    account: str | None = None
    agent_id: str | None = None
    agent_updated_at: datetime | None = None
    placed_at: datetime | None = None
    ended_at: datetime | None = None
    job_id: str | None = None
    status: str | None = None
    duration_seconds: float | None = None
    cost: float | None = None
    outcome: dict[str, Any] | None = None
    record: dict[str, Any] | None = None
    error: str | None = None
    message_key: str | None = None
    status_code: int | None = None
    opted_out: bool = False
    echoed: bool = False
    route: str | None = None
    reserved_cost: float | None = None
    answer: str | None = None
    tries: int = 1
    looks: int = 0
    looked_at: datetime | None = None
    person: str | None = None
    debt: str | None = None
    opt_out_fields: list[str] | None = None
    policy: str | None = None
    decided_by: dict[str, Any] | None = None
    created_at: datetime | None = None
    adopted_by: str | None = None
    erasure: str | None = None
    erased_at: datetime | None = None
    denied_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """From when on a call of this attempt may have been made: a turn that was denied may have made one too."""
        return self.denied_at or self.claimed_at
