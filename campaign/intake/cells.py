"""What one cell of an upstream row means: whether it is empty, its text, its value as JSON, a yes, a day, an amount.

Databases, CSV files and data frames write the same fact in many ways (`17`, `17.0`, `Decimal("17")`, `" 17 "`, `NaN`).
Promises one reading of each, whatever the source; that what comes out can be written as JSON and into a database; and
that an error says what is wrong with the cell without repeating a phone number that stands in it.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

JSON_INTEGER_LIMIT = 2**53
"""Integers beyond it lose digits in programs that read JSON numbers as floats, as JavaScript does."""
DEEPEST = 8
"""How many lists and objects a cell may nest."""

# Bidirectional embeddings, overrides and isolates: they only say how a text is painted, and can disguise it. The
# joiners, which are invisible too, stay: Persian, Hindi and emoji are not written without them.
_PAINT = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
# Control characters (but for line feed and tab) and lone surrogates, which no UTF-8 can hold.
_UNWANTED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_PAINT}\ud800-\udfff]")
_PLAIN = frozenset({str, int, float, bool, type(None), Decimal, date})
_NO = frozenset({"", "0", "0.0", "false", "f", "no", "n", "off", "none", "null", "nan", "-"})
_MANY_DIGITS = re.compile(r"\d(?:[\s().\-/]*\d){6,}")


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
        return not value or value.isspace()
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, Decimal):
        return value.is_nan()
    # What data frames put where nothing is. They are known by name, so that no data frame library has to be installed.
    return type(value).__name__ in {"NAType", "NaTType"}


def clean(text: str) -> str:
    """`text` without control characters, bidi marks, lone surrogates and blanks around it."""
    if not text.isprintable():
        text = _UNWANTED.sub("", text)
    return text.strip()


def text_of(value: object) -> str:
    """What a cell says when it is meant as a text, such as an id or the name of a time zone.

    Returns:
        The cleaned text; whole numbers without a fraction (`17.0` is `17`); an empty text where the cell holds nothing.

    Raises:
        UnfitCell: It is neither a text nor a number, date or UUID.
    """
    if isinstance(value, str):
        return clean(value)
    if is_missing(value):
        return ""
    plain = json_value(value)
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    elif isinstance(value, Decimal) and value == value.to_integral_value():
        plain = str(plain).partition(".")[0]
    if isinstance(plain, bool | list | dict):
        raise UnfitCell(f"holds {_a(value)}, not a text or a number")
    return clean(str(plain))


def json_value(value: Any, *, depth: int = 0) -> Any:
    """A cell as what JSON can carry, or `None` if it holds nothing.

    Texts are cleaned. Decimals become texts with all their places (`"120.50"`), because an amount is spoken by an agent
    and must not turn into `120.5` or `120.49999`; so do integers that JSON readers would round. Dates and times become
    ISO 8601, UUIDs and durations their text, enums their value. Lists and objects are kept, and what is in them is
    treated alike.

    Raises:
        UnfitCell: It is binary, infinite, nested too deep, or of a type that has no obvious form in JSON.
    """
    if isinstance(value, Enum):
        value = value.value
    if is_missing(value):
        return None
    if isinstance(value, str):
        return clean(value) or None
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, int | float):
        return _json_number(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID | timedelta):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return _json_nested(value, depth=depth + 1)
    return _json_foreign(value)


def is_yes(value: object) -> bool:
    """Whether a cell such as `do_not_call` says yes: anything but nothing and the common words and numbers for no.

    A date ("asked on 3 May") or an unknown word counts as yes: in doubt, nobody is called.
    """
    if is_missing(value):
        return False
    if isinstance(value, str):
        return clean(value).casefold() not in _NO
    return value not in (0, False)


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
            amount = Decimal(clean(value)) if isinstance(value, str) else Decimal(str(value))
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


def without_numbers(text: str) -> str:
    """`text` with every run of seven digits or more hidden, whatever alphabet they are in: it may be a phone number."""
    return _MANY_DIGITS.sub(lambda run: re.sub(r"\d", "•", run[0]), text)


def ascii_digits(text: str) -> str:
    """`text` with the digits of every script as 0-9, full-width signs as plain ones, and without invisible marks."""
    if text.isascii():
        return text
    kept = []
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if category == "Nd":
            kept.append(str(unicodedata.decimal(character)))
        elif category != "Cf":
            kept.append(" " if category == "Zs" else character)
    return "".join(kept)


def _json_number(value: float) -> int | float | str:
    if isinstance(value, int):
        if abs(value) <= JSON_INTEGER_LIMIT:
            return int(value)
        if abs(value) < 10**60:
            return str(int(value))
    elif abs(value) < 1e60:
        return float(f"{value:.15g}")  # a sum of 0.1 and 0.2 is 0.3 to whoever hears it, not 0.30000000000000004
    raise UnfitCell("holds a number too large to be sent to an agent")


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
        if isinstance(plain, str | int | float | date):
            return json_value(plain)
    if isinstance(value, bytes | bytearray | memoryview):
        raise UnfitCell(
            "holds binary data, which cannot be sent to an agent; leave the column out or turn it into text"
        )
    raise UnfitCell(f"holds {_a(value)}, which cannot be sent to an agent; leave the column out or turn it into text")


def _a(value: object) -> str:
    return f"a value of type {type_name(value)}"
