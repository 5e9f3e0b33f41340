"""A cell of a do-not-call list: every number in it is read, or it is said which cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.buckets import Bucket
from campaign.intake.listed_numbers import numbers_named
from campaign.intake.numbers import NumberProblem

BOTH = ["+12125550153", "+12125550154"]


@pytest.mark.parametrize(
    "between",
    [", ", ",", "; ", ";", " / ", "/", "\n", "\r\n", "\n\n", " or ", " and ", " | ", " & ", " ", "\u2028", "\u060c "],
    ids=ascii,
)
def test_two_numbers_in_a_cell_are_both_named(between: str) -> None:
    assert numbers_named("+1 212 555 0153" + between + "+1 (212) 555-0154", None) == BOTH


@pytest.mark.parametrize(
    ("cell", "region"),
    [
        ("212-555-0153 or (212) 555-0154", "US"),
        ("+1\u2011212\u2011555\u20110153 (home), +1 212 555 0154 (work)", None),
        ("home: +12125550153 | mobile: +12125550154", None),
        ("+1 212 555 0153 x4, +1 212 555 0154 (ext. 12)", None),
        ('["+12125550153", "+12125550154"]', None),
        ("{+12125550153,+12125550154}", None),
        (["+12125550153", 2125550154], "US"),
    ],
    ids=ascii,
)
def test_labels_and_extensions_hide_no_number(cell: object, region: str | None) -> None:
    assert numbers_named(cell, region) == BOTH


@pytest.mark.parametrize(
    "cell",
    ["+1 212 555 0153 (home)", "Tel. +12125550153", "+1 212 555 0153 ext 4", "+12125550153;ext=7", "+12125550153 #2"],
)
def test_a_number_with_something_beside_it_is_named(cell: str) -> None:
    assert numbers_named(cell, None) == ["+12125550153"]


@pytest.mark.parametrize(
    "cell",
    [
        "2125550153 / 54",
        "(212) 555-0153/0154",
        "212-555-0153 212-555-0154",
        "+12125550153 and 3 more",
        "+12125550150 - +12125550155",
        "+12125550150 to +12125550155",
        "+12125550150-55",
        "+1212555015*",
        "+12125550153*",
        "+1 212 555 ••••",
        "+1-212-555-01xx",
        "2.12555E+09",
        "since 2019-03-01",
        "415-555-CALL",
        "+12125550153 / +1 212 555",
        "0156",
        "+12125550153 " * 300,
        b"+12125550153",
        7,
        True,
        ["+12125550153", "2125550"],
        2.12555e9,
    ],
    ids=lambda cell: ascii(cell)[:40],
)
def test_what_may_name_more_than_can_be_read_is_not_understood(cell: object) -> None:
    found = numbers_named(cell, "US")
    assert isinstance(found, NumberProblem)
    assert found.bucket is Bucket.NOT_A_NUMBER


@pytest.mark.parametrize("cell", [None, "", "n/a", "unknown", "\u200b"], ids=ascii)
def test_a_cell_without_a_digit_names_nobody(cell: object) -> None:
    found = numbers_named(cell, None)
    assert isinstance(found, NumberProblem)
    assert found.bucket is Bucket.NO_NUMBER


def test_a_national_number_needs_a_region_with_a_label_too() -> None:
    found = numbers_named("(212) 555-0153 (home)", None)
    assert isinstance(found, NumberProblem)
    assert found.bucket is Bucket.NO_REGION


@given(st.text() | st.from_type(object) | st.text(st.sampled_from("+12 ()-/,;x*\n555.0")))
def test_no_cell_raises(cell: object) -> None:
    assert isinstance(numbers_named(cell, "US"), list | NumberProblem)


@pytest.mark.parametrize(
    "cell",
    ["+44 20 7946 0001 xx", "+12125550101 ff.", "+12125550101 and following", "+1 212 555 0101¹", "+12125550101 XX"],
)
def test_a_number_that_stands_for_others_too_is_not_understood(cell: str) -> None:
    assert isinstance(numbers_named(cell, None), NumberProblem)


def test_a_word_beside_a_number_is_a_label() -> None:
    assert numbers_named("+12125550101 (off)", None) == ["+12125550101"]
