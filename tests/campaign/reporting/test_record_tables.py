"""Tables of job records: the same columns in each row, a column for each outcome field, no number in clear."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from campaign.attempts import Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.reporting.outcome_counts import MOST_FIELDS
from campaign.reporting.record_tables import LONGEST_CELL, attempt_rows, conversation_address, record_rows
from campaign.reporting.results import Result
from tests.campaign.campaign_world import CampaignWorld, people

NOW = datetime(2026, 11, 3, tzinfo=UTC)
PHONE = "+442079460123"


def attempt(key: str = "k", **more: Any) -> Attempt:
    given: dict[str, Any] = {"state": AttemptState.COMPLETED, **more}
    return Attempt(
        call_key=key,
        campaign="c",
        recipient_id="c1",
        phone=PHONE,
        attempt=1,
        claimed_at=NOW,
        lease_until=NOW,
        updated_at=NOW,
        **given,
    )


async def test_the_table_of_job_records_masks_every_number(world: CampaignWorld) -> None:
    results = await world.dial(people(5))
    table = record_rows(results, await world.attempts())
    assert [row["recipient"] for row in table] == [f"c{number}" for number in range(5)]
    assert all(row["job id"] and row["status"] == each.bucket.label for row, each in zip(table, results, strict=True))
    assert not re.search(r"\d{7,}", str([row["number"] for row in table]))
    assert not any(person.phone in str(table) for person in people(5))


def test_each_outcome_field_has_its_column_in_every_row() -> None:
    table = attempt_rows(
        [
            attempt("a", outcome={"promised_to_pay": True, "status": "well"}),
            attempt("b", outcome={"amount": 120.5, "topics": ["price", "delivery"]}),
            attempt("c", state=AttemptState.NO_ANSWER),
        ]
    )
    columns = [list(row) for row in table]
    assert columns == [columns[0]] * 3
    assert columns[0][2:7] == ["status", "promised to pay", "outcome: status", "amount", "topics"]
    assert [row["promised to pay"] for row in table] == ["yes", "", ""]
    assert [(row["outcome: status"], row["amount"], row["topics"]) for row in table[:2]] == [
        ("well", "", ""),
        ("", 120.5, "price, delivery"),
    ]
    assert [row["status"] for row in table] == ["talked to the agent", "talked to the agent", "did not answer"]


def test_fields_beyond_what_a_table_can_show_share_a_column() -> None:
    (row,) = attempt_rows([attempt(outcome={f"f{place}": place for place in range(MOST_FIELDS + 2)})])
    assert row["further outcome"] == f"f{MOST_FIELDS}: {MOST_FIELDS}; f{MOST_FIELDS + 1}: {MOST_FIELDS + 1}"


def test_no_number_in_an_outcome_reaches_a_table() -> None:
    outcome = {
        "callback": "+44 20 7946 0123",
        "note": "call 020 7946 0123 or my son at +1 (212) 555-0199",
        "list": [442079460123, {"n": "٠٢٠ ٧٩٤٦ ٠١٢٣"}],
        "amount": 1234567,
        "huge": 10**400,
        "long": "x" * 5000,
        "picture": "![so](https://elsewhere.invalid/seen.png) <img src=x>",
    }
    result = Result(1, "c1", PHONE, Bucket.COMPLETED, "completed", call_key="k")
    for row in (*record_rows([result], [attempt(outcome=outcome)]), *attempt_rows([attempt(outcome=outcome)])):
        assert row["callback"] == "+44•••••0123"
        assert row["note"] == "call +44•••••0123 or my son at +1•••••0199"
        assert row["list"] == "+44•••••0123, n: +44•••••0123"
        assert row["amount"] == 1234567
        assert len(row["huge"]) == 401
        assert len(row["long"]) == LONGEST_CELL
        assert row["picture"] == "![so] (https://elsewhere.invalid/seen.png) < img src=x>"


@pytest.mark.parametrize(
    ("record", "address"),
    [
        ({"previewUrl": "https://a.invalid/c/1", "mediaUrl": "https://b.invalid/1.mp3"}, "https://a.invalid/c/1"),
        ({"previewUrl": None, "mediaUrl": "https://b.invalid/1.mp3?x=1&y=2"}, "https://b.invalid/1.mp3?x=1&y=2"),
        ({"previewUrl": "javascript:alert(1)"}, ""),
        ({"previewUrl": "https://user:word@a.invalid/"}, ""),
        ({"previewUrl": "https://a.invalid/) ![x](https://b.invalid/"}, ""),
        ({"previewUrl": "https://[/"}, ""),
        ({"previewUrl": "https://a.invalid/" + "x" * 1000}, ""),
        ({"previewUrl": 17}, ""),
        ({}, ""),
        (None, ""),
    ],
    ids=["page", "recording", "script", "password", "markup", "broken", "long", "number", "none", "no-record"],
)
def test_a_conversation_is_linked_where_its_address_is_known(record: Any, address: str) -> None:
    assert conversation_address(record) == address
    (row,) = attempt_rows([attempt(record=record)])
    assert row.get("conversation", "") == address


def test_words_stand_in_place_of_codes() -> None:
    (row,) = record_rows([Result(1, "c1", PHONE, Bucket.OTHER_RUN, "another run calls this person just now")], [])
    assert row["status"] == "being called by another run"
    assert row["why"] == "another run calls this person just now"
    states = {row["status"] for row in attempt_rows([attempt(state=state) for state in AttemptState])}
    assert not [words for words in states if "_" in words]
