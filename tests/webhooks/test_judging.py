"""An event is about the present turn of an attempt, or a sign that a phone rang twice: where the edge lies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaign.attempts import Attempt, AttemptState
from webhooks.judging import CLOCK_SKEW, Contradiction, End, LookAgain, Nothing, Place, judge, judge_unmatched
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


def ended(**data: Any) -> Received:
    return Received("call.ended", call_id="job-1", call_key="key", happened_at=CLAIMED, data=data)


@pytest.mark.parametrize(("known", "noted"), [(None, "job-1"), ("job-1", "job-1"), ("job-2", None)])
def test_an_end_brings_the_job_id_unless_the_attempt_has_another(known: str | None, noted: str | None) -> None:
    verdict = judge(ended(status="COMPLETED"), replace(CLAIMED_AGAIN, job_id=known), answered=False, opt_out_fields=())
    assert isinstance(verdict, End)
    assert verdict.job_id == noted


def test_an_end_without_a_status_is_looked_for_unless_the_ledger_knows_it() -> None:
    for state, first in ((AttemptState.CLAIMED, Place("job-1", CLAIMED)), (AttemptState.PLACED, None)):
        verdict = judge(ended(), replace(CLAIMED_AGAIN, state=state), answered=False, opt_out_fields=())
        assert isinstance(verdict, LookAgain)
        assert verdict.first == first, state
    over = replace(CLAIMED_AGAIN, state=AttemptState.NO_ANSWER)
    assert isinstance(judge(ended(), over, answered=False, opt_out_fields=()), Nothing)
    answered = judge(ended(), CLAIMED_AGAIN, answered=True, opt_out_fields=())
    assert isinstance(answered, End)
    assert answered.end.state is AttemptState.COMPLETED


@pytest.mark.parametrize(
    ("here", "on_the_claim", "opted_out"),
    [((), None, False), (("no_more",), None, True), ((), ["no_more"], True), (("other",), ["no_more"], True)],
)
def test_an_opt_out_is_read_in_the_fields_set_here_and_in_those_of_the_claim(
    here: tuple[str, ...], on_the_claim: list[str] | None, opted_out: bool
) -> None:
    event = ended(status="COMPLETED", outcomeResult={"no_more": True})
    attempt = replace(CLAIMED_AGAIN, opt_out_fields=on_the_claim)
    verdict = judge(event, attempt, answered=False, opt_out_fields=here)
    assert isinstance(verdict, End)
    assert verdict.end.opted_out is opted_out


def test_an_event_that_no_attempt_has_is_looked_for_only_if_a_call_ended_and_it_may_be_ours() -> None:
    without_key = replace(ended(status="COMPLETED"), call_key=None)
    assert isinstance(judge_unmatched(without_key), LookAgain)
    assert isinstance(judge_unmatched(replace(without_key, event_type="call.started")), Nothing)
    assert isinstance(judge_unmatched(ended(status="COMPLETED")), Nothing)
