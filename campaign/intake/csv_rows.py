"""Rows of a CSV file, as spreadsheets and databases write them.

Promises that a row which does not fit the header is one `BadRow` that names its line, and that a file which cannot be
read as a whole is one `SourceError`; no row is guessed into shape or silently left out.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TextIO

from campaign.intake.cells import clean
from campaign.intake.recipients import BadRow, SourceError

DELIMITERS = ",;\t"
"""A comma, a semicolon (where the comma is the decimal sign), or a tab."""


class CsvRows:
    """An open CSV file in UTF-8, with or without a byte order mark. A context manager.

    Attributes:
        columns: The header's names, in order; empty ones for columns without a name.

    Raises:
        SourceError: The file is not there, is empty, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            header, delimiter = _header(path)
            self._file = _opened(path)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise _explained(path, error) from None
        if not header:
            self._file.close()
            raise SourceError(f"{path}: the file is empty; its first line has to name the columns")
        self.columns = [clean(name) for name in header]
        self._lines = _Lines(self._file)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        next(filter(None, self._reader))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Every row after the header; empty lines are none.

        Raises:
            SourceError: The file is not UTF-8, or a quotation mark swallows the rest of it.
        """
        width = len(self.columns)
        while True:
            line = self._reader.line_num + 1
            try:
                fields = next(self._reader, None)
            except (OSError, UnicodeDecodeError) as error:
                raise _explained(self._path, error) from None
            except csv.Error as error:
                yield self._bad_row(line, error)
                continue
            if fields is None:
                return
            if len(fields) == width:
                yield {name: cell or None for name, cell in zip(self.columns, fields, strict=True) if name}
            elif fields:
                few = "too few" if len(fields) < width else "too many"
                yield BadRow(f"line {line} has {few} fields: {len(fields)} instead of the header's {width}")

    def _bad_row(self, line: int, error: csv.Error) -> BadRow:
        # A quoted field that is never closed reaches to the end of the file, or beyond what the reader puts up with.
        # Then nobody can tell which rows are in it, and to go on would be to lose them.
        if self._lines.ended or "field limit" in str(error):
            raise SourceError(f"{self._path}: a quotation mark that opens in line {line} is not closed; close it")
        return BadRow(f"line {line} cannot be read as CSV ({error})")


class _Lines(Iterator[str]):
    """A file's lines; knows when there are no more."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.ended = False

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            self.ended = True
            raise StopIteration
        return line


def _explained(path: Path, error: Exception) -> SourceError:
    """What the machine says of a file, as a sentence for its owner."""
    match error:
        case UnicodeDecodeError():
            return SourceError(f"{path}: line {_first_line_not_utf8(path)} is not UTF-8; save the file as CSV UTF-8")
        case FileNotFoundError():
            where = "" if path.is_absolute() else f" in {Path.cwd()}"
            return SourceError(f"{path}: there is no such file{where}; name one that the flow's machine can see")
        case IsADirectoryError():
            return SourceError(f"{path} is a folder; name a CSV file")
        case OSError():
            return SourceError(f"{path}: the file cannot be read ({error.strerror})")
    return SourceError(f"{path}: the header cannot be read as CSV ({error})")


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _header(path: Path) -> tuple[list[str], str]:
    """The first line that is not empty, by the delimiter that divides it into most columns."""

    def divided(delimiter: str, *, strict: bool = False) -> list[str]:
        with _opened(path) as file:
            return next(filter(None, csv.reader(file, delimiter=delimiter, strict=strict)), [])

    best = max(DELIMITERS, key=lambda delimiter: len(divided(delimiter)))
    return divided(best, strict=True), best


def _first_line_not_utf8(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
