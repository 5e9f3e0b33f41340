"""What is shown and passed on of a call holds no phone number, however its record writes it."""

import json
from datetime import UTC, datetime

import pytest

from campaign.attempts import Attempt, AttemptState
from campaign.reporting.call_result import CallResult

PHONE = "+442079460123"
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


def attempt(**known: object) -> Attempt:
    return Attempt(
        call_key="k1",
        campaign="c",
        recipient_id="c1",
        phone=PHONE,
        attempt=1,
        state=AttemptState.COMPLETED,
        claimed_at=NOON,
        lease_until=NOON,
        updated_at=NOON,
        **known,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "written",
    [
        PHONE,
        "442079460123",
        442079460123,
        442079460123.0,
        "00442079460123",
        "+44 20 7946 0123",
        "(0) 20-7946-0123",
        "020 7946 0123",
        "٤٤٢٠٧٩٤٦٠١٢٣",
        "Their other line is 020 7946 0123, mornings only.",
        "I reached them at +44 20 7946 0123, as told.",
        '{"callee": "+442079460123", "name": "Mona"}',
        ["+442079460123"],
        {"deep": [{"deeper": "442079460123"}]},
    ],
)
def test_the_number_is_masked_wherever_the_record_has_it(written: object) -> None:
    result = CallResult.of(attempt(record={"callParams": {"userNumber": written}}, outcome={"note": written}))
    shown = "".join(character for character in result.model_dump_json() if character.isdigit() or character == "•")
    assert "79460123" not in shown
    assert "•••••0123" in shown
    assert "0123" in repr(result)


def test_everything_else_is_left_as_it_is() -> None:
    record = {
        "id": "3f0c9a52-7b1d-4a30-9d4a-0c2b6a7e5f11",
        "createdAt": "2026-11-03T12:00:00Z",
        "totalCost": 0.16,
        "usageTime": "00:01:32",
        "answered": True,
        "nothing": None,
        "amount": 1234567,
        "machineNumber": "+18449292835",
    }
    result = CallResult.of(attempt(record=record, job_id=record["id"]))
    assert result.job_record == record
    assert result.is_over


def test_somebody_elses_number_in_an_outcome_is_masked_too() -> None:
    result = CallResult.of(attempt(outcome={"ask instead": "my son, +1 (212) 555-0199", "due": "2026-11-23 12:00"}))
    assert result.outcome == {"ask instead": "my son, +1•••••0199", "due": "2026-11-23 12:00"}


def test_it_survives_a_round_trip_through_json() -> None:
    result = CallResult.of(attempt(ended_at=NOON, duration_seconds=61.0, cost=0.16, outcome={"promised": True}))
    assert CallResult.model_validate(json.loads(result.model_dump_json())) == result
