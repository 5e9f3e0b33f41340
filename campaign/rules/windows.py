"""Calling windows at the callee's place: which stretches of time are open, also in nights when clocks change.

Pure: the answer depends on the arguments, the time-zone data and, where holidays are kept, on the package `holidays`.
A *place* is a country (`US`) or, where it is known, a part of one (`US-TX`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from campaign.time_zones import time_zone

DAY_MINUTES = 24 * 60
DAY_SECONDS = 24 * 60 * 60

SEARCH_DAYS = 400
"""How far ahead the next opening is looked for: more than a year, so that no yearly pattern is missed."""

CHUNK_SECONDS = 8 * DAY_SECONDS
"""Openings are computed and remembered for so long a stretch at once."""

MAX_REMEMBERED = 8192
"""Stretches remembered per `Hours`: some hundred numbers' worth of time zones, a few megabytes."""

MONDAY_TO_FRIDAY = frozenset(range(5))
SUNDAY_TO_THURSDAY = frozenset({6, 0, 1, 2, 3})
EVERY_DAY = frozenset(range(7))

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_EPOCH_DAY = date(1970, 1, 1).toordinal()

Spans = tuple[tuple[int, int], ...]
"""Half-open stretches of time, in order, apart from each other: seconds since 1970 (UTC), or since a midnight."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the local day in which calling is allowed.

    Attributes:
        start: Minutes after local midnight of the day on which the window begins.
        end: Minutes after that same midnight, exclusive; more than 1440 where the window crosses midnight.
        days: Weekdays (Monday is 0) on which it begins. None: the working days of the number's country.
    """

    start: int
    end: int
    days: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class DatedWindows:
    """Other windows for some dates, both included. Where several cover a date, the last one counts.

    Attributes:
        first: First local date.
        last: Last local date.
        windows: They begin on these dates; none at all means that nobody is called, also not after midnight.
        narrows: They only take away from the usual windows, rather than standing in for them.
    """

    first: date
    last: date
    windows: tuple[Window, ...]
    narrows: bool = False


@dataclass(frozen=True)
class Hours:
    """Everything that decides whether a moment is a time for calling.

    Attributes:
        closed_dates: Local dates on which nobody is called.
        holidays: Whether public holidays of the number's country are closed.
        holiday_countries: Countries (`FR`, or `US-CA` for a part of one) whose holidays are closed for everybody.
        working_days: Countries (`SA`) and their working days, where those are not Monday to Friday.
        within: Sets of windows that narrow whatever else says: open is only what lies in each of them.
        quiet: Times of the day at which nobody is called.
        label: Whose hours these are, for people, if not everybody's: `US-TX`.
    """

    windows: tuple[Window, ...]
    dated: tuple[DatedWindows, ...] = ()
    closed_dates: frozenset[date] = frozenset()
    holidays: bool = False
    holiday_countries: tuple[str, ...] = ()
    working_days: tuple[tuple[str, frozenset[int]], ...] = ()
    within: tuple[tuple[Window, ...], ...] = ()
    quiet: tuple[Window, ...] = ()
    label: str = ""
    always_open: bool = field(init=False, default=False)
    _remembered: dict[tuple[Any, ...], Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        exceptions = (
            self.dated or self.closed_dates or self.holidays or self.holiday_countries or self.within or self.quiet
        )
        whole_week = all(
            _merged((w.start, w.end) for w in self.windows if w.days is not None and day in w.days)
            == ((0, DAY_MINUTES),)
            for day in EVERY_DAY
        )
        object.__setattr__(self, "always_open", whole_week and not exceptions)

    @property
    def opens_in_a_week(self) -> bool:
        """Whether any hour of a week without exceptions is open."""
        monday = date(1973, 1, 1)  # before all exceptions, which are about years to come
        return any(self.windows_on(monday + timedelta(days=day), None) for day in range(7))

    def why_closed(self, day: date, place: str | None) -> str | None:
        """What closes the whole of a local date, as `is …`; None if nothing does."""
        if day in self.closed_dates:
            return "is one of the closed dates"
        for where in ((place,) if self.holidays and place else ()) + self.holiday_countries:
            if name := holidays_of(where, day.year).get(day):
                return f"is a public holiday in {where} ({name})"
        return None

    def windows_on(self, day: date, place: str | None) -> Spans:
        """The windows that begin on a local date, in minutes after its midnight, whatever may close that date."""
        spans = self._before_narrowing(day, place)
        for windows in self.within:
            spans = common(spans, self._around(day.weekday(), windows, place))
        return _without(spans, self._around(day.weekday(), self.quiet, place)) if self.quiet else spans

    def _before_narrowing(self, day: date, place: str | None) -> Spans:
        usual = self._week(place)[day.weekday()]
        exception = self._exception_on(day)
        if exception is None:
            return usual
        special = _merged(self._beginning_on(day.weekday(), exception.windows, place))
        return common(usual, special) if exception.narrows else special

    def is_quiet(self, day: date, minute: int, place: str | None) -> bool:
        """Whether a minute of a local date is one of the quiet times."""
        return any(start <= minute < end for start, end in self._around(day.weekday(), self.quiet, place))

    def _around(self, weekday: int, windows: Iterable[Window], place: str | None) -> Spans:
        """Windows that touch a day or the night after it, whenever they begin, in minutes after its midnight."""
        known = tuple(windows)
        return _merged(
            (start + shift * DAY_MINUTES, end + shift * DAY_MINUTES)
            for shift in (-1, 0, 1)
            for start, end in self._beginning_on((weekday + shift) % 7, known, place)
        )

    def open_spans(self, zones: tuple[str, ...], place: str | None, chunk: int) -> Spans:
        """All that is open in every one of `zones`, in UTC seconds, within one stretch of `CHUNK_SECONDS`.

        Raises:
            KeyError, ValueError: A zone is not a name of the time-zone database.
        """
        key = (zones, place, chunk)
        known: Spans | None = self._remembered.get(key)
        if known is None:
            if len(zones) == 1:
                known = self._spans_in_zone(zones[0], place, chunk)
            else:
                known = self.open_spans(zones[:1], place, chunk)
                for zone in zones[1:]:
                    # Every zone is looked up, even when nothing is left: an unknown one must not go unnoticed.
                    known = common(known, self.open_spans((zone,), place, chunk))
            self._remember(key, known)
        return known

    def first_opening(self, zones: tuple[str, ...], place: str | None, chunk: int) -> int | None:
        """The first open moment from the beginning of a stretch on, in UTC seconds, within `SEARCH_DAYS`."""
        key = ("first", zones, place, chunk)
        try:
            known: int | None = self._remembered[key]
        except KeyError:
            ahead = range(chunk, chunk + SEARCH_DAYS * DAY_SECONDS // CHUNK_SECONDS + 1)
            spans = (self.open_spans(zones, place, each) for each in ahead)
            known = next((found[0][0] for found in spans if found), None)
            self._remember(key, known)
        return known

    def _remember(self, key: tuple[Any, ...], value: object) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = value

    def _week(self, place: str | None) -> tuple[Spans, ...]:
        key = ("week", place)
        week: tuple[Spans, ...] | None = self._remembered.get(key)
        if week is None:
            week = tuple(_merged(self._beginning_on(day, self.windows, place)) for day in range(7))
            self._remember(key, week)
        return week

    def _beginning_on(self, weekday: int, windows: Iterable[Window], place: str | None) -> Iterable[tuple[int, int]]:
        country = place and place[:2]
        working = next((days for where, days in self.working_days if where == country), MONDAY_TO_FRIDAY)
        return ((w.start, w.end) for w in windows if weekday in (working if w.days is None else w.days))

    def _seconds_on(self, day_number: int, place: str | None) -> Spans:
        """What is open of the windows that begin on a day, in seconds after its midnight. Days count from 1970."""
        day = date.fromordinal(_EPOCH_DAY + day_number)
        windows = self.windows_on(day, place)
        if not windows or self.why_closed(day, place):
            return ()
        # A window that runs on into a date on which nobody is called ends at that date's midnight.
        crosses = windows[-1][1] > DAY_MINUTES
        limit = DAY_MINUTES if crosses and self._is_shut(day + timedelta(days=1), place) else 2 * DAY_MINUTES
        return tuple((start * 60, min(end, limit) * 60) for start, end in windows)

    def _is_shut(self, day: date, place: str | None) -> bool:
        """Whether nobody is called on a local date: it is closed, or a dated entry gives it no windows at all."""
        if self.why_closed(day, place):
            return True
        exception = self._exception_on(day)
        return exception is not None and not exception.windows

    def _exception_on(self, day: date) -> DatedWindows | None:
        return next((each for each in reversed(self.dated) if each.first <= day <= each.last), None)

    def _spans_in_zone(self, zone: str, place: str | None, chunk: int) -> Spans:
        found: list[tuple[int, int]] = []
        for begin, end, offset in _constant_offsets(
            time_zone(zone), chunk * CHUNK_SECONDS, (chunk + 1) * CHUNK_SECONDS
        ):
            # Within such a stretch the wall clock is UTC plus a number. One day earlier, for windows over midnight.
            for day in range((begin + offset) // DAY_SECONDS - 1, (end + offset - 1) // DAY_SECONDS + 1):
                midnight = day * DAY_SECONDS - offset
                for opens, closes in self._seconds_on(day, place):
                    span = max(begin, midnight + opens), min(end, midnight + closes)
                    if span[0] < span[1]:
                        found.append(span)
        return _merged(found)


@lru_cache(maxsize=512)
def holidays_of(place: str, year: int) -> dict[date, str]:
    """Public holidays of a country (`FR`) or a part of one (`US-CA`); none for a country the package does not know.

    Raises:
        ImportError: The package `holidays` is not installed (a policy that asks for holidays says so earlier).
    """
    import holidays  # noqa: PLC0415 - optional, and slow to import

    country, _, part = place.partition("-")
    try:
        return dict(holidays.country_holidays(country, subdiv=part or None, years=year, language="en_US"))
    except NotImplementedError:
        # A part of a country that the package does not tell apart has the holidays of the whole.
        return holidays_of(country, year) if part else {}


def _constant_offsets(zone: ZoneInfo, begin: int, end: int) -> Iterable[tuple[int, int, int]]:
    """Cut a stretch of UTC where the zone's clocks are changed: (begin, end, seconds from UTC to the wall clock)."""
    # Looked at once a day: clocks are never changed twice within one.
    marks = [begin]
    for before, after in pairwise(range(begin, end + 1, DAY_SECONDS)):
        if _offset(zone, before) != _offset(zone, after):
            marks.append(_change(zone, before, after))
    marks.append(end)
    return ((a, b, _offset(zone, a)) for a, b in pairwise(marks) if a < b)


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: int) -> int:
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def _merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """The union, in order."""
    result: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if result and begin <= result[-1][1]:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((begin, end))
    return tuple(result)


def common(one: Spans, other: Spans) -> Spans:
    """The intersection, in order."""
    result: list[tuple[int, int]] = []
    i = j = 0
    while i < len(one) and j < len(other):
        begin, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if begin < end:
            result.append((begin, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return tuple(result)


def _without(spans: Spans, taken: Spans) -> Spans:
    """What is left of some stretches, in order."""
    left: list[tuple[int, int]] = []
    for begin, end in spans:
        at = begin
        for start, stop in taken:
            if stop <= at or start >= end:
                continue
            if start > at:
                left.append((at, start))
            at = stop
        if at < end:
            left.append((at, end))
    return tuple(left)
