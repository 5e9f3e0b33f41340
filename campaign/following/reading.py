"""Reading Hamsa's call list over some time, page by page, without taking its word for anything.

Promises that a list counts as read whole only if an empty page ended it, no call was shown on two pages, and it did not
promise more than it showed. That is not yet proof that it showed everything: for that there are controls.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hamsa import Unavailable
from hamsa.models import CallPage, CallSummary

T = TypeVar("T")

MOST_PAGES = 500
"""In one reading: a list that shows the calls of years, whatever time is asked for, is not read to its end."""

QUICK_RECORDS = 100
"""So many records are read at most by a look that a line, or the end of a call, waits for."""

TRIES = 3
"""How often a page or a record that does not come is asked for within one look."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one reading of Hamsa's call list showed.

    Attributes:
        unread: Why it cannot be known that it was read whole, or None: only then may absence mean anything.
    """

    rows: Sequence[CallSummary]
    unread: str | None = None


@dataclass(slots=True)
class Reading:
    """Tells when to stop, and whether the list was read whole.

    A server may give fewer rows than were asked for, count otherwise, or ignore `page` altogether. A call that is
    overlooked here could be dialed again.
    """

    rows: dict[str, CallSummary] = field(default_factory=dict)
    pages: int = 0
    over: bool = False
    _moved: bool = False
    _promised: int = 0
    _ended: bool = False

    def take(self, page: CallPage) -> None:
        """Take in the next page."""
        # Assumed: the list's order may be anything.
        # Assumed: `startTime`, `endTime`, `page` and `perPage` are honored, and `filtered` counts all.
        self.pages += 1
        new = {row.id: row for row in page.calls if row.id not in self.rows}
        shown = {row.id for row in page.calls}
        self._moved = self._moved or len(new) < len(shown)
        self._promised = max(self._promised, page.filtered or 0)
        self._ended = not page.calls
        self.rows.update(new)
        # The newest page tells the present status of a call.
        self.rows.update((row.id, row) for row in page.calls)
        self.over = self._ended or not new or self.pages >= MOST_PAGES

    def look(self) -> Look:
        """What was read so far."""
        return Look(list(self.rows.values()), self._unread())

    def _unread(self) -> str | None:
        whole = "so it cannot be known whether it was read whole"
        if self._moved:
            return f"Hamsa's call list shows the same calls on more than one page, {whole}"
        if not self._ended:
            return f"Hamsa's call list did not end within {self.pages} pages, {whole}"
        if self._promised > len(self.rows):
            return f"Hamsa's call list counts {self._promised} calls and shows {len(self.rows)}, {whole}"
        return None


async def asked_again(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask Hamsa, and once or twice more if an answer fails: a look in which one of many is missing proves nothing.

    Raises:
        HamsaError: It was refused, or failed each time, or Hamsa said when to come again.
    """
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except Unavailable as error:
            if error.retry_after:
                raise
    return await ask()
