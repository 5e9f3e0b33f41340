"""A list's silence is believed only where it shows the controls as they were sent, before and after."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaign.attempts import Attempt, AttemptState
from campaign.following.controls import why_silent
from campaign.following.reading import Look
from campaign.ledger import Control
from hamsa.models import CallSummary

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

ATTEMPT = Attempt(
    call_key="k",
    campaign="c",
    recipient_id="c0",
    phone="+442079460000",
    attempt=1,
    state=AttemptState.UNCERTAIN,
    claimed_at=NOON,
    lease_until=NOON + MINUTE,
    updated_at=NOON,
    agent_id="agent",
)


def control(job_id: str, claimed_at: datetime) -> Control:
    return Control(
        call_key=f"key of {job_id}",
        job_id=job_id,
        phone="+442079460001",
        agent_id="agent",
        claimed_at=claimed_at,
        lease_until=claimed_at + MINUTE,
        placed_at=claimed_at,
        created_at=claimed_at,
    )


BEFORE, AFTER = control("before", NOON - 10 * MINUTE), control("after", NOON + 10 * MINUTE)


def row(of: Control, **fields: Any) -> CallSummary:
    """A list's row for a control, as it was sent but for some fields."""
    sent = {
        "id": of.job_id,
        "createdAt": of.claimed_at.isoformat(),
        "status": "NO_ANSWER",
        "voiceAgentId": "agent",
        "callParams": {"machineNumber": "+18449292835", "userNumber": of.phone},
    }
    return CallSummary.model_validate({**sent, **fields})


def silent(*rows: CallSummary, unread: str | None = None, offset: timedelta = timedelta()) -> str | None:
    return why_silent(
        ATTEMPT,
        Look(list(rows), unread),
        [BEFORE, AFTER],
        now=NOON + timedelta(hours=2),
        old_enough=15 * MINUTE,
        offset=offset,
        tolerance=5 * MINUTE,
    )


def test_a_list_that_shows_the_calls_before_and_after_as_they_were_sent_speaks() -> None:
    assert silent(row(BEFORE), row(AFTER)) is None
    assert silent(row(BEFORE), row(AFTER), unread="it was not read whole") == "it was not read whole"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"createdAt": None}, "no time"),
        ({"createdAt": (NOON - 16 * MINUTE).isoformat()}, "another time"),
        ({"createdAt": (NOON - 3 * MINUTE).isoformat()}, "another time"),
        ({"createdAt": "2026-11-03"}, "another time"),
        ({"voiceAgentId": None}, "no agent"),
        ({"voiceAgentId": "agent-r7"}, "another agent"),
        ({"callParams": None}, "no number"),
        ({"callParams": {"userNumber": "+442079460002"}}, "another number"),
        ({"callParams": {"userNumber": "+44***001"}}, "another number"),
    ],
    ids=range(9),
)
def test_a_control_that_looks_otherwise_than_it_was_sent_silences_the_list(fields: dict[str, Any], says: str) -> None:
    assert f"shows {says} for job before" in str(silent(row(BEFORE, **fields), row(AFTER)))
    assert f"shows {says} for job after" in str(silent(row(BEFORE), row(AFTER, **fields)))


def test_a_control_is_at_its_time_by_hamsas_own_clock() -> None:
    three_hours = timedelta(hours=3)
    late = [row(each, createdAt=(each.claimed_at + three_hours).isoformat()) for each in (BEFORE, AFTER)]
    assert "another time" in str(silent(*late))
    assert silent(*late, offset=three_hours) is None


def test_a_control_that_is_not_listed_silences_the_list_once_it_is_old_enough() -> None:
    assert "does not show 1 of 2 calls" in str(silent(row(BEFORE)))
    assert "does not show 1 of 2 calls" in str(silent(row(AFTER)))


def test_a_list_without_a_call_that_nobody_answered_is_silent() -> None:
    talked = [row(each, status="COMPLETED") for each in (BEFORE, AFTER)]
    assert "no call that nobody answered" in str(silent(*talked))
