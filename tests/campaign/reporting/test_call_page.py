"""A single call's record: read from the top down, a label and its value a line."""

from datetime import UTC, datetime
from typing import Any

from campaign.attempts import AttemptState
from campaign.reporting.call_page import call_page
from campaign.reporting.call_result import CallResult


def result(**more: Any) -> CallResult:
    given: dict[str, Any] = {"state": AttemptState.COMPLETED, **more}
    return CallResult(campaign="may", recipient_id="c|17", number="+1•••••0123", attempt=1, call_key="key", **given)


def test_it_says_how_it_went_and_what_was_said_before_ids() -> None:
    page = call_page(
        result(
            outcome={"promised_to_pay": True, "amount": 1200.5, "note": "[so] he said", "empty": None},
            duration_seconds=34.2,
            cost=0.08,
            placed_at=datetime(2026, 11, 3, 9, tzinfo=UTC),
            job_id="job",
            job_record={"previewUrl": "https://dashboard.invalid/conversations/job"},
        )
    )
    assert page.splitlines() == [
        "# Call to c\\|17",
        "",
        "| | |",
        "| :--- | :--- |",
        "| **how it went** | talked to the agent |",
        "| **promised to pay** | yes |",
        "| **amount** | 1,200.50 |",
        "| **note** | \\[so\\] he said |",
        "| **conversation** | https://dashboard.invalid/conversations/job |",
        "| **lasted** | 34 s |",
        "| **cost** | 0.08 |",
        "| **placed** | Tuesday 2026-11-03 09:00 UTC |",
        "| **number** | +1•••••0123 |",
        "| **campaign** | may |",
        "| **attempt** | 1 |",
        "| **job id** | job |",
        "| **call key** | key |",
    ]


def test_what_went_wrong_and_a_refusal_stand_near_the_top() -> None:
    lines = call_page(result(state=AttemptState.FAILED, error="the line broke", opted_out=True)).splitlines()
    assert lines[4:7] == [
        "| **how it went** | failed |",
        "| **error** | the line broke |",
        "| **asked for no more calls** | yes |",
    ]


def test_what_the_agent_extracted_cannot_leave_its_cell_by_beginning_like_an_address() -> None:
    page = call_page(result(outcome={"site": "https://a.invalid/b", "said": "https://a.invalid | **x**\n| y |"}))
    assert page.splitlines()[5:7] == [
        "| **site** | https://a.invalid/b |",
        "| **said** | https://a.invalid \\| \\*\\*x\\*\\* \\| y \\| |",
    ]
