"""The harness measures what it says."""

import dataclasses
from itertools import islice

import pytest

from benchmarks.figures import QUICK_LOOKS, Figure, Sizes, share_with_barrier, table
from benchmarks.people import numbers, people, write_database
from benchmarks.stage import INSTANT, stage
from campaign.intake.numbers import ParsedNumber, parse_number

FIGURE = Figure("speed", 8.0, "the limit", 10.0, "at least 0.6 times", met=True, runs=5)


def test_there_are_numbers_for_a_hundred_thousand_people_each_one_once() -> None:
    drawn = list(islice(numbers(), Sizes().many))

    assert len(set(drawn)) == Sizes().many
    assert all(isinstance(parse_number(number), ParsedNumber) for number in drawn[::997])


def test_more_people_than_numbers_reserved_for_fiction_are_refused() -> None:
    with pytest.raises(ValueError, match="reserved for fiction"):
        people(1_000_000)


def test_a_barrier_makes_every_line_wait_for_the_longest_call() -> None:
    assert share_with_barrier([10.0, 30.0, 5.0, 5.0], lines=2) == pytest.approx(40 / 60)


def test_the_table_shows_the_ratio_and_whether_it_is_enough() -> None:
    shown = table([FIGURE, dataclasses.replace(FIGURE, measured=5.0, met=False)])

    assert "| speed | 8.000 | the limit | 10.0 | 0.800 | at least 0.6 times | yes | 5 |" in shown
    assert "| 0.500 | at least 0.6 times | **no** |" in shown


@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.thorough
def test_a_campaign_and_the_loop_beside_it_are_measured_on_one_stage() -> None:
    with stage(INSTANT) as here:
        bare = here.measure("bare", rows=20, workers=5, connections=5)
        database = here.folder / "customers.db"
        write_database(database, 20)
        policy = {"lines": 20, **QUICK_LOOKS}
        campaign = here.measure("campaign", rows=20, database=str(database), policy=policy)

    assert bare.calls == campaign.calls == 20
    assert bare.stats["rings"] == campaign.stats["rings"] == 20
    assert campaign.server_processor > bare.server_processor
    assert campaign.database > bare.database
