"""What one cell of an upstream row means: whether it is empty, its text, its value as JSON, a yes, a day, an amount.

Databases, CSV files and data frames write the same fact in many ways (`17`, `17.0`, `Decimal("17")`, `" 17 "`, `NaN`).
Promises one reading of each, whatever the source; that what comes out can be written as JSON and into a database; and
that an error says what is wrong with the cell without repeating a phone number that stands in it.
"""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

from campaign.intake.texts import clean, without_numbers

JSON_INTEGER_LIMIT = 2**53
"""Integers beyond it lose digits in programs that read JSON numbers as floats, as JavaScript does."""
DEEPEST = 8
"""How many lists and objects a cell may nest."""

LONGEST_CELL = 1_000_000
"""Characters of one cell: far more than an agent could be told, so that one wrong value does not fill the memory."""
LARGEST_FLOAT32_INTEGER = 2**24
"""Above it a 32-bit float leaves whole numbers out."""

_PLAIN = frozenset({str, int, float, bool, type(None), Decimal, date})
_NO = frozenset({"", "false", "f", "no", "n", "off", "none", "null", "nan", "-"})
_YES = frozenset({"true", "t", "yes", "y", "on", "x", "1", "✓", "✔"})
_ZERO = re.compile(r"[+-]?0+(?:[.,]0+)?")
_WHOLE = re.compile(r"(\d+)\.0+", re.ASCII)
_SPREADSHEET_EXPONENT = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+", re.ASCII)
_NO_ID = frozenset(
    {"NULL", "Null", "null", "(null)", "<null>", "None", "none", "NaN", "nan", "NaT", "<NA>", "undefined"}
)
_NO_ID |= {"\\N", "N/A", "n/a", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#NULL!", "#DIV/0!", "#NUM!", "-", "--"}
"""What databases, data frames and spreadsheets write where nothing is. Taken for ids, it would make one person of all
who have none."""
_INSTANTS = {"datetime64": "datetime64[us]", "timedelta64": "timedelta64[us]"}
"""Data frames' own times, and as what they turn into Python's."""


class UnfitCell(ValueError):
    """A cell cannot be read; the message says why in words that can follow a column's name."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """What is kept of a cell that no program could use: which type it was, and why not."""

    type_name: str
    reason: str


def kept(value: object) -> object:
    """A cell as it may lie in a file until it is read: of Python's own plainest types, meaning the same as before."""
    if type(value) in _PLAIN:
        if isinstance(value, str) and len(value) > LONGEST_CELL:
            return Unfit("str", f"holds more than {LONGEST_CELL:,} characters")
        return value
    try:
        return json_value(value)
    except UnfitCell as error:
        return Unfit(type(value).__name__, str(error))
    except Exception:  # noqa: BLE001 - a foreign type may raise whatever it likes when it is looked at
        return Unfit(type(value).__name__, f"holds {_a(value)}, which cannot be read")


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: `None`, a blank text, or the "not a number" of floats, decimals and data frames."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace() or (not (value.isascii() and value.isprintable()) and not clean(value))
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, Decimal):
        return value.is_nan()
    # What data frames put where nothing is. They are known by name, so that no data frame library has to be installed.
    return type(value).__name__ in {"NAType", "NaTType"}


def text_of(value: object) -> str:
    """What a cell says when it is meant as a text, such as an id or the name of a time zone.

    Returns:
        The cleaned text; whole numbers without a fraction (`17.0` is `17`); an empty text where the cell holds nothing.

    Raises:
        UnfitCell: It is neither a text nor a number, date or UUID, or a number that lost digits.
    """
    if isinstance(value, str):
        return clean(value)
    if is_missing(value):
        return ""
    plain = json_value(value)
    if isinstance(value, float) and value.is_integer() and not isinstance(plain, int):
        raise UnfitCell(
            "holds a number with more digits than a float can keep; have it written as a text or an integer"
        )
    if isinstance(value, Decimal) and value == value.to_integral_value():
        plain = str(plain).partition(".")[0]
    if isinstance(plain, bool | list | dict):
        raise UnfitCell(f"holds {_a(value)}, not a text or a number")
    return clean(str(plain))


def id_of(value: object) -> str:
    """What a cell says when it is meant as an id: `17`, `17.0` and the text `17.0` of a frame's file are one person.

    Returns:
        The id; an empty text where the cell holds nothing, or what programs write for it, such as `NULL`.

    Raises:
        UnfitCell: As `text_of`; or a spreadsheet shortened it to `1.23457E+11`, which is the same for many people.
    """
    text = text_of(value)
    if text in _NO_ID:
        return ""
    if "+" in text and _SPREADSHEET_EXPONENT.fullmatch(text) is not None:
        raise UnfitCell(f"holds {quoted(text)}, an id that lost digits to scientific notation; format it as text")
    return _without_fraction(text)


def _without_fraction(text: str) -> str:
    whole = _WHOLE.fullmatch(text) if "." in text else None
    return text if whole is None else whole[1]


def basis_of(value: object) -> str:
    """What a cell of consent says: its text; `true` and `false` of a column of booleans; `1` for the 1.0 of a frame.

    Raises:
        UnfitCell: As `text_of`.
    """
    plain = value if isinstance(value, str) else kept(value)
    return str(plain).lower() if isinstance(plain, bool) else _without_fraction(text_of(plain))


def json_value(value: Any, *, depth: int = 0) -> Any:
    """A cell as what JSON can carry, or `None` if it holds nothing.

    Texts are cleaned. Decimals become texts with all their places (`"120.50"`), because an amount is spoken by an agent
    and must not turn into `120.5` or `120.49999`; so do integers that JSON readers would round. Whole floats become
    whole numbers, and what went through a 32-bit float is written as it was (`120.1`, not `120.099998474121`). Dates
    and times become ISO 8601, UUIDs and durations their text, enums their value. Lists and objects are kept, and what
    is in them is treated alike.

    Raises:
        UnfitCell: It is binary, infinite, nested too deep, or of a type that has no obvious form in JSON.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return clean(value) or None
    if is_missing(value):
        return None
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, int | float):
        return _json_number(value)
    if isinstance(value, date | time | timedelta | UUID):
        return _in_words(value)
    if isinstance(value, Mapping | list | tuple):
        return _json_nested(value, depth=depth + 1)
    return _json_foreign(value)


def is_yes(value: object) -> bool:
    """Whether a cell such as `do_not_call` says yes: anything but nothing and the common words and numbers for no.

    A date ("asked on 3 May") or an unknown word counts as yes: in doubt, nobody is called.

    Raises:
        UnfitCell: It is nothing that says yes or no, such as the bytes of a BIT column. Nobody is called then either.
    """
    if is_missing(value):
        return False
    if isinstance(value, str):
        text = clean(value).casefold()
        return text not in _NO and _ZERO.fullmatch(text) is None
    if isinstance(value, bool | int | float | Decimal | date | time):
        return value not in (0, False)
    plain = None if isinstance(value, Unfit | bytes | bytearray | memoryview) else kept(value)
    if isinstance(plain, str | bool | int | float):
        return is_yes(plain)
    raise UnfitCell(f"holds {_a(value)}, which is neither yes nor no; write true or false there, in a query with CAST")


def is_plain_yes(value: object) -> bool:
    """Whether a cell that `is_yes` says it in so many words, by a number, or by a date."""
    if not isinstance(value, str):
        return True
    text = clean(value).casefold()
    if text in _YES:
        return True
    try:
        day_of(text)
    except UnfitCell:
        return False
    return True


def is_word_for_yes(value: object) -> bool:
    """Whether a cell says yes in a word or by a 1, and not just by holding something."""
    if isinstance(value, str):
        return clean(value).casefold() in _YES
    return isinstance(value, int | float | Decimal) and value == 1


def day_of(value: object) -> date:
    """The day that a date, a time stamp or an ISO 8601 text names.

    Raises:
        UnfitCell: It is something else. `03/04/2026` is refused: nobody knows which month it means.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(clean(value)).date()
        except ValueError:
            pass
    raise UnfitCell(f"holds {quoted(value)}, not a date written year-month-day")


def amount_of(value: object) -> Decimal:
    """The number that a cell holds, exactly as it is written.

    Raises:
        UnfitCell: It is no finite number. `1,234.50` is refused: the comma means thousands in one country, and a
            fraction in another.
    """
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        try:
            if isinstance(value, float):
                value = shortest(value)
            amount = Decimal(clean(value).replace("_", "?")) if isinstance(value, str) else Decimal(str(value))
        except (InvalidOperation, ValueError):
            pass
        else:
            if amount.is_finite():
                return amount
    raise UnfitCell(f"holds {quoted(value)}, not a number such as 1234.50")


def quoted(value: object) -> str:
    """A cell as an error may show it: short, cleaned, in quotes, the digits of anything like a phone number hidden."""
    if not isinstance(value, str):
        if not isinstance(value, int | float | Decimal | date) or (isinstance(value, int) and abs(value) > 10**20):
            return _a(value)
        value = str(value)
    value = without_numbers(clean(value[:200]))
    return f"'{value[:39]}…'" if len(value) > 40 else f"'{value}'"


def type_name(value: object) -> str:
    """What type a cell is, or was before it was kept."""
    return value.type_name if isinstance(value, Unfit) else type(value).__name__


def shortest(value: float) -> float:
    """A float as it was written, if it went through 32 bits: `120.0999984741211` is the `120.1` of a REAL column.

    Of all 64-bit floats one in 500 million looks as if it had; it is off by a part in ten million then.
    """
    if len(repr(value)) < 10 or not math.isfinite(value) or abs(value) > 1e38:
        return value
    if _as_float32(value) != value:
        return value
    return next(near for digits in range(6, 18) if _as_float32(near := float(f"{value:.{digits}g}")) == value)


def _as_float32(value: float) -> float:
    packed: tuple[float] = struct.unpack("f", struct.pack("f", value))
    return packed[0]


def _json_number(value: float) -> int | float | str:
    if isinstance(value, int):
        if abs(value) <= JSON_INTEGER_LIMIT:
            return int(value)
        if abs(value) < 10**60:
            return str(int(value))
    elif value.is_integer() and abs(value) <= JSON_INTEGER_LIMIT:
        return int(value)
    elif abs(value) < 1e60:
        value = shortest(value)
        return float(f"{value:.15g}")  # a sum of 0.1 and 0.2 is 0.3 to whoever hears it, not 0.30000000000000004
    raise UnfitCell("holds a number too large to be sent to an agent")


def _in_words(value: date | time | timedelta | UUID) -> str:
    if isinstance(value, timedelta):  # a data frame's own would add its nanoseconds
        return str(timedelta(value.days, value.seconds, value.microseconds))
    return str(value) if isinstance(value, UUID) else value.isoformat()


def _decimal_text(value: Decimal) -> str:
    if value.is_finite() and abs(value.adjusted()) < 60:
        return format(value, "f")
    raise UnfitCell("holds a number too large to be sent to an agent")


def _json_nested(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], *, depth: int) -> Any:
    if depth > DEEPEST:
        raise UnfitCell(f"nests more than {DEEPEST} lists or objects")
    if isinstance(value, Mapping):
        return {text_of(key): json_value(item, depth=depth) for key, item in value.items()}
    return [json_value(item, depth=depth) for item in value]


def _json_foreign(value: Any) -> Any:
    """The plain value of a data frame's own number types, which turn into it by `item()`."""
    if isinstance(value, Unfit):
        raise UnfitCell(value.reason)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        plain = item()
        if type_name(value) in _INSTANTS and isinstance(plain, int):
            plain = value.astype(_INSTANTS[type_name(value)]).item()  # nanoseconds, which Python's own do not count
        if type_name(value) in ("float16", "float32") and abs(plain) > LARGEST_FLOAT32_INTEGER:
            raise UnfitCell("holds a 32-bit float, which does not keep all digits of a number as long as this one")
        if isinstance(plain, str | int | float | date | timedelta) or plain is None:
            return json_value(plain)
    if isinstance(value, bytes | bytearray | memoryview):
        raise UnfitCell(
            "holds binary data, which cannot be sent to an agent; leave the column out or turn it into text"
        )
    raise UnfitCell(f"holds {_a(value)}, which cannot be sent to an agent; leave the column out or turn it into text")


def _a(value: object) -> str:
    return f"a value of type {type_name(value)}"
