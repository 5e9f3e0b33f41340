"""The do-not-call list: numbers in a query or a file that no campaign of this run calls.

Promises that a list which cannot be understood stops the run rather than bars nobody.
"""

import logging

from campaign.buckets import Bucket
from campaign.intake.cells import UnfitCell, text_of
from campaign.intake.numbers import ALL_KINDS, NumberProblem, parse_number
from campaign.intake.recipients import BadRow, Columns, Source, SourceError
from campaign.intake.row_spool import Row
from campaign.intake.screening import NumberSet
from tasks.load import Rows, load

logger = logging.getLogger(__name__)


async def load_do_not_call(source: Source) -> NumberSet:
    """The numbers in a source, in E.164, of every kind of line. Read in a task run of its own.

    Raises:
        SourceError: The source cannot be read, has no number that can, or holds national numbers and names no region.
    """
    with await load(source, id_needed=False) as rows:
        return await numbers_in(rows)


async def numbers_in(rows: Rows) -> NumberSet:
    """The numbers in rows that were read. Rows without one are counted and told in a warning.

    Raises:
        SourceError: No row has a number that can be read, or a national one cannot be for want of a region.
    """
    numbers = NumberSet()
    unreadable = 0
    first = ""
    async for page in rows.pages():
        for number, row in page:
            problem = _take(numbers, row, rows)
            if problem is None:
                continue
            if problem.bucket is Bucket.NO_REGION:
                raise SourceError(f"the do-not-call list {rows}, row {number}: {problem.reason}; name a default region")
            unreadable += 1
            first = first or f"row {number}: {problem.reason}"
    if unreadable and not numbers:
        raise SourceError(f"the do-not-call list {rows} has no number that can be read ({first}); correct the list")
    if unreadable:
        logger.warning(
            "%d of %d rows of the do-not-call list %s bar nobody, because they hold no number that can be read (%s)",
            unreadable,
            rows.count,
            rows,
            first,
        )
    return numbers


def _take(numbers: NumberSet, row: Row, rows: Rows) -> NumberProblem | None:
    if isinstance(row, BadRow):
        return NumberProblem(Bucket.BAD_ROW, row.reason)
    columns = Columns.of(list(row), rows.columns)
    try:
        region = text_of(row[columns.region]) if columns.region is not None else ""
    except UnfitCell:
        region = ""
    found = parse_number(row[columns.phone] if columns.phone else None, region or rows.default_region, kinds=ALL_KINDS)
    if isinstance(found, NumberProblem):
        return found
    numbers.add(found.e164)
    return None
