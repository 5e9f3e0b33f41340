"""When a phone may ring: calling windows at the callee's place, and the exact moment at which they next open.

Promises that `Open` means open on the wall clock of *every* candidate time zone, also in nights when clocks change,
and that `Closed.opens_at` is the first such moment after `at`, or None if there is none within 400 days. Pure: the
answer depends on the arguments, the time-zone data and, where holidays are kept, on the package `holidays`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from campaign.time_zones import is_time_zone, time_zone

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
        windows: The usual week.
        dated: Exceptions by date.
        closed_dates: Local dates on which nobody is called.
        holidays: Whether public holidays of the number's country are closed.
        holiday_countries: Countries (`FR`, or `US-CA` for a part of one) whose holidays are closed for everybody.
        working_days: Countries (`SA`) and their working days, where those are not Monday to Friday.
    """

    windows: tuple[Window, ...]
    dated: tuple[DatedWindows, ...] = ()
    closed_dates: frozenset[date] = frozenset()
    holidays: bool = False
    holiday_countries: tuple[str, ...] = ()
    working_days: tuple[tuple[str, frozenset[int]], ...] = ()
    always_open: bool = field(init=False, default=False)
    _remembered: dict[tuple[Any, ...], Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        exceptions = self.dated or self.closed_dates or self.holidays or self.holiday_countries
        whole_week = all(
            _merged((w.start, w.end) for w in self.windows if w.days is not None and day in w.days)
            == ((0, DAY_MINUTES),)
            for day in EVERY_DAY
        )
        object.__setattr__(self, "always_open", whole_week and not exceptions)

    def why_closed(self, day: date, country: str | None) -> str | None:
        """What closes the whole of a local date, as `is …`; None if nothing does."""
        if day in self.closed_dates:
            return "is one of the closed dates"
        for place in ((country,) if self.holidays and country else ()) + self.holiday_countries:
            if name := holidays_of(place, day.year).get(day):
                return f"is a public holiday in {place} ({name})"
        return None

    def windows_on(self, day: date, country: str | None) -> Spans:
        """The windows that begin on a local date, in minutes after its midnight, whatever may close that date."""
        usual = self._week(country)[day.weekday()]
        exception = self._exception_on(day)
        if exception is None:
            return usual
        special = _merged(self._beginning_on(day.weekday(), exception.windows, country))
        return _common(usual, special) if exception.narrows else special

    def open_spans(self, zones: tuple[str, ...], country: str | None, chunk: int) -> Spans:
        """All that is open in every one of `zones`, in UTC seconds, within one stretch of `CHUNK_SECONDS`.

        Raises:
            KeyError, ValueError: A zone is not a name of the time-zone database.
        """
        key = (zones, country, chunk)
        known: Spans | None = self._remembered.get(key)
        if known is None:
            if len(zones) == 1:
                known = self._spans_in_zone(zones[0], country, chunk)
            else:
                known = self.open_spans(zones[:1], country, chunk)
                for zone in zones[1:]:
                    # Every zone is looked up, even when nothing is left: an unknown one must not go unnoticed.
                    known = _common(known, self.open_spans((zone,), country, chunk))
            self._remember(key, known)
        return known

    def first_opening(self, zones: tuple[str, ...], country: str | None, chunk: int) -> int | None:
        """The first open moment from the beginning of a stretch on, in UTC seconds, within `SEARCH_DAYS`."""
        key = ("first", zones, country, chunk)
        try:
            known: int | None = self._remembered[key]
        except KeyError:
            ahead = range(chunk, chunk + SEARCH_DAYS * DAY_SECONDS // CHUNK_SECONDS + 1)
            spans = (self.open_spans(zones, country, each) for each in ahead)
            known = next((found[0][0] for found in spans if found), None)
            self._remember(key, known)
        return known

    def _remember(self, key: tuple[Any, ...], value: object) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = value

    def _week(self, country: str | None) -> tuple[Spans, ...]:
        key = ("week", country)
        week: tuple[Spans, ...] | None = self._remembered.get(key)
        if week is None:
            week = tuple(_merged(self._beginning_on(day, self.windows, country)) for day in range(7))
            self._remember(key, week)
        return week

    def _beginning_on(self, weekday: int, windows: Iterable[Window], country: str | None) -> Iterable[tuple[int, int]]:
        working = next((days for place, days in self.working_days if place == country), MONDAY_TO_FRIDAY)
        return ((w.start, w.end) for w in windows if weekday in (working if w.days is None else w.days))

    def _seconds_on(self, day_number: int, country: str | None) -> Spans:
        """What is open of the windows that begin on a day, in seconds after its midnight. Days count from 1970."""
        day = date.fromordinal(_EPOCH_DAY + day_number)
        windows = self.windows_on(day, country)
        if not windows or self.why_closed(day, country):
            return ()
        # A window that runs on into a date on which nobody is called ends at that date's midnight.
        crosses = windows[-1][1] > DAY_MINUTES
        limit = DAY_MINUTES if crosses and self._is_shut(day + timedelta(days=1), country) else 2 * DAY_MINUTES
        return tuple((start * 60, min(end, limit) * 60) for start, end in windows)

    def _is_shut(self, day: date, country: str | None) -> bool:
        """Whether nobody is called on a local date: it is closed, or a dated entry gives it no windows at all."""
        if self.why_closed(day, country):
            return True
        exception = self._exception_on(day)
        return exception is not None and not exception.windows

    def _exception_on(self, day: date) -> DatedWindows | None:
        return next((each for each in reversed(self.dated) if each.first <= day <= each.last), None)

    def _spans_in_zone(self, zone: str, country: str | None, chunk: int) -> Spans:
        found: list[tuple[int, int]] = []
        for begin, end, offset in _constant_offsets(
            time_zone(zone), chunk * CHUNK_SECONDS, (chunk + 1) * CHUNK_SECONDS
        ):
            # Within such a stretch the wall clock is UTC plus a number. One day earlier, for windows over midnight.
            for day in range((begin + offset) // DAY_SECONDS - 1, (end + offset - 1) // DAY_SECONDS + 1):
                midnight = day * DAY_SECONDS - offset
                for opens, closes in self._seconds_on(day, country):
                    span = max(begin, midnight + opens), min(end, midnight + closes)
                    if span[0] < span[1]:
                        found.append(span)
        return _merged(found)


@dataclass(frozen=True, slots=True)
class Open:
    """It is a time for calling in every candidate zone."""


@dataclass(frozen=True, slots=True)
class Closed:
    """It is no time for calling.

    Attributes:
        opens_at: When it first is (UTC); None if it never is within `SEARCH_DAYS`.
        reason: Why not, without a full stop, in the callee's local time.
        zone_unknown: It will never open because nobody can say what time it is at the callee's place.
    """

    opens_at: datetime | None
    reason: str
    zone_unknown: bool = False


OPEN = Open()


def opening(hours: Hours, zones: Sequence[str], country: str | None, at: datetime) -> Open | Closed:
    """Say whether `at` is a time for calling, and if not, when the next one begins.

    Args:
        hours: The windows (`rules.hours`).
        zones: Every time zone in which the callee may be, as names of the time-zone database. None at all, or one
            that the database does not know, means that it is never a time for calling.
        country: ISO 3166 code of the number's country: decides working days and holidays. None: Monday to Friday.
        at: Aware.
    """
    if at.tzinfo is None:
        raise ValueError("`at` must be aware: a time without a zone says nothing about the callee's clock.")
    if hours.always_open:
        return OPEN
    if not zones:
        return Closed(None, "no time zone is known for this number, so nobody can say what time it is there", True)
    candidates = tuple(zones)
    moment = at.timestamp()
    chunk = int(moment // CHUNK_SECONDS)
    try:
        spans = hours.open_spans(candidates, country, chunk)
    except (KeyError, ValueError, OSError):
        unknown = next(name for name in candidates if not is_time_zone(name))
        return Closed(None, f"`{unknown}` is not a time zone that can be looked up", True)
    later = None
    for begin, end in spans:
        if moment < end:
            if moment >= begin:
                return OPEN
            later = begin
            break
    return _closed(hours, candidates, country, at, later)


def local_time(at: datetime, zones: Sequence[str]) -> str:
    """A moment for people to read: the callee's local time with its zone (the first candidate), or UTC without any."""
    zone = zones[0] if zones and is_time_zone(zones[0]) else "UTC"
    local = at.astimezone(time_zone(zone))
    return f"{WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} ({zone})"


@lru_cache(maxsize=512)
def holidays_of(place: str, year: int) -> dict[date, str]:
    """Public holidays of a country (`FR`) or a part of one (`US-CA`); none for one the package does not know.

    Raises:
        ImportError: The package `holidays` is not installed (a policy that asks for holidays says so earlier).
    """
    import holidays  # noqa: PLC0415 - optional, and slow to import

    country, _, part = place.partition("-")
    try:
        return dict(holidays.country_holidays(country, subdiv=part or None, years=year, language="en_US"))
    except NotImplementedError:
        return {}


def _closed(hours: Hours, zones: tuple[str, ...], country: str | None, at: datetime, later: int | None) -> Closed:
    if later is None:
        later = hours.first_opening(zones, country, int(at.timestamp() // CHUNK_SECONDS) + 1)
    if later is not None:
        opens_at = datetime.fromtimestamp(later, UTC)
        if opens_at - at <= timedelta(days=SEARCH_DAYS):
            return Closed(opens_at, _why_now(hours, zones, country, at))
    if len(zones) > 1 and not _never_opens_in_any(hours, zones, country, at):
        return Closed(
            None,
            f"this number may be in any of {len(zones)} time zones, and at no time are all of them within the hours "
            "for calling; a time zone in the row would settle it",
            True,
        )
    return Closed(None, f"no time for calling comes within the next {SEARCH_DAYS} days")


def _never_opens_in_any(hours: Hours, zones: tuple[str, ...], country: str | None, at: datetime) -> bool:
    chunk = int(at.timestamp() // CHUNK_SECONDS)
    return all(hours.first_opening((zone,), country, chunk) is None for zone in zones)


def _why_now(hours: Hours, zones: tuple[str, ...], country: str | None, at: datetime) -> str:
    moment = at.timestamp()
    chunk = int(moment // CHUNK_SECONDS)
    # Each may be open at `at` on its own day's terms; the one named is the first that is not.
    shut = next(
        (zone for zone in zones if not any(b <= moment < e for b, e in hours.open_spans((zone,), country, chunk))),
        zones[0],
    )
    local = at.astimezone(time_zone(shut))
    among = "" if len(zones) == 1 else f", one of the {len(zones)} time zones in which this number may be"
    now = f"it is {WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} in {shut}{among}"
    if closed := hours.why_closed(local.date(), country):
        return f"{now}: this date {closed}"
    if not hours.windows_on(local.date(), country):
        return f"{now}: not a day for calling there"
    return f"{now}: outside the hours for calling"


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


def _common(one: Spans, other: Spans) -> Spans:
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
