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
    day_of,
    id_of,
    is_missing,
    is_plain_yes,
    is_yes,
    json_value,
    kept,
    quoted,
    shortest,
    text_of,
)
from campaign.intake.texts import ascii_digits, clean, without_numbers

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
        (1234567890123456.0, "1234567890123456"),
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


@pytest.mark.parametrize(
    ("value", "recipient_id"),
    [
        ("17.0", "17"),
        ("17.00", "17"),
        (17.0, "17"),
        (17, "17"),
        ("0017.0", "0017"),
        ("17.5", "17.5"),
        ("1.7.0", "1.7.0"),
    ],
    ids=repr,
)
def test_a_whole_float_as_an_id_is_the_number(value: object, recipient_id: str) -> None:
    assert id_of(value) == recipient_id


@pytest.mark.parametrize("value", [1e16, 123456789012345678.0, Decimal("Infinity")], ids=repr)
def test_an_id_that_lost_digits_is_refused(value: object) -> None:
    with pytest.raises(UnfitCell):
        id_of(value)


def test_a_cell_without_end_is_not_kept() -> None:
    assert kept("x" * 1_000_000) == "x" * 1_000_000
    with pytest.raises(UnfitCell, match="holds more than 1,000,000 characters"):
        json_value(kept("x" * 1_000_001))


class datetime64:  # noqa: N801 - the name by which it is known
    """A data frame's own time, which counts nanoseconds and gives them as a number."""

    ndim = 0

    def __init__(self, unit: str, value: object) -> None:
        self.unit, self.value = unit, value

    def item(self) -> object:
        return 1795341600123456789 if self.unit == "ns" and self.value is not None else self.value

    def astype(self, kind: str) -> "datetime64":
        assert kind == "datetime64[us]"
        return datetime64("us", self.value)


class float32:  # noqa: N801 - the name by which it is known
    ndim = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        return self.value


class Timestamp(datetime):
    """A data frame's own, which tells its nanoseconds too."""

    def isoformat(self, *args: Any, **options: Any) -> str:
        return super().isoformat(*args, **options) + "789"


def test_times_of_nanoseconds_are_times() -> None:
    noon = datetime(2026, 11, 22, 12, 0, 0, 123456)  # noqa: DTZ001 - a frame tells no zone
    assert json_value(datetime64("ns", noon)) == "2026-11-22T12:00:00.123456"
    assert json_value(datetime64("D", date(2026, 11, 22))) == "2026-11-22"
    assert json_value(datetime64("ns", None)) is None
    reported = kept(Timestamp(2026, 11, 22, 12, 0, 0, 123456))
    assert reported == "2026-11-22T12:00:00.123456789"
    assert day_of(reported) == date(2026, 11, 22)


def test_a_float_of_32_bits_is_what_was_written_or_refused() -> None:
    assert json_value(float32(120.0999984741211)) == 120.1
    assert amount_of(120.0999984741211) == Decimal("120.1")
    with pytest.raises(UnfitCell, match="32-bit float"):
        json_value(float32(2125550080.0))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_writing_of_a_float_is_the_same_float_in_32_bits(value: float) -> None:
    import struct

    assert struct.pack("f", shortest(value)) == struct.pack("f", value)


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
        (17.0, 17),
        (-0.0, 0),
        (120.0999984741211, 120.1),  # what a REAL column's 120.1 comes as
        (-16777215.0, -16777215),
        (0.333333343267440796, 0.33333334),
        (1 / 3, 0.333333333333333),
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


@pytest.mark.parametrize(
    "value",
    [b"\x00", b"\x01", b"", bytearray(b"\x00"), memoryview(b"\x00"), [0], {"yes": False}, object()],
    ids=lambda v: type(v).__name__ + ascii(v)[:9],
)
def test_what_says_neither_yes_nor_no_is_reported_as_that(value: object) -> None:
    for cell in (value, kept(value)):
        with pytest.raises(UnfitCell, match="neither yes nor no"):
            is_yes(cell)


def test_a_word_that_is_no_plain_yes_is_known_as_such() -> None:
    assert all(map(is_plain_yes, ["yes", "X", "1", True, 2, date(2026, 5, 3), "2026-05-03"]))
    assert not any(map(is_plain_yes, ["asked on 3 May", "maybe", "?"]))


@pytest.mark.parametrize("value", ["0.0", "0.00", "0,0", "-0", Int64(0)], ids=repr)
def test_every_zero_is_a_no(value: object) -> None:
    assert not is_yes(value)


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
