"""The spool: where the rows of a run lie between the source and the dialer.

A campaign lasts hours, so its rows can neither be drawn from an open database cursor while calls are made (the cursor
would hold a connection, locks and a snapshot for as long) nor be kept in memory. They are read once, in one go, into a
temporary file, and from there as often as needed. It follows that a source which breaks off in the middle calls nobody,
and that the number of rows is known from the start.

Promises that memory does not grow with the number of rows; that only this user can read the file (it has no name and
mode 0600); and that it is gone when the process is, however it ends.
"""

import pickle
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import IO, Any, Self

from campaign.intake.cells import kept
from campaign.intake.recipients import BadRow

Row = Mapping[str, Any] | BadRow

PAGE_ROWS = 1000
"""Rows written and read at once: half a megabyte or so."""


class Spool:
    """Rows in a temporary file, numbered from 1. A context manager: the file is gone afterwards.

    Writing and reading block for a millisecond or two a page; any thread may do it.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="rows-")  # noqa: SIM115 - it lives as long as this
        self._lock = Lock()
        self._pages: list[tuple[int, int]] = []
        self.count = 0
        """How many rows there are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the file. May be called twice."""
        self._file.close()

    def clear(self) -> None:
        """Forget all rows, to begin again."""
        with self._lock:
            self._file.truncate(0)
            self._pages.clear()
            self.count = 0

    def add(self, rows: Sequence[object]) -> list[tuple[int, Row]]:
        """Write rows at the end, at best `PAGE_ROWS` of them; what is no mapping becomes a `BadRow`.

        Returns:
            The rows as they were kept, with their numbers.
        """
        numbered = list(enumerate(map(plain_row, rows), self.count + 1))
        if numbered:
            with self._lock:
                self._pages.append((self._file.seek(0, 2), self.count))
                pickle.dump([row for _, row in numbered], self._file, protocol=pickle.HIGHEST_PROTOCOL)
            self.count += len(numbered)
        return numbered

    def pages(self) -> Iterator[list[tuple[int, Row]]]:
        """Read all rows from the first, in the pages in which they were written."""
        for position, before in self._pages:
            with self._lock:
                self._file.seek(position)
                rows: list[Row] = pickle.load(self._file)  # noqa: S301 - this process wrote it, and nobody else can
            yield list(enumerate(rows, before + 1))


def plain_row(row: object) -> Row:
    """A row of plain cells, whatever its source made it of; see `campaign.intake.cells.kept`."""
    if isinstance(row, BadRow):
        return row
    if not isinstance(row, Mapping):
        return BadRow(f"a row has to map column names to values; this one is of type {type(row).__name__}")
    try:
        return {str(name): kept(cell) for name, cell in row.items()}
    except Exception as error:  # noqa: BLE001 - a foreign mapping may raise whatever it likes; the other rows go on
        return BadRow(f"the row cannot be read ({type(error).__name__})")
