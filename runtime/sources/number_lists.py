"""The do-not-call list: numbers, and people by their ids, in a query or a file that no campaign of this run calls.

Promises that a list which cannot be understood stops the run rather than blocking nobody: every row with a digit is
either understood, or named in the error.
"""

import logging
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from campaign.buckets import Bucket
from campaign.intake import (
    BadRow,
    ColumnMapping,
    Columns,
    DoNotCallList,
    NumberProblem,
    Row,
    SourceError,
    UnfitCell,
    ascii_digits,
    id_of,
    is_missing,
    is_phone_column,
    may_be_phone_column,
    numbers_among,
    numbers_named,
    quoted,
    text_of,
)
from runtime.sources.rows import Rows

logger = logging.getLogger(__name__)


_DATE = re.compile(
    r"(?<![\d.\-/])(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d\d))(?!\d|[.\-/]\d)"
    r"(?:[T ]?\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
"""A date, with or without a time; not the pairs of digits in which some countries write numbers."""

_FEWEST_DIGITS = 7
"""A cell with so many, in a row without any number that is understood, may be one."""


async def numbers_in(rows: Rows) -> DoNotCallList:
    """The numbers in rows that were read, and the ids of people. Rows without either are counted in a warning.

    Raises:
        SourceError: A row holds digits, or something unreadable, that is not understood; or no row blocks anybody.
    """
    blocked = DoNotCallList()
    empty = 0
    first = ""
    async for page in rows.pages():
        for number, row in page:
            place = rows.place_of(number)
            listed = numbers_of(row, rows, place)
            person = person_of(row, rows, place, serial=bool(listed))
            for each in (*listed, *([person] if person else [])):
                blocked.add(each)
            if not listed and not person:
                empty += 1
                first = first or place
    if empty and not blocked:
        raise SourceError(
            f"the do-not-call list {rows} has no number that can be read (the first row without one is {first}); "
            "correct the list"
        )
    if not rows.count:
        logger.warning("The do-not-call list %s has no rows: it blocks nobody. Was its export complete?", rows)
    if empty:
        logger.warning(
            "%d of %d rows of the do-not-call list %s block nobody, because they hold neither a phone number nor an id "
            "(the first is %s)",
            empty,
            rows.count,
            rows,
            first,
        )
    return blocked


def person_of(row: Row, rows: Rows, place: str, *, serial: bool = False) -> str | None:
    """Whom a row of a list names by id; None if nobody.

    Args:
        rows: Where it is from.
        serial: Numbers in a column that is merely called `id` count the rows of the list, and name nobody.
    """
    if isinstance(row, BadRow):
        return None
    columns = columns_of(tuple(row), rows.columns)
    column = columns.person or columns.id
    if column is None:
        return None
    may_count = serial and column.casefold() == "id" and not {"id", "person"} & rows.columns.named().keys()
    try:
        named = id_of(row[column])
        return None if not named or (may_count and named.isdigit()) else named
    except UnfitCell as error:
        raise SourceError(f"the list {rows}, {place}, column {quoted(column)} {error}; correct the list") from None


def numbers_of(row: Row, rows: Rows, place: str) -> list[str]:
    """All numbers that a row names; none if there is nothing in it to be understood."""
    if isinstance(row, BadRow):
        where = "" if row.reason.startswith("line") else f"{place}: "
        raise SourceError(
            f"the do-not-call list {rows}: {where}{row.reason}; correct the list: until then nobody is called"
        )
    columns = columns_of(tuple(row), rows.columns)
    region = _region_of(row, columns, rows, place)
    cell = row[columns.phone] if columns.phone is not None else None
    listed = numbers_named(cell, region)
    if isinstance(listed, NumberProblem):
        if listed.bucket is not Bucket.NO_NUMBER:
            raise _not_understood(rows, place, str(columns.phone), cell, listed)
        listed = []
    others = {
        name: cell
        for name, cell in row.items()
        if name not in (columns.phone, columns.id, columns.person, columns.region, columns.timezone)
    }
    for name, other in others.items():
        listed = [*listed, *_elsewhere(name, other, rows, place, region)]
    if not listed:
        for name, other in others.items():
            if _may_be_a_number(other):
                problem = NumberProblem(Bucket.NOT_A_NUMBER, "the row's only digits are not a number that can be read")
                raise _not_understood(rows, place, name, other, problem)
    return listed


def _elsewhere(name: str, cell: object, rows: Rows, place: str, region: str | None) -> list[str]:
    """Numbers in another column: a second phone, or one in the wrong place.

    To its last digit must be understood what stands in a column that is called like a phone, or begins with a country
    code. Elsewhere, as in a note, it is barred what can be read.
    """
    if is_missing(cell):
        return []
    is_phone = is_phone_column(name) or (may_be_phone_column(name) and _may_be_a_number(cell))
    is_international = isinstance(cell, str) and ascii_digits(cell).lstrip(" ('\"").startswith(("+", "tel:+"))
    if not (is_international or is_phone):
        return numbers_among(str(cell), region) if _may_be_a_number(cell) else []
    listed = numbers_named(cell, region)
    if isinstance(listed, list):
        return listed
    if listed.bucket is not Bucket.NO_NUMBER:
        raise _not_understood(rows, place, name, cell, listed)
    return []


def _may_be_a_number(cell: object) -> bool:
    """Whether a cell may hold a phone number: many digits beside dates and times."""
    if not isinstance(cell, str | int | float | Decimal):
        return False
    text = ascii_digits(str(cell))
    return sum(map(str.isdigit, _DATE.sub("", text))) >= _FEWEST_DIGITS


@lru_cache(maxsize=64)
def columns_of(names: tuple[str, ...], mapping: ColumnMapping) -> Columns:
    """Where in the rows of a list each thing stands."""
    return Columns.of(names, mapping)


def _region_of(row: Mapping[str, Any], columns: Columns, rows: Rows, place: str) -> str | None:
    if columns.region is None:
        return rows.default_region
    try:
        return text_of(row[columns.region]) or rows.default_region
    except UnfitCell as error:
        raise SourceError(
            f"the do-not-call list {rows}, {place}, column {quoted(columns.region)} {error}; correct the list"
        ) from None


def _not_understood(rows: Rows, place: str, column: str, cell: object, problem: NumberProblem) -> SourceError:
    advice = (
        "name a default region"
        if problem.bucket is Bucket.NO_REGION
        else "correct the list: until then nobody is called"
    )
    shown = re.sub(r"\d", "•", quoted(cell))  # half a number is somebody's, too
    what = f"{problem.reason} (column {quoted(column)} holds {shown})"
    return SourceError(f"the do-not-call list {rows}, {place}: {what}; {advice}")
