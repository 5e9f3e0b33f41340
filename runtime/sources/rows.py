"""The rows of a source, from a database, a file or an upstream task, read before anybody is called.

Promises that all rows are read in one go into a spool on disk, so that no cursor is held while people
are called and memory does not grow with them; that each row arrives once, in order, numbered from 1; and that what is
wrong with a source as a whole is one `SourceError`.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self

from campaign.intake import (
    PAGE_ROWS,
    ColumnMapping,
    Columns,
    CsvFile,
    CsvRows,
    Row,
    Screen,
    Source,
    SourceError,
    Spool,
    SqlQuery,
    check_columns,
)
from campaign.wording import counted
from runtime.sources.csv_folders import allowed_folders
from runtime.sources.queries import Connect, load_connector, read_query

logger = logging.getLogger(__name__)

MOST_ROWS = 10_000_000
"""So that a join without its condition fills no disk."""

Mappings = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
"""Rows that some other upstream task made."""


class Rows:
    """A source and, once it is read, its rows. A context manager: the spool is gone afterwards.

    Args:
        source: A query, a file, or mappings.
        columns: Which keys of mappings hold what; a query or file has its own.
        default_region: Country of national numbers in mappings; a query or file has its own.
        id_needed: Whether each row has to have an id; not so in a mere list of numbers.
        connect: Gives the connector of a name.
    """

    def __init__(
        self,
        source: Source | Mappings,
        *,
        columns: ColumnMapping | None = None,
        default_region: str | None = None,
        id_needed: bool = True,
        connect: Connect = load_connector,
    ) -> None:
        if isinstance(source, SqlQuery | CsvFile):
            columns, default_region = source.columns, source.default_region
        self.columns = columns or ColumnMapping()
        """Which columns hold what."""
        self.default_region = default_region
        """Two letters of the country of national numbers where the row names none."""
        self._source = source
        self._id_needed = id_needed
        self._connect = connect
        self._names: dict[str, None] = {}
        self._spool = Spool()
        self._line_of: Callable[[int], int] | None = None

    def __str__(self) -> str:
        """What the task run is called."""
        return str(self._source) if isinstance(self._source, SqlQuery | CsvFile) else "rows"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the spool."""
        self._spool.close()

    def place_of(self, number: int) -> str:
        """Where a row stands, in words: the line of a file, or the row's number."""
        return f"line {self._line_of(number)}" if self._line_of is not None else f"row {number}"

    @property
    def count(self) -> int:
        """How many rows there are, bad ones included."""
        return self._spool.count

    async def read(self) -> None:
        """Read the source to its end; from its beginning, if it was read before.

        Raises:
            SourceUnavailable: The database cannot be reached.
            SourceError: Something else is wrong with the source.
        """
        self._spool.clear()
        self._names.clear()
        source = self._source
        if isinstance(source, SqlQuery):
            await read_query(source, self, page_rows=PAGE_ROWS, connect=self._connect)
        elif isinstance(source, CsvFile):
            await self._read_file(source)
        else:
            await self._read_mappings(source)
        logger.info("%s read from %s", counted(self.count, "row"), self)

    def take_columns(self, names: Sequence[str]) -> None:
        """Hear which columns there are, before the first row or after the last.

        Raises:
            SourceError: One is missing.
        """
        with_source = "the rows" if str(self) == "rows" else str(self)
        try:
            check_columns(names, self.columns, id_needed=self._id_needed)
        except SourceError as error:
            raise SourceError(f"{with_source}: {error}") from None
        self._names.update(dict.fromkeys(names))

    def take_rows(self, rows: Sequence[object]) -> list[tuple[int, Row]]:
        """Keep a page of rows. Returns them as they were kept.

        Raises:
            SourceError: There are more than anybody can mean.
        """
        if self.count + len(rows) > MOST_ROWS:
            raise SourceError(f"{self} has more than {MOST_ROWS:,} rows; is a condition missing?")
        return self._spool.add(rows)

    async def pages(self, size: int = PAGE_ROWS) -> AsyncIterator[list[tuple[int, Row]]]:
        """All rows with their numbers, from the first, as often as asked for.

        Args:
            size: Rows in a page; the last one may have fewer.
        """
        written = self._spool.pages()
        waiting: list[tuple[int, Row]] = []
        while page := await asyncio.to_thread(next, written, None):
            waiting += page
            while len(waiting) >= size:
                yield waiting[:size]
                waiting = waiting[size:]
        if waiting:
            yield waiting

    async def prepare(self, screen: Screen) -> None:
        """Make sure that the columns a screen needs are there, and show it who is marked do-not-call further down.

        To be called once, before the first page is screened.

        Raises:
            SourceError: A column is missing.
        """
        names = list(self._names)
        if not names:
            return  # no rows at all
        try:
            screen.check_columns(names)
        except SourceError as error:
            raise SourceError(f"{self}: {error}") from None
        if Columns.of(names, self.columns).do_not_call:
            async for page in self.pages():
                for number, row in page:
                    screen.look_ahead(number, row)

    async def _read_file(self, source: CsvFile) -> None:
        with await asyncio.to_thread(CsvRows, source.path, allowed_folders()) as file:
            self.take_columns(file.columns)
            self._line_of = file.line_of
            rows = iter(file)
            while page := await asyncio.to_thread(_next_page, rows):
                self.take_rows(page)

    async def _read_mappings(self, mappings: Mappings) -> None:
        if isinstance(mappings, str | bytes | Mapping) or not isinstance(mappings, Iterable | AsyncIterable):
            raise SourceError(f"the rows have to be mappings, one after the other, not a {type(mappings).__name__}")
        names: dict[str, None] = {}
        async for page in _pages_of(mappings):
            for _, row in self.take_rows(page):
                if isinstance(row, Mapping):
                    names.update(dict.fromkeys(row))
        if names:
            self.take_columns(list(names))


async def _pages_of(mappings: Mappings) -> AsyncIterator[list[object]]:
    if isinstance(mappings, AsyncIterable):
        page: list[object] = []
        async for row in mappings:
            page.append(row)
            if len(page) == PAGE_ROWS:
                yield page
                page = []
        yield page
        return
    # In this thread: the rows may come from a generator that belongs to it.
    rows = iter(mappings)
    while page := _next_page(rows):
        yield page
        await asyncio.sleep(0)


def _next_page(rows: Iterator[object]) -> list[object]:
    return list(islice(rows, PAGE_ROWS))
