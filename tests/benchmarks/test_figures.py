"""The harness measures what it says."""

import asyncio
import dataclasses
import gc
import time
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from benchmarks.__main__ import main
from benchmarks.figures import QUICK_LOOKS, Figure, Sizes, share_with_barrier, table
from benchmarks.loop_watch import LoopWatch
from benchmarks.people import numbers, people, write_database
from benchmarks.stage import INSTANT, Busy, stage
from campaign.intake.numbers import ParsedNumber, parse_number

FIGURE = Figure("speed", 8.0, "the limit", 10.0, "at least 0.6 times", met=True, runs=5)


def test_there_are_numbers_for_a_million_people_each_one_once() -> None:
    drawn = list(islice(numbers(), Sizes().many))

    assert len(set(drawn)) == Sizes().many
    assert all(isinstance(parse_number(number), ParsedNumber) for number in drawn[::9973])


def test_more_people_than_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.people.numbers", lambda: iter(["+12125550100"]))
    with pytest.raises(ValueError, match="There are only 1 numbers that nobody has, not 2"):
        people(2)


def test_a_barrier_makes_every_line_wait_for_the_longest_call() -> None:
    assert share_with_barrier([10.0, 30.0, 5.0, 5.0], lines=2) == pytest.approx(40 / 60)


def test_the_table_shows_the_ratio_and_whether_it_is_enough() -> None:
    shown = table([FIGURE, dataclasses.replace(FIGURE, measured=5.0, met=False)])

    assert "| speed | 8.000 | the limit | 10.0 | 0.800 | at least 0.6 times | yes | 5 |" in shown
    assert "| 0.500 | at least 0.6 times | **no** |" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "badname=1"], "There is no size 'badname'; there are repeats, "),
        (["--size", "campaign"], "The size campaign is ''; give a whole number above 0."),
        (["--size", "campaign=1.5"], "The size campaign is '1.5'; give a whole number above 0."),
        (["--size", "polled_speed=0"], "The size polled_speed is '0'; give a number above 0."),
        (["placings"], "There is no section 'placings'; there are placing, "),
    ],
    ids=["name", "no number", "part of a call", "speed", "section"],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["computes", "waits"])
async def test_a_loop_that_stands_still_is_noticed_and_where(kind: str) -> None:
    def compute_for_long() -> None:
        setattr(watch, "late", None)  # noqa: B010 - else mypy takes it that nobody else sets it
        began = time.perf_counter()
        while time.perf_counter() < began + 0.3 or (not watch.late and time.perf_counter() < began + 30):
            pass

    async with LoopWatch() as watch:
        await asyncio.sleep(0.02)
        if kind == "computes":
            compute_for_long()
        await asyncio.sleep(0.05)

    figures = watch.figures()
    if kind == "computes":
        assert figures["stall"] > 0.25
        assert figures["computing"] > 0.01
        assert "compute_for_long" in str(figures["computing_where"])
    else:
        assert figures["stall"] < 0.25


async def test_what_the_garbage_collector_takes_of_a_stand_still_is_told_apart() -> None:
    kept = [[number] for number in range(300_000)]
    async with LoopWatch() as watch:
        await asyncio.sleep(0.02)
        gc.collect()
        await asyncio.sleep(0.02)
    collected = watch.figures()
    async with LoopWatch() as watch:
        await asyncio.sleep(0.02)
        assert sum(range(5_000_000)) > 0
        await asyncio.sleep(0.02)
    computed = watch.figures()

    assert len(kept) == 300_000
    assert collected["collecting"] > 0.5 * collected["computing"]
    assert computed["collecting"] < 0.5 * computed["computing"]
    assert not [each for each in gc.callbacks if getattr(each, "__self__", None) is watch]


def test_a_share_counts_only_what_was_seen() -> None:
    began = datetime(2026, 11, 3, 15, tzinfo=UTC)

    def call(first: float, last: float | None) -> dict[str, str | None]:
        ended = (began + timedelta(seconds=last)).isoformat() if last is not None else None
        return {"created_at": (began + timedelta(seconds=first)).isoformat(), "ended_at": ended}

    calls = [call(-10, 5), call(5, None), call(-20, -1), call(12, 20)]
    assert Busy({}, calls, began, began + timedelta(seconds=10), lines=2).share == pytest.approx(0.5)


@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.thorough
def test_a_campaign_and_the_map_beside_it_are_measured_on_one_stage() -> None:
    with stage(INSTANT) as here:
        mapped = here.measure("map", rows=20)
        database = here.folder / "customers.db"
        write_database(database, 20)
        policy = {"lines": 20, **QUICK_LOOKS}
        campaign = here.measure("campaign", rows=20, database=str(database), policy=policy)

    assert mapped.calls == campaign.calls == 20
    assert mapped.stats["rings"] == campaign.stats["rings"] == 20
    assert campaign.server_processor > 0
    assert campaign.own["stall"] > 0
