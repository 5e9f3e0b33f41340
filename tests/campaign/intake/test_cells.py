"""Cells: one reading of each fact, however a source writes it, and always fit for JSON and a database."""

import json
import pickle
import re
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.intake.cells import (
    UnfitCell,
    amount_of,
    ascii_digits,
    clean,
    day_of,
    is_missing,
    is_yes,
    json_value,
    kept,
    quoted,
    text_of,
    without_numbers,
)

ARABIC_INDIC = {ord("0") + digit: chr(0x660 + digit) for digit in range(10)}


class NAType:
    """What a data frame puts where nothing is: it cannot even be asked whether it is true."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    def __repr__(self) -> str:
        return "<NA>"


class Int64:
    """A data frame's own integer."""

    ndim = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Int64({self.value})"

    def item(self) -> int:
        return self.value


class Level(Enum):
    GOLD = "gold"


class Rank(IntEnum):
    FIRST = 1


@pytest.mark.parametrize("value", [None, "", " \t", float("nan"), Decimal("NaN"), Decimal("sNaN"), NAType()], ids=repr)
def test_nothing_is_nothing_in_every_dialect(value: object) -> None:
    assert is_missing(value)
    assert json_value(value) is None
    assert not is_yes(value)


@pytest.mark.parametrize("value", [0, False, "0", "None", Decimal(0)], ids=repr)
def test_zero_and_no_are_something(value: object) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17, "17"),
        (17.0, "17"),
        (17.5, "17.5"),
        (Decimal("17.00"), "17"),
        (Decimal("1E+3"), "1000"),
        (" 0187-ERLSR\u200f ", "0187-ERLSR"),
        ("007", "007"),
        (2**63, "9223372036854775808"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Int64(17), "17"),
        (None, ""),
    ],
    ids=repr,
)
def test_an_id_is_the_same_text_from_every_source(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("value", [b"17", True, [1], {"a": 1}, object(), float("inf")], ids=lambda v: type(v).__name__)
def test_what_is_no_text_is_refused_as_one(value: object) -> None:
    with pytest.raises(UnfitCell, match="holds"):
        text_of(value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Jad Khoury", "Jad Khoury"),
        (" \u202aليلى الأحمد\u202c ", "ليلى الأحمد"),
        ("می‌خواهم", "می‌خواهم"),  # a joiner that Persian needs
        ("a\x00b\x07c\nd", "abc\nd"),
        ("\ud800x", "x"),
        ('=HYPERLINK("http://x","y")', '=HYPERLINK("http://x","y")'),
        ("O'Brien; DROP TABLE customers--", "O'Brien; DROP TABLE customers--"),
        (True, True),
        (3, 3),
        (55.94, 55.94),
        (0.1 + 0.2, 0.3),
        (2**60, str(2**60)),
        (Decimal("120.50"), "120.50"),
        (Decimal("1E+2"), "100"),
        (date(2026, 11, 22), "2026-11-22"),
        (datetime(2026, 11, 22, 10, tzinfo=UTC), "2026-11-22T10:00:00+00:00"),
        (time(10, 30), "10:30:00"),
        (timedelta(days=3), "3 days, 0:00:00"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Level.GOLD, "gold"),
        (Rank.FIRST, 1),
        (Int64(3), 3),
        ([1, Decimal("2.50"), None], [1, "2.50", None]),
        (OrderedDict(a=(1, date(2026, 11, 22))), {"a": [1, "2026-11-22"]}),
    ],
    ids=ascii,
)
def test_params_are_what_json_can_carry(value: object, sent: object) -> None:
    assert json_value(value) == sent
    assert type(json_value(value)) is type(sent)


@pytest.mark.parametrize(
    "value",
    [b"x", bytearray(b"x"), memoryview(b"x"), {1, 2}, object(), float("inf"), Decimal("Infinity"), 10**70],
    ids=lambda v: type(v).__name__,
)
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(UnfitCell, match="to an agent"):
        json_value(value)


def test_bottomless_nesting_is_refused() -> None:
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(UnfitCell, match="nests"):
        json_value(nested)


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats() | st.decimals() | st.dates(), st.lists))
def test_whatever_is_sent_is_json_in_utf8(value: object) -> None:
    try:
        sent = json_value(value)
    except UnfitCell:
        return
    json.dumps(sent, allow_nan=False, ensure_ascii=False).encode()


class Raising:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


FOREIGN = st.builds(Raising) | st.just(NAType()) | st.builds(Int64, st.integers()) | st.binary() | st.datetimes()


@given(st.from_type(object) | FOREIGN | st.dictionaries(st.text(), FOREIGN) | st.text() | st.decimals())
def test_what_is_kept_survives_a_file_and_means_the_same(value: object) -> None:
    back = pickle.loads(pickle.dumps(kept(value)))  # noqa: S301 - what is tested, on data of its own
    try:
        meant = json_value(value)
    except UnfitCell as error:
        with pytest.raises(UnfitCell, match=re.escape(str(error))):
            json_value(back)
    except RuntimeError:
        with pytest.raises(UnfitCell, match="cannot be read"):
            json_value(back)
    else:
        assert json_value(back) == meant


def test_what_was_unfit_is_still_named_by_its_type() -> None:
    assert quoted(kept(b"x")) == "a value of type bytes"


@given(st.text())
def test_clean_text_stays_clean(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


@pytest.mark.parametrize("value", [1, True, "yes", "Y", "true", "x", "2026-05-03", date(2026, 5, 3), 2, "?"], ids=repr)
def test_in_doubt_do_not_call_means_yes(value: object) -> None:
    assert is_yes(value)


@pytest.mark.parametrize("value", [0, 0.0, False, "no", "N", " false ", "0", "off", "null", "-", Decimal(0)], ids=repr)
def test_the_words_for_no_are_known(value: object) -> None:
    assert not is_yes(value)


@pytest.mark.parametrize(
    "value",
    [date(2012, 9, 8), datetime(2012, 9, 8, 23, tzinfo=UTC), "2012-09-08", " 2012-09-08T23:00:00Z ", "20120908"],
    ids=repr,
)
def test_a_day_is_read_from_dates_and_iso_texts(value: object) -> None:
    assert day_of(value) == date(2012, 9, 8)


@pytest.mark.parametrize("value", ["08/09/2012", "soon", 41160, None], ids=repr)
def test_a_date_that_could_mean_two_days_is_refused(value: object) -> None:
    with pytest.raises(UnfitCell, match="year-month-day"):
        day_of(value)


@pytest.mark.parametrize(
    ("value", "amount"), [(55.94, "55.94"), ("55.94", "55.94"), (Decimal("120.50"), "120.50"), (7, "7")], ids=repr
)
def test_an_amount_is_exact(value: object, amount: str) -> None:
    assert amount_of(value) == Decimal(amount)


@pytest.mark.parametrize("value", ["1,234.50", "1.234,50", "much", "inf", float("nan"), True, None, [1]], ids=repr)
def test_an_amount_that_could_mean_two_is_refused(value: object) -> None:
    with pytest.raises(UnfitCell, match="not a number"):
        amount_of(value)


@pytest.mark.parametrize(
    "text",
    [
        "+12125550100",
        "(212) 555-0100",
        "212.555.0100",
        "212 555 0100".translate(ARABIC_INDIC),
        "row 7: 2125550100!",
        "212/555 01 00",
    ],
)
def test_a_quoted_cell_shows_no_phone_number(text: str) -> None:
    for shown in (quoted(text), without_numbers(text)):
        assert not any(character.isdigit() for character in shown.replace("row 7", ""))
    assert not any(character.isdigit() for character in quoted(2125550100))


def test_a_quoted_cell_is_short() -> None:
    assert len(quoted("x" * 10_000)) < 50
    assert quoted("Mars/Olympus") == "'Mars/Olympus'"
    assert quoted({"a": 1}) == "a value of type dict"


def test_digits_of_every_script_are_digits() -> None:
    assert ascii_digits("\u202a\u0660\u0661\u0662\u06f3\u096a\uff15\u202c") == "012345"
