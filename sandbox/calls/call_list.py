"""The calls in order, so that one page of a list of a hundred thousand costs no more than one of a hundred.

Calls that are over are filed under their status once; only those still in progress are looked at one by one.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any

from hamsa.models import FINAL_STATUSES, JobStatus
from sandbox.calls.lives import Life
from sandbox.calls.outcomes import Outcome

Row = tuple[int, int, "Call"]
"""Creation in epoch milliseconds, ordinal, call: a sort key that never compares calls."""


@dataclass(slots=True, eq=False)
class Call:
    """One call, whose whole life is known from its beginning."""

    id: str
    ordinal: int
    """Its place among all calls."""
    ring: int
    """Its place among the calls to this number."""
    number: str
    machine_number: str
    agent_id: str | None
    agent_name: str
    params: dict[str, Any]
    created: float
    """Epoch seconds."""
    life: Life
    outcome: Outcome | None
    cost: float
    source: str
    """`hamsa`, `own` or `twilio` through the API; `dashboard` if a person made it there."""
    fault: str | None = None
    agent_details: dict[str, Any] | None = None
    webhook_url: str | None = None
    webhook_auth: dict[str, str] | None = None
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    """How its events went."""

    @property
    def created_ms(self) -> int:
        """When it was made, in epoch milliseconds, as the API shows it."""
        return int(self.created * 1000)

    @property
    def call_key(self) -> str | None:
        """The caller's own key among `params`."""
        value = self.params.get("call_key")
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls are asked for."""

    agent_id: str | None = None
    statuses: frozenset[str] = frozenset()
    from_ms: float = float("-inf")
    """Earliest creation, epoch milliseconds, inclusive."""
    to_ms: float = float("inf")
    """Latest creation, epoch milliseconds, inclusive."""
    order: str = "newest"
    page: int = 1
    per_page: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of calls, and how many there are in all and among those asked for."""

    total: int
    filtered: int
    calls: list[Call]


class CallList:
    """All calls by creation, by agent and, once over, by status."""

    def __init__(self) -> None:
        self._rows: defaultdict[str | None, list[Row]] = defaultdict(list)
        self._over: defaultdict[tuple[str | None, str], list[Row]] = defaultdict(list)
        self._in_progress: defaultdict[str | None, dict[int, Row]] = defaultdict(dict)
        self._endings: list[tuple[float, int, Row]] = []

    def add(self, call: Call) -> None:
        """Take in a new call."""
        row = (call.created_ms, call.ordinal, call)
        for shelf in self._shelves(call):
            insort(self._rows[shelf], row)
            self._in_progress[shelf][call.ordinal] = row
        heapq.heappush(self._endings, (call.life.ends_at, call.ordinal, row))

    def page(self, wanted: Wanted, at: float) -> Page:
        """Return the wanted page of the calls as they were at the moment `at` (epoch seconds)."""
        self._file_what_is_over(at)
        # What is made later than `at` is not yet there to be seen.
        to_ms = min(wanted.to_ms, int(at * 1000))
        everything = self._rows[None]
        total = bisect_right(everything, int(at * 1000), key=itemgetter(0))
        if wanted.statuses:
            sources = list(self._with_status(wanted, to_ms, at))
        else:
            sources = [_between(self._rows[wanted.agent_id], wanted.from_ms, to_ms)]
        filtered = sum(len(rows) for rows in sources)
        start = (wanted.page - 1) * wanted.per_page
        picked = _in_order(sources, wanted.order, start, start + wanted.per_page)
        return Page(total, filtered, [call for _, _, call in picked])

    def _with_status(self, wanted: Wanted, to_ms: float, at: float) -> Iterator[list[Row]]:
        for status in sorted(wanted.statuses & FINAL_STATUSES):
            yield _between(self._over[wanted.agent_id, status], wanted.from_ms, to_ms)
        yield sorted(
            row
            for row in self._in_progress[wanted.agent_id].values()
            if wanted.from_ms <= row[0] <= to_ms and row[2].life.status_at(at) in wanted.statuses
        )

    def _file_what_is_over(self, at: float) -> None:
        while self._endings and self._endings[0][0] <= at:
            _, ordinal, row = heapq.heappop(self._endings)
            status: JobStatus = row[2].life.status_at(float("inf"))
            for shelf in self._shelves(row[2]):
                del self._in_progress[shelf][ordinal]
                insort(self._over[shelf, status], row)

    @staticmethod
    def _shelves(call: Call) -> Collection[str | None]:
        return {None, call.agent_id}


def _between(rows: list[Row], from_ms: float, to_ms: float) -> list[Row]:
    low = bisect_left(rows, from_ms, key=itemgetter(0))
    high = bisect_right(rows, to_ms, key=itemgetter(0))
    return rows[low:high]


def _in_order(sources: list[list[Row]], order: str, start: int, stop: int) -> Iterable[Row]:
    if order == "random":
        # Any order will do that has nothing to do with time and stays the same from page to page.
        return sorted((row for rows in sources for row in rows), key=lambda row: row[2].id)[start:stop]
    if len(sources) == 1:
        rows = sources[0]
        if order == "oldest":
            return rows[start:stop]
        return rows[max(0, len(rows) - stop) : max(0, len(rows) - start)][::-1]
    if order == "oldest":
        return islice(heapq.merge(*sources), start, stop)
    return islice(heapq.merge(*(reversed(rows) for rows in sources), reverse=True), start, stop)
