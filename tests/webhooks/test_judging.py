"""An event is about the present turn of an attempt, or a sign that a phone rang twice: where the edge lies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from campaign.attempts import Attempt, AttemptState
from webhooks.judging import CLOCK_SKEW, Contradiction, End, Nothing, Place, judge
from webhooks.received import Received

CLAIMED = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
CLAIMED_AGAIN = Attempt(
    call_key="key",
    campaign="c",
    recipient_id="c0",
    phone="+442079460000",
    attempt=1,
    state=AttemptState.CLAIMED,
    claimed_at=CLAIMED,
    lease_until=CLAIMED + timedelta(minutes=2),
    updated_at=CLAIMED,
    tries=2,
)


def started(happened_at: datetime | None) -> Received:
    return Received("call.started", call_id="job-1", call_key="key", happened_at=happened_at)


@pytest.mark.parametrize("before", [timedelta(), CLOCK_SKEW], ids=["when it was claimed", "by a clock that is behind"])
def test_an_event_of_the_present_turn_places_its_call_also_when_hamsas_clock_is_behind(before: timedelta) -> None:
    event = started(CLAIMED - before)
    assert judge(event, CLAIMED_AGAIN, answered=False, opt_out_fields=()) == Place("job-1", CLAIMED - before)


def test_an_event_from_before_the_claim_was_made_again_is_a_contradiction() -> None:
    event = started(CLAIMED - CLOCK_SKEW - timedelta(seconds=1))
    verdict = judge(event, CLAIMED_AGAIN, answered=False, opt_out_fields=())
    assert isinstance(verdict, Contradiction)
    assert "the phone may have rung twice" in verdict.why
    # In its first turn there was no earlier call that it could be about; without a time nothing says so.
    first = replace(CLAIMED_AGAIN, tries=1)
    assert isinstance(judge(event, first, answered=False, opt_out_fields=()), Place)
    assert isinstance(judge(started(None), CLAIMED_AGAIN, answered=False, opt_out_fields=()), Place)
    # Neither half of the proof is enough: a call without our key, or our key without a call.
    for nobodys in (replace(event, call_key="other"), replace(event, call_id=None)):
        assert isinstance(judge(nobodys, first, answered=False, opt_out_fields=()), Nothing)


def test_clocks_may_differ_by_five_minutes_and_a_call_that_is_known_is_not_placed_again() -> None:
    assert timedelta(minutes=5) == CLOCK_SKEW
    for state in (AttemptState.PLACED, AttemptState.COMPLETED, AttemptState.FAILED):
        known = replace(CLAIMED_AGAIN, state=state, job_id="job-1")
        assert judge(started(CLAIMED), known, answered=False, opt_out_fields=()) == Nothing("nothing new")


@pytest.mark.parametrize("hours", [-3, 3])
def test_an_event_is_timed_by_what_is_known_of_hamsas_clock(hours: int) -> None:
    offset = timedelta(hours=hours)
    event = started(CLAIMED + offset)
    assert judge(event, CLAIMED_AGAIN, answered=False, opt_out_fields=(), offset=offset) == Place("job-1", CLAIMED)
    ended = Received(
        "call.ended",
        call_id="job-1",
        call_key="key",
        happened_at=CLAIMED + offset + timedelta(minutes=1),
        data={"status": "COMPLETED", "data": {"outcomeResult": {}}},
    )
    verdict = judge(ended, CLAIMED_AGAIN, answered=False, opt_out_fields=(), offset=offset)
    assert isinstance(verdict, End)
    assert verdict.end.ended_at == CLAIMED + timedelta(minutes=1)


def test_an_event_of_an_earlier_turn_is_known_by_a_clock_that_is_hours_ahead() -> None:
    offset = timedelta(hours=3)
    event = started(CLAIMED + offset - CLOCK_SKEW - timedelta(seconds=1))
    assert isinstance(judge(event, CLAIMED_AGAIN, answered=False, opt_out_fields=(), offset=offset), Contradiction)
