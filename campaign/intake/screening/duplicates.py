"""Which row was the first with a key: what finds duplicates among any number of rows, without keeping them in memory.

Two `dict`s of a million ids and numbers take some 250 MB; here the keys lie in a SQLite database without a name, which
keeps a few megabytes in memory and the rest in a file that only this process can open and that is gone with it.
It takes five to ten microseconds a row.
"""

import sqlite3
import weakref
from collections.abc import Iterator

from campaign.errors import CampaignError

_PREPARE = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4000;
CREATE TABLE firsts (key PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
BEGIN;
"""


class SpoolUnwritable(CampaignError):
    """There is no room for temporary files. Whether a row is a duplicate, or blocked by another, cannot be known."""


class FirstRows:
    """Remembers, for each key, the number of the row that had it first. Keys are texts or integers of up to 63 bits."""

    def __init__(self) -> None:
        # One task at a time uses it, but not always from the same thread.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_PREPARE)
        self._count = 0
        weakref.finalize(self, self._database.close)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str | int]:
        """All keys, in order."""
        return (key for (key,) in self._database.execute("SELECT key FROM firsts"))

    def get(self, key: str | int) -> int | None:
        """The row that had `key` first, or `None`.

        Raises:
            SpoolUnwritable: As for `setdefault`.
        """
        if not self._count:
            return None
        found = self._ask("SELECT row FROM firsts WHERE key = ?", key).fetchone()
        return found[0] if found is not None else None

    def setdefault(self, key: str | int, row: int) -> int:
        """The row that had `key` first: `row` itself, if none had it before.

        Raises:
            SpoolUnwritable: There is no room for temporary files.
        """
        if self._ask("INSERT OR IGNORE INTO firsts VALUES (?, ?)", key, row).rowcount:
            self._count += 1
            return row
        return self.get(key) or row

    def _ask(self, statement: str, *values: str | int) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise SpoolUnwritable(
                f"The temporary file in which rows are compared cannot be used ({error}): make room in the folder for "
                "temporary files, or name another one in TMPDIR; then run again"
            ) from error
