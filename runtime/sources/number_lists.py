"""The do-not-call list: numbers in a query or a file that no campaign of this run calls.

Promises that a list which cannot be understood stops the run rather than bars nobody: every row that holds a digit is
either understood, or named in the error.
"""

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from campaign.buckets import Bucket
from campaign.intake import (
    BadRow,
    ColumnMapping,
    Columns,
    NumberProblem,
    NumberSet,
    Row,
    SourceError,
    UnfitCell,
    ascii_digits,
    is_missing,
    numbers_named,
    quoted,
    text_of,
)
from runtime.sources.rows import Rows

logger = logging.getLogger(__name__)


async def numbers_in(rows: Rows) -> NumberSet:
    """The numbers in rows that were read. Rows in which there is none at all are counted and told in a warning.

    Raises:
        SourceError: A row holds digits, or something unreadable, that is not understood; or no row has a number.
    """
    numbers = NumberSet()
    empty = 0
    first = ""
    async for page in rows.pages():
        for number, row in page:
            listed = numbers_of(row, rows, rows.place_of(number))
            for each in listed:
                numbers.add(each)
            if not listed:
                empty += 1
                first = first or rows.place_of(number)
    if empty and not numbers:
        raise SourceError(
            f"the do-not-call list {rows} has no number that can be read (the first row without one is {first}); "
            "correct the list"
        )
    if empty:
        logger.warning(
            "%d of %d rows of the do-not-call list %s bar nobody, because they hold no phone number (the first is %s)",
            empty,
            rows.count,
            rows,
            first,
        )
    return numbers


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
    for name, other in row.items():
        if name != columns.phone:
            listed = [*listed, *_elsewhere(name, other, rows, place, region if not listed else None)]
    return listed


def _elsewhere(name: str, cell: object, rows: Rows, place: str, region: str | None) -> list[str]:
    """Numbers in another column: a second phone, or one in the wrong place. With a country code, or in the region."""
    if not isinstance(cell, str) or is_missing(cell):
        return []
    plain = ascii_digits(cell).lstrip(" ('\"")
    is_international = plain.startswith(("+", "tel:+"))
    if not is_international and region is None:
        return []
    listed = numbers_named(cell, region)
    if isinstance(listed, list):
        return listed
    if is_international and listed.bucket is not Bucket.NO_NUMBER:
        raise _not_understood(rows, place, name, cell, listed)
    return []


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
