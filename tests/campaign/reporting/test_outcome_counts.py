"""What people said, counted: by value, by sum and median, never in their own words, in bounded memory."""

import tracemalloc
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.reporting.outcome_counts import (
    LONG_NUMBER,
    MOST_CHOICES,
    MOST_FIELDS,
    SAMPLE,
    NumberCounts,
    OutcomeCounts,
    OutcomeTally,
    outcome_fields,
)

PHONE = "+12125550123"


def counted(values: list[Any]) -> OutcomeCounts:
    tally = OutcomeTally()
    for value in values:
        tally.add({"field": value}, PHONE)
    return tally.counts().get("field", OutcomeCounts())


@pytest.mark.parametrize(
    ("values", "choices"),
    [
        ([True, False, True], {"yes": 2, "no": 1}),
        (["yes", "No", "true", "نعم", "لا", False], {"yes": 3, "no": 3}),
        (["will_pay", "will_pay", "CALLBACK"], {"will pay": 2, "CALLBACK": 1}),
        (["Happy", "happy ", "Happy", "Angry"], {"Happy": 3, "Angry": 1}),
        (["paid"], {"paid": 1}),
        ([["price", "delivery"], ["price"], []], {"price": 2, "delivery": 1}),
        ([None, "", [], {}], {}),
    ],
    ids=["booleans", "written", "codes", "one-spelling", "once", "lists", "nothing"],
)
def test_yes_and_no_and_choices_are_counted_by_value(values: list[Any], choices: dict[str, int]) -> None:
    assert counted(values).choices == choices


@pytest.mark.parametrize(
    "values",
    [
        ["He will pay on Friday, he says, if his brother sends the money."] * 3,
        ["Mona", "Sami", "Lina"],
        ["has cancer", "left home", "no money"],
        ["call me at 555 0123"] * 4,
        ["mona@example.org"] * 4,
        [f"{PHONE}"] * 3,
        ["+442079460123"] * 3,
        [442079460123] * 3,
        [501234567, 501234568],
        [LONG_NUMBER, -LONG_NUMBER, 10**400, float("inf"), float("nan")],
        ["00123", "12 34 56 78"],
        [f"reason number {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"],
    ],
    ids=[
        "sentence",
        "names",
        "notes",
        "phone-in-words",
        "mail",
        "own",
        "other",
        "json-phone",
        "national",
        "huge",
        "ids",
        "rare",
    ],
)
def test_nobodys_own_words_and_no_long_number_is_shown(values: list[Any]) -> None:
    found = counted(values)
    assert (found.choices, found.other_choices, found.numbers, found.in_words) == ({}, 0, None, len(values))
    assert found.answers == len(values)


def test_numbers_are_added_up_and_have_their_median_also_when_they_came_as_text() -> None:
    found = counted([100, "20.50", 0, 3.5, "٤"])
    assert found.numbers == NumberCounts(count=5, sum=128.0, median=4.0, lowest=0.0, highest=100.0)
    assert counted([LONG_NUMBER - 1]).numbers is not None


def test_a_field_of_several_kinds_shows_each() -> None:
    found = counted([True, 5, "2026-11-04", "2026-11-30T10:00:00Z", "not so sure about that, to be honest with you"])
    assert (found.choices, found.dates, found.earliest, found.latest) == (
        {"yes": 1},
        2,
        date(2026, 11, 4),
        date(2026, 11, 30),
    )
    assert (found.in_words, found.numbers and found.numbers.count) == (1, 1)


def test_what_one_person_alone_said_in_several_words_is_among_the_other_answers() -> None:
    found = counted(["no comment"] * 5 + ["has cancer"])
    assert (found.choices, found.other_choices) == ({"no comment": 5}, 1)


def test_no_more_than_a_dozen_choices_are_shown_and_the_rest_still_counts() -> None:
    found = counted([letter * 3 for place, letter in enumerate("abcdefghijklmnopq") for _ in range(place + 2)])
    assert len(found.choices) == MOST_CHOICES
    assert next(iter(found.choices)) == "qqq"
    assert sum(found.choices.values()) + found.other_choices == found.answers


def test_fields_within_a_field_are_named_by_their_way_and_echoes_of_ours_are_not_among_them() -> None:
    outcome = {"payment": {"promised": True, "plan": {"rate": {"deep": 1}}}, "call_key": "k", "empty": None, "n": 0}
    assert outcome_fields(outcome, PHONE) == {
        "payment.promised": True,
        "payment.plan.rate": {"deep": 1},
        "n": 0,
    }
    assert outcome_fields(None, PHONE) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(outcomes=st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=5), max_size=8))
def test_whatever_an_agent_extracts_can_be_counted(outcomes: list[dict[str, Any]]) -> None:
    tally = OutcomeTally()
    for outcome in outcomes:
        tally.add(outcome, PHONE)
    for field in tally.counts().values():
        assert 0 < field.answers <= tally.heard <= len(outcomes)
        assert OutcomeCounts.model_validate_json(field.model_dump_json()) == field


def test_memory_does_not_grow_with_the_calls() -> None:
    tally = OutcomeTally()

    def add(start: int, calls: int) -> None:
        for call in range(start, start + calls):
            names = {f"field {call * 7 + place}": "x" for place in range(7)}
            tally.add({"note": f"word{call:x}".translate(LETTERS), "amount": call / 7, **names}, PHONE)

    add(0, SAMPLE + 1000)
    tracemalloc.start()
    try:
        add(SAMPLE + 1000, 3000)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(tally.counts()) == MOST_FIELDS
    assert grown < 100_000


LETTERS = str.maketrans("0123456789", "ghijklmnop")


def test_the_median_of_very_many_is_about_right() -> None:
    tally = OutcomeTally()
    for value in range(3 * SAMPLE):
        tally.add({"field": value % 1000}, PHONE)
    numbers = tally.counts()["field"].numbers
    assert numbers is not None
    assert numbers.count == 3 * SAMPLE
    assert 470 < numbers.median < 530
