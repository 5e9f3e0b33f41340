"""The summary: what people said, then how the calls went, then who was not called and why; read in ten seconds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaign.buckets import Bucket
from campaign.reporting.report import CampaignReport, Tally
from campaign.reporting.stops import Stop
from campaign.reporting.summary_page import BAR_WIDTH, bar, summary_page
from tests.campaign.reporting.reports import report_of as report_for

NOW = datetime(2026, 11, 3, tzinfo=UTC)
PHONE = "+12125550123"


def report_of(tally: Tally, **more: Any) -> CampaignReport:
    return report_for(tally, tally.rows, **more)


def a_campaign() -> Tally:
    tally = Tally()
    for place in range(21):
        tally.add(Bucket.COMPLETED, "completed")
        said = f"He said a number, {place} or so, I guess"
        tally.outcomes.add({"promised_to_pay": place < 7, "amount": 10 * place, "summary": said}, PHONE)
    tally.add(Bucket.NO_ANSWER, "no answer", rows=9)
    tally.add(Bucket.NO_NUMBER, "no phone number", rows=1)
    tally.add(Bucket.NOT_A_NUMBER, "the cell holds no digits", rows=4)
    tally.add(Bucket.NOT_A_NUMBER, "the number is | too [long](x)", rows=2)
    tally.add(Bucket.OTHER_RUN, "other run", rows=1)
    tally.add(Bucket.DEFERRED, "closed; possible from 10:00", until=NOW + timedelta(hours=9), rows=2)
    return tally


def test_the_page_says_first_how_it_went_then_what_people_said_then_the_calls_then_who_was_not_called() -> None:
    report = report_of(a_campaign(), cost=4.2, calls=30, minutes=30)
    page = summary_page(report, {"Job records": "http://127.0.0.1/x"})
    assert page.splitlines()[2] == (
        "**30 of 40 customers called: 21 talked to the agent, 9 did not answer. "
        "2 more may be called later, the first from Tuesday 2026-11-03 09:00 UTC. "
        "1 is left for the next run. 7 were left out.**"
    )
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == [
        "## What people said in 21 conversations",
        "## Calls",
        "## 10 not called, and why",
        "## Records",
    ]
    assert "| 30 | 30.0 | 4.20 | 0.20 | 0 s |" in page
    assert "[Job records](http://127.0.0.1/x)" in page


def test_answers_are_counted_and_nobodys_words_are_shown() -> None:
    page = summary_page(report_of(a_campaign()))
    third = bar(1, 3)
    assert f"| **promised to pay** | yes | 7 | {third} |\n|  | no | 14 | {bar(2, 3)} |" in page
    assert "| **amount** | sum 2,100, median 100, 0 to 200 | 21 |" in page
    assert "In words, to be read in the records below: summary (21)." in page
    assert "I guess" not in page


def test_who_was_not_called_stands_in_one_table_each_row_counted_once() -> None:
    page = summary_page(report_of(a_campaign()))
    lines = page.split("## 10 not called, and why\n")[1].splitlines()[3:]
    cells = [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")] for line in lines if line]
    assert [(who, why, count) for who, count, _, why in cells] == [
        ("**may be called later**", "closed", "2"),
        ("**being called by another run**", "", "1"),
        ("**not a phone number**", "the cell holds no digits", "4"),
        ("", "the number is \\¦ too \\[long\\](x)".replace("\\¦", "¦"), "2"),
        ("**no phone number**", "", "1"),
    ]
    assert [len(each[2]) for each in cells] == [4, 2, 8, 4, 2]


def test_calls_without_a_known_end_are_counted_by_why_and_the_page_says_who_can_settle_them() -> None:
    tally = Tally()
    for place in range(40):
        why = f": Hamsa shows a status unknown to us: {'BUSY' if place % 2 else 'RINGING'}"
        tally.add(Bucket.IN_PROGRESS, f"attempt 1 has been in progress since 2026-11-03 09:{place:02} UTC{why}")
        said = (
            f"Hamsa's call list does not show {place + 1} of 50 calls that Hamsa surely made about that time, such as "
            f"job 5d0{place}-a, so it proves nothing of one that it does not show either"
        )
        tally.add(Bucket.UNCERTAIN, f"nobody knows yet whether the phone rang in attempt 1: {said}")
    page = summary_page(report_of(tally))
    section = page.split("## 80 whose call has no known end, and why\n")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()[3:6]]
    since = (
        "attempt 1 has been in progress since 2026-11-03 09:0{} UTC or later: Hamsa shows a status unknown to us: {}"
    )
    uncertain = (
        "nobody knows yet whether the phone rang in attempt 1: Hamsa's call list does not show all calls that Hamsa "
        "surely made about that time, so it proves nothing of one that it does not show either"
    )
    assert [(count, why) for _, count, _, why in lines] == [
        ("20", since.format(0, "RINGING")),
        ("20", since.format(1, "BUSY")),
        ("40", uncertain),
    ]
    assert "says *rang* or *did not ring* in the form of `settle-calls`, under *Settle one attempt by hand*" in section


def test_of_one_call_in_progress_the_page_says_since_when_and_nothing_of_settling() -> None:
    tally = Tally()
    tally.add(Bucket.IN_PROGRESS, "attempt 1 has been in progress since 2026-11-03 09:00 UTC", rows=2)
    page = summary_page(report_of(tally))
    assert "| attempt 1 has been in progress since 2026-11-03 09:00 UTC |" in page
    assert "rang" not in page


@pytest.mark.parametrize(
    ("count", "total", "shown"),
    [
        (0, 10, ""),
        (10, 10, "█" * BAR_WIDTH),
        (5, 10, "█" * (BAR_WIDTH // 2)),
        (1, 1_000_000, "▏"),
        (1, BAR_WIDTH * 2, "▌"),
        (11, 10, "█" * BAR_WIDTH),
        (0, 0, ""),
    ],
)
def test_bars_are_in_proportion_to_an_eighth_of_a_character(count: int, total: int, shown: str) -> None:
    assert bar(count, total) == shown


def test_a_dry_run_and_a_run_with_nobody_to_call_have_no_calls_to_show() -> None:
    tally = Tally()
    tally.add(Bucket.WOULD_CALL, "would be called now", rows=3)
    page = summary_page(report_of(tally, dry_run=True))
    assert page.startswith("# c (dry run)\n\n**Dry run: 3 customers of 3 would be called now; nobody was.**")
    assert "## " not in page
    assert "## " not in summary_page(report_of(Tally()))


def test_a_failed_run_says_what_to_do_next() -> None:
    tally = Tally()
    tally.add(Bucket.NOT_REACHED, "The key is wrong.")
    page = summary_page(report_of(tally, stop=Stop("unauthorized", "The key is wrong.", failed=True)))
    assert "> Fix this, then run again; it resumes where it stopped." in page


def test_calls_of_earlier_runs_are_shown_in_words() -> None:
    tally = Tally()
    tally.add(Bucket.ALREADY_CALLED, "already called")
    page = summary_page(report_of(tally, followed={"no_answer": 2, "not_placed": 1}))
    assert "Followed or settled by this run: 2 did not answer, 1 not placed." in page
