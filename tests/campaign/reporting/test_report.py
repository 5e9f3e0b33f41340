"""The report: every row in exactly one bucket, for any input; a page to be read in ten seconds; no number in clear."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from campaign.attempts import Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.intake.recipients import Recipient
from campaign.intake.screening import Screen
from campaign.reporting.report import LONGEST_OUTCOME, MOST_REASONS, CampaignReport, Tally, attempt_row, record_rows
from campaign.reporting.results import Batch, Result
from campaign.reporting.stops import Stop
from tests.campaign.campaign_world import CampaignWorld, people

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def report_of(tally: Tally, rows: int, **more: Any) -> CampaignReport:
    return tally.report(campaign="c", run_id="r", started_at=NOW, ended_at=NOW, rows_read=rows, **more)


CELLS = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.integers(-5, 10**12),
    st.floats(),
    st.sampled_from(["+442079460001", "+442079460002", "020 7946 0003", "+1 900 555 0137", "n/a", "'=1+1", "yes"]),
)
ROWS = st.lists(
    st.dictionaries(st.sampled_from(["id", "phone", "region", "timezone", "do_not_call", "name"]), CELLS), max_size=12
)


@settings(max_examples=40)
@given(rows=ROWS)
async def test_the_buckets_add_up_to_the_rows_for_any_input(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("world")
    world = CampaignWorld(path=folder / "calls.db", url=f"sqlite:///{folder / 'calls.db'}")
    screen, tally = Screen(default_region="GB"), Tally()
    callable_rows: list[Recipient] = []
    for number, row in enumerate(rows, start=1):
        screened = screen.screen(number, row)
        if isinstance(screened, Recipient):
            callable_rows.append(screened)
        else:
            tally.add(screened.bucket, screened.reason)
    tally.add_results(await world.dial(callable_rows))
    report = report_of(tally, len(rows))
    assert sum(report.buckets.values()) == len(rows)
    assert world.sandbox.rings() == len(callable_rows)


def test_a_report_that_does_not_add_up_cannot_be_made() -> None:
    tally = Tally()
    tally.add(Bucket.COMPLETED, "completed")
    with pytest.raises(ValidationError, match="a row was lost or doubled"):
        report_of(tally, 2)


def test_reasons_that_differ_from_row_to_row_are_counted_together_and_bounded() -> None:
    tally = Tally()
    for row in range(100):
        tally.add(Bucket.DUPLICATE_NUMBER, f"row {row} has the same number")
        tally.add(Bucket.DEFERRED, f"closed; possible from 10:0{row % 10}")
        tally.add(Bucket.BAD_ROW, f"odd in way {'x' * row}")
    report = report_of(tally, 300)
    assert report.reasons[Bucket.DUPLICATE_NUMBER] == {"another row has the same number": 100}
    assert report.reasons[Bucket.DEFERRED] == {"closed": 100}
    assert len(report.reasons[Bucket.BAD_ROW]) == MOST_REASONS + 1


def test_the_summary_says_first_how_it_went() -> None:
    tally = Tally()
    for bucket, count in ((Bucket.COMPLETED, 21), (Bucket.NO_ANSWER, 9), (Bucket.NO_NUMBER, 3)):
        for _ in range(count):
            tally.add(bucket, bucket.label)
    summary = report_of(tally, 33, cost=4.2, calls=30, seconds=1800).summary({"Job records": "http://127.0.0.1/x"})
    assert summary.splitlines()[2] == "**30 of 33 customers called: 21 talked to the agent, 9 did not answer.**"
    assert "| 33 | 30 | 30.0 | 4.20 | 0.20 |" in summary
    assert "[Job records](http://127.0.0.1/x)" in summary


@pytest.mark.parametrize(
    ("fill", "more", "says"),
    [
        ([], {}, "nobody to call"),
        ([Bucket.WOULD_CALL] * 2, {"dry_run": True}, "Dry run: 2 customers of 2"),
        ([Bucket.ALREADY_CALLED] * 3, {}, "Nobody was called again: 3 of 3"),
        ([Bucket.NOT_REACHED], {"stop": Stop("hold", "It is on hold.", failed=False)}, "Stopped early: It is on hold."),
    ],
)
def test_the_headline_tells_the_truth(fill: list[Bucket], more: dict[str, Any], says: str) -> None:
    tally = Tally()
    for bucket in fill:
        tally.add(bucket, "because")
    assert says in report_of(tally, len(fill), **more).headline


async def test_the_table_of_job_records_masks_every_number(world: CampaignWorld) -> None:
    results = await world.dial(people(5))
    table = record_rows(results, await world.attempts())
    assert [row["recipient"] for row in table] == [f"c{number}" for number in range(5)]
    assert all(
        row["job id"] and row["status"] == result.bucket.value for row, result in zip(table, results, strict=True)
    )
    assert not re.search(r"\d{7,}", str([row["number"] for row in table]))
    assert not any(person.phone in str(table) for person in people(5))


def test_no_number_in_an_outcome_reaches_a_table() -> None:
    outcome = {
        "callback": "+44 20 7946 0123",
        "note": "call 020 7946 0123 or my son at +1 (212) 555-0199",
        "list": [442079460123, {"n": "٠٢٠ ٧٩٤٦ ٠١٢٣"}],
        "amount": 1234567,
        "huge": 10**400,
        "long": "x" * 5000,
    }
    attempt = Attempt(
        call_key="k",
        campaign="c",
        recipient_id="c1",
        phone="+442079460123",
        attempt=1,
        state=AttemptState.COMPLETED,
        claimed_at=NOW,
        lease_until=NOW,
        updated_at=NOW,
        outcome=outcome,
    )
    result = Result(1, "c1", attempt.phone, Bucket.COMPLETED, "completed", call_key="k")
    for row in (*record_rows([result], [attempt]), attempt_row(attempt)):
        assert row["outcome"].startswith(
            "callback: +44•••••0123; note: call +44•••••0123 or my son at +1•••••0199; "
            "list: ['+44•••••0123', {'n': '+44•••••0123'}]; amount: 1234567; huge: 1000"
        )
        assert len(row["outcome"]) == LONGEST_OUTCOME


def test_a_batch_is_named_by_whom_it_calls() -> None:
    assert str(Batch(1, people(1))) == "recipient c0"
    assert str(Batch(2, people(50))) == "batch 2 (50 recipients)"
    assert Result(1, None, None, Bucket.NO_ID, "no id").bucket.group == "never"
