"""Rows of a CSV file, as spreadsheets and databases write them.

Promises that a row which does not fit the header is one `BadRow` that names its line, that lines which a stray
quotation mark holds together are as many bad rows, and that a file which cannot be read as a whole is one
`SourceError`; no row is guessed into shape or silently left out.
"""

import codecs
import csv
import io
import re
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self, TextIO

from campaign.intake.cells import LONGEST_CELL
from campaign.intake.csv_files import explained, open_csv
from campaign.intake.recipients import BadRow, SourceError
from campaign.intake.texts import clean

DELIMITERS = ",;\t"
"""A comma, a semicolon (where the comma is the decimal sign), or a tab."""

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""What Excel reads, and some programs write, before the header."""
_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
"""How a text is written that a spreadsheet is not to take for a number: `="00017"`."""
_AROUND_A_CELL = "\"' \r\n"
_MOST_SEEN = 10_000
"""Characters of a line that cannot be read, in which numbers are looked for that must not be called."""
_DIGITS_OF_A_PHONE = 7
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?[./]\d\d?[./]\d{2,4}")
_LONGEST_LINE = 8 * LONGEST_CELL
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class CsvRows:
    """An open CSV file in UTF-8 or UTF-16, with or without a byte order mark. A context manager.

    Attributes:
        columns: The header's names, in order; empty ones for columns without a name.

    Args:
        folders: Where it must lie; see `open_csv`.

    Raises:
        SourceError: The file is not there or not allowed, is empty, or cannot be read.
    """

    def __init__(self, path: Path, folders: Collection[Path] | None = None) -> None:
        self._path = path
        file = open_csv(path, folders)
        try:
            self._encoding = _encoding(file)
            self._lines = _Lines(io.TextIOWrapper(file, encoding=self._encoding, newline=""), path)
            csv.field_size_limit(max(LONGEST_CELL, csv.field_size_limit()))
            self.columns, delimiter = self._header()
        except BaseException:
            file.close()
            raise
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self._delimiter = delimiter
        # Of rows that do not stand in the line after the row before: their numbers, and their lines.
        self._jumps, self._jump_lines = array("L"), array("L")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Every row after the header; empty lines are none.

        Raises:
            SourceError: The file is not of one encoding, or a quotation mark swallows the rest of it.
        """
        expected = 0
        for number, (line, row) in enumerate(self._numbered(), 1):
            if line != expected:
                self._jumps.append(number)
                self._jump_lines.append(line)
            expected = line + 1
            yield row

    def line_of(self, number: int) -> int:
        """The line in which a row began that was read: row 1 is the first after the header."""
        jump = bisect_right(self._jumps, number) - 1
        return int(self._jump_lines[jump] + number - self._jumps[jump])

    def _numbered(self) -> Iterator[tuple[int, Mapping[str, Any] | BadRow]]:
        width = len(self.columns)
        while True:
            self._lines.forget()
            first = self._lines.count + 1
            try:
                fields = next(self._reader, None)
            except (OSError, UnicodeError) as error:
                raise self._explained(error) from None
            except csv.Error as error:
                self._refuse_swallowed(first, error)
                yield from self._bad_lines(first, f"cannot be read as CSV ({error})")
                continue
            if fields is None:
                return
            if self._lines.odd:
                yield from self._bad_lines(first, f"cannot be read ({self._lines.odd})")
            elif len(self._lines.taken) > 1 and (own := self._row_within(first)):
                why = f"belong to one quoted cell, but line {own} looks like a row of its own; fix the quotation mark"
                yield from self._bad_lines(first, why)
            elif len(fields) == width:
                yield (
                    first,
                    {
                        name: (cell if cell[:1] != "=" else _unwrapped(cell)) or None
                        for name, cell in zip(self.columns, fields, strict=True)
                        if name
                    },
                )
            elif fields:
                few = "too few" if len(fields) < width else "too many"
                has = "have" if len(self._lines.taken) > 1 else "has"
                yield from self._bad_lines(first, f"{has} {few} fields: {len(fields)} instead of the header's {width}")

    def _bad_lines(self, first: int, why: str) -> Iterator[tuple[int, BadRow]]:
        """One bad row for each line that is not empty: whoever stands in it is accounted for."""
        last = first + len(self._lines.taken) - 1
        lines = f"line {first}" if last == first else f"lines {first} to {last}"
        for line, text in enumerate(self._lines.taken, first):
            if text.strip():
                cells = [cell.strip(_AROUND_A_CELL) for cell in text[:_MOST_SEEN].split(self._delimiter)]
                names = (*self.columns, *map(str, range(len(cells))))
                yield line, BadRow(f"{lines} {why}", dict(zip(names, cells, strict=False)))

    def _row_within(self, first: int) -> int | None:
        """The line within a quoted cell that is a row of its own, as far as can be seen: its columns, and a phone.

        Columns are counted by the delimiters alone, for nobody knows which quotation marks are meant.
        """
        for line, text in enumerate(self._lines.taken[1:], first + 1):
            chunks = _DATE.sub("", text).split(self._delimiter)
            digits = max(sum(map(str.isdigit, chunk)) for chunk in chunks)
            if len(chunks) >= len(self.columns) and digits >= _DIGITS_OF_A_PHONE:
                return line
        return None

    def _refuse_swallowed(self, first: int, error: csv.Error) -> None:
        # A quoted field that is never closed reaches to the end of the file, or beyond what the reader puts up with.
        # Then nobody can tell which rows are in it, and to go on would be to lose them.
        if self._lines.ended:
            raise SourceError(f"{self._path}: a quotation mark that opens in line {first} is not closed; close it")
        if "field limit" in str(error):
            raise SourceError(
                f"{self._path}: a cell that begins in line {first} has more than {LONGEST_CELL:,} characters; if they "
                "are not meant, a quotation mark there is not closed"
            )

    def _header(self) -> tuple[list[str], str]:
        """The first line that is not empty, by the delimiter that divides it into most columns."""
        delimiters = DELIMITERS
        try:
            for text in self._lines:
                if found := _SEPARATOR_LINE.fullmatch(text):
                    delimiters = found[1]
                elif text.strip():
                    break
            else:
                raise SourceError(f"{self._path}: the file is empty; its first line has to name the columns")
            self._lines.put_back(1)
            best = max(delimiters, key=lambda delimiter: len(self._divided(delimiter)))
            names = self._divided(best, strict=True, put_back=False)
        except (OSError, UnicodeError) as error:
            raise self._explained(error) from None
        except csv.Error as error:
            raise SourceError(f"{self._path}: the header cannot be read as CSV ({error})") from None
        if self._lines.odd:
            raise SourceError(f"{self._path}: the header cannot be read ({self._lines.odd})")
        return [clean(_unwrapped(name)) for name in names], best

    def _divided(self, delimiter: str, *, strict: bool = False, put_back: bool = True) -> list[str]:
        self._lines.forget()
        names = next(filter(None, csv.reader(self._lines, delimiter=delimiter, strict=strict)), [])
        if put_back:
            self._lines.put_back(len(self._lines.taken))
        return names

    def _explained(self, error: Exception) -> SourceError:
        if isinstance(error, UnicodeError):
            is_utf8 = self._encoding.startswith("utf-8")
            line = _first_line_not_utf8(self._path) if is_utf8 else self._lines.count + 1
            return SourceError(
                f"{self._path}: line {line} is not {'UTF-8' if is_utf8 else 'UTF-16'}; save the file as CSV UTF-8"
            )
        return explained(self._path, error)


class _Lines(Iterator[str]):
    """A file's lines; remembers those of the row that is being read, and knows when there are no more."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._waiting: list[str] = []
        self.taken: list[str] = []
        """The lines since `forget`."""
        self.count = 0
        """How many lines were read."""
        self.ended = False
        self.odd = ""
        """What is wrong with one of the lines taken."""

    def __next__(self) -> str:
        line = self._waiting.pop() if self._waiting else self._file.readline(_LONGEST_LINE)
        if not line:
            self.ended = True
            raise StopIteration
        self.taken.append(line)
        self.count += 1
        if "\0" in line:
            self.odd = "it holds a NUL character, which no text has"
        elif len(line) >= _LONGEST_LINE:
            raise SourceError(f"{self._path}: line {self.count} has more than {_LONGEST_LINE:,} characters; divide it")
        return line

    def forget(self) -> None:
        """A new row begins."""
        self.taken.clear()
        self.odd = ""

    def put_back(self, count: int) -> None:
        """Read the last lines once more."""
        if not count:
            return
        self._waiting += reversed(self.taken[-count:])
        del self.taken[-count:]
        self.count -= count
        self.ended = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _encoding(file: BinaryIO) -> str:
    """UTF-8, unless the file's first bytes say or show that it is UTF-16, which Excel calls Unicode text."""
    head = file.read(4096)
    file.seek(0)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # Delimiters, digits and line ends, of which CSV is full, have a zero byte there.
    halves = max(1, len(head) // 2)
    even, odd = (head[start::2].count(0) / halves for start in (0, 1))
    if max(even, odd) > 0.3 and min(even, odd) < 0.05:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def _unwrapped(cell: str) -> str:
    formula = _TEXT_FORMULA.fullmatch(cell)
    return cell if formula is None else formula[1].replace('""', '"')


def _first_line_not_utf8(path: Path) -> int:
    with open_csv(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
