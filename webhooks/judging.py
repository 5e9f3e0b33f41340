"""What an event means for the attempt it is about: pure.

Promises that an event moves no attempt but the one it proves to be about: by our `call_key` if it carries one, else by
Hamsa's job id.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from campaign.attempts import ENDED as OVER
from campaign.attempts import Attempt, AttemptState
from campaign.following import end_of_event
from campaign.ledger import CallEnd
from hamsa.models import JobRecord, JobStatus
from webhooks.received import ENDED, Received

CLOCK_SKEW = timedelta(minutes=5)
"""How far Hamsa's clock may be from what its answers showed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Hamsa has the call: whatever became of the POST's answer, the attempt is placed."""

    job_id: str
    placed_at: datetime | None


@dataclass(frozen=True, slots=True)
class End:
    """The call is over. `job_id` is None if the attempt has another job id already."""

    end: CallEnd
    job_id: str | None


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to record, now or later."""

    why: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """It cannot be true together with what the ledger holds: a person should look at both."""

    why: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """It cannot be decided yet; the ledger may know more in a while. `first` is to be recorded all the same."""

    why: str
    first: Place | None = None


def judge(
    event: Received, attempt: Attempt, *, answered: bool, opt_out_fields: Sequence[str], offset: timedelta = timedelta()
) -> Place | End | Nothing | Contradiction | LookAgain:
    """Decide what to record of an event about one of our attempts.

    Args:
        attempt: The attempt with the event's `call_key`, or that owns its call.
        answered: Whether a `call.answered` came for this call.
        opt_out_fields: Outcome fields that mean *no more calls*, beside those that are written on the claim.
        offset: How far Hamsa's clock is ahead of the ledger's.
    """
    happened_at = event.happened_at - offset if event.happened_at is not None else None
    if _is_of_an_earlier_turn(happened_at, attempt):
        return Contradiction(
            f"it is about an earlier call of attempt {attempt.attempt} of recipient {attempt.recipient_id}, which was "
            "believed absent and was claimed again: the phone may have rung twice"
        )
    placed = _proof_of_placing(event, attempt, happened_at)
    if event.event_type != ENDED:
        return placed or Nothing("nothing new")
    record = JobRecord.model_validate({**(attempt.record or {}), "id": "-"})
    fields = (*opt_out_fields, *(attempt.opt_out_fields or ()))
    end = end_of_event(event.as_event(), params=record.params or None, opt_out_fields=fields, answered=answered)
    if end is not None:
        end = replace(end, ended_at=happened_at)
        # Assumed: an event's `callId` is the job id. Were it not, our key would still say whose end this is.
        known_otherwise = attempt.job_id is not None and attempt.job_id != event.call_id
        return End(end, None if known_otherwise else event.call_id)
    if attempt.state in OVER:
        return Nothing("it does not say how the call ended, and the ledger knows")
    return LookAgain("it does not say how the call ended; Hamsa's list is asked for that", placed)


def _is_of_an_earlier_turn(happened_at: datetime | None, attempt: Attempt) -> bool:
    """Whether the attempt was claimed before, its call was believed absent, and this shows that it was not."""
    return attempt.tries > 1 and happened_at is not None and happened_at + CLOCK_SKEW < attempt.claimed_at


def judge_unmatched(event: Received) -> Nothing | LookAgain:
    """Decide what to do about an event for which the ledger has no attempt."""
    if event.call_key is not None:
        # The claim was in the ledger before the call was made: a key that it does not have is another ledger's.
        return Nothing("no attempt in this ledger has its call_key")
    if event.event_type != ENDED:
        return Nothing("nothing new: it carries no call_key, and no attempt has its call")
    return LookAgain("no attempt in this ledger has its call, and it carries no call_key")


def _proof_of_placing(event: Received, attempt: Attempt, happened_at: datetime | None) -> Place | None:
    known = attempt.state is AttemptState.PLACED or attempt.state in OVER
    if known or event.call_id is None or event.call_key != attempt.call_key:
        return None
    return Place(event.call_id, happened_at)


PLACED_STATUS = JobStatus.IN_PROGRESS.value
"""What Hamsa would call an attempt of which an event came before its end."""
