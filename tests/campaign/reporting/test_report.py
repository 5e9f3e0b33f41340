"""The report: every row in exactly one bucket, for any input, and a headline that tells the truth."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from campaign.buckets import Bucket
from campaign.intake.recipients import Recipient
from campaign.intake.screening import Screen
from campaign.reporting.report import MOST_REASONS, Tally
from campaign.reporting.results import Batch, Result
from campaign.reporting.stops import Stop
from tests.campaign.campaign_world import CampaignWorld, people
from tests.campaign.reporting.reports import report_of

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
    with pytest.raises(ValidationError, match="a row was lost or counted twice"):
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


@pytest.mark.parametrize(
    ("fill", "more", "says"),
    [
        ([], {}, "nobody to call"),
        ([Bucket.WOULD_CALL] * 2, {"dry_run": True}, "Dry run: 2 customers of 2"),
        ([Bucket.ALREADY_CALLED] * 3, {}, "Nobody was called again: 3 of 3"),
        (
            [Bucket.ALREADY_CALLED] * 5 + [Bucket.IN_PROGRESS] * 2,
            {},
            "Nobody was called again: 5 of 7 customers had been called before, 2 in progress, end not yet known.",
        ),
        (
            [Bucket.IN_PROGRESS, Bucket.UNCERTAIN] + [Bucket.DEFERRED] * 2,
            {},
            "1 of 4 customers in progress, end not yet known, 1 uncertain whether the phone rang. 2 more may be called",
        ),
        ([Bucket.IN_PROGRESS], {}, "Nobody was called again: 1 of 1 customer in progress, end not yet known."),
        (
            [Bucket.IN_PROGRESS] * 2 + [Bucket.ALREADY_CALLED, Bucket.DEFERRED],
            {"calls": 1},
            "2 of 4 customers called, 1 of them not by this run: 2 in progress, end not yet known; 1 had been called",
        ),
        (
            [Bucket.COMPLETED, Bucket.IN_PROGRESS, Bucket.ALREADY_CALLED],
            {"calls": 1},
            "2 of 3 customers called, 1 of them not by this run: 1 talked to the agent, 1 in progress, end",
        ),
        (
            [Bucket.COMPLETED, Bucket.IN_PROGRESS, Bucket.ALREADY_CALLED],
            {"calls": 2},
            "2 of 3 customers called: 1 talked to the agent, 1 in progress, end not yet known; 1 had been called",
        ),
        ([Bucket.NOT_REACHED], {"stop": Stop("hold", "It is on hold.", failed=False)}, "Stopped early: It is on hold."),
    ],
)
def test_the_headline_tells_the_truth(fill: list[Bucket], more: dict[str, Any], says: str) -> None:
    tally = Tally()
    for bucket in fill:
        tally.add(bucket, "because")
    assert says in report_of(tally, len(fill), **more).headline


EVERYBODY = [*Bucket, Bucket.DEFERRED, Bucket.BAD_ROW]
"""One in each bucket, and one more in two of them."""

HEADLINES = {
    "calling": ({"calls": 7}, r"7 of 31 customers called: (1 [^;]*?){7}; 1 had been called before\. "),
    "again": ({}, r"7 of 31 customers called: (1 [^;]*?){7}; 1 had been called before\. "),
    "dry": ({"dry_run": True}, r"Dry run: 1 customer of 31 would be called now; nobody was\. "),
}


@pytest.mark.parametrize(("more", "says"), HEADLINES.values(), ids=HEADLINES)
def test_the_headline_counts_everybody(more: dict[str, Any], says: str) -> None:
    called = 7 if "dry_run" in more else 0
    counted = [bucket for bucket in EVERYBODY if not called or bucket.group != "called"]
    counted += [Bucket.DEFERRED] * called
    tally = Tally()
    for bucket in counted:
        if more.get("dry_run") or bucket is not Bucket.WOULD_CALL:
            tally.add(bucket, "because")
        else:
            tally.add(Bucket.DEFERRED, "because")
    headline = report_of(tally, len(counted), **more).headline
    deferred, out = (9, 17) if called else (3, 16)
    rest = rf"{deferred} more may be called later\. 4 are left for the next run\. {out} were left out\."
    assert re.fullmatch(says + rest, headline), headline


@pytest.mark.parametrize(
    ("bucket", "says"), [(Bucket.REFUSED, "1 is left for the next run."), (Bucket.NO_ID, "1 was left out.")]
)
def test_the_headline_counts_one_in_the_singular(bucket: Bucket, says: str) -> None:
    tally = Tally()
    tally.add(bucket, "because")
    assert report_of(tally, 1).headline == f"0 of 1 customer called. {says}"


@pytest.mark.parametrize("more", [{}, {"dry_run": True}], ids=["calling", "dry-run"])
def test_the_headline_says_from_when_the_deferred_may_be_called(more: dict[str, Any]) -> None:
    tally = Tally()
    tally.add(Bucket.COMPLETED, "completed")
    for hour in (9, 8, 10):
        tally.add(Bucket.DEFERRED, "closed", until=datetime(2026, 11, 4, hour, 30, tzinfo=UTC))
    headline = report_of(tally, 4, **more).headline
    assert headline.endswith(" 3 more may be called later, the first from Wednesday 2026-11-04 08:30 UTC.")


def test_a_batch_is_named_by_whom_it_calls() -> None:
    assert str(Batch(1, people(1))) == "recipient c0"
    assert str(Batch(2, people(50))) == "batch 2 (50 recipients)"
    assert Result(1, None, None, Bucket.NO_ID, "no id").bucket.group == "never"
