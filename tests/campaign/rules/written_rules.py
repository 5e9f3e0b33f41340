"""The hours for calling once more, written by hand from what was found: slow, plain, and nothing of the project's own.

Only `zoneinfo` is asked, minute by minute: what date and time a wall clock shows. Holidays are counted from Easter,
Ramadan is a list of dates.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

Minutes = tuple[tuple[int, int], ...]
DAY = timedelta(days=1)


def hours(*stretches: tuple[float, float]) -> Minutes:
    return tuple((round(start * 60), round(end * 60)) for start, end in stretches)


def monday_to_friday(*stretches: tuple[float, float]) -> dict[int, Minutes]:
    return dict.fromkeys(range(5), hours(*stretches))


def sunday_to_thursday(*stretches: tuple[float, float]) -> dict[int, Minutes]:
    return dict.fromkeys((6, 0, 1, 2, 3), hours(*stretches))


def every_day(*stretches: tuple[float, float]) -> dict[int, Minutes]:
    return dict.fromkeys(range(7), hours(*stretches))


@lru_cache
def easter(year: int) -> date:
    """Easter Sunday, by the rule that Gauss and others wrote down."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def french_holiday(day: date) -> bool:
    fixed = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
    return (day.month, day.day) in fixed or (day - easter(day.year)).days in (1, 39, 50)


def holiday_in_moselle(day: date) -> bool:
    return french_holiday(day) or (day.month, day.day) == (12, 26) or day == easter(day.year) - 2 * DAY


RAMADAN = (
    (date(2026, 2, 17), date(2026, 3, 20)),
    (date(2027, 2, 7), date(2027, 3, 9)),
    (date(2028, 1, 27), date(2028, 2, 26)),
)
"""A day wider on both sides than it is expected to be."""


def in_ramadan(day: date) -> bool:
    return any(first <= day <= last for first, last in RAMADAN)


def never(_day: date) -> bool:
    return False


def any_time(_day: date, _minute: int) -> bool:
    return True


@dataclass(frozen=True)
class Case:
    """One policy, whom it is asked for, and what has to come of it.

    Attributes:
        name: For the test's output.
        policy: Its fields.
        country: Of the number.
        part: As the row writes it.
        named: Hours that the person named, in minutes.
        week: Open stretches by weekday, in minutes after its midnight; over 1440 runs into the next day.
        closed: Whether a whole date is closed.
        also: What else has to hold of a date and a minute.
        home: A zone in which a whole year is tried.
    """

    name: str
    policy: dict[str, Any]
    country: str | None
    home: str
    week: dict[int, Minutes]
    part: str | None = None
    named: Minutes = ()
    closed: Callable[[date], bool] = never
    also: Callable[[date, int], bool] = any_time
    _zones: dict[str, ZoneInfo] = field(default_factory=dict, compare=False, repr=False)

    def is_open(self, moment: int, zone: str) -> bool:
        """Whether a phone may ring at a moment (seconds since 1970) by the wall clock of a zone."""
        known = self._zones.get(zone) or self._zones.setdefault(zone, ZoneInfo(zone))
        wall = datetime.fromtimestamp(moment, known)
        day, minute = wall.date(), wall.hour * 60 + wall.minute
        if self.closed(day) or not self.also(day, minute):
            return False
        if self.named and not any(start <= minute < end for start, end in self.named):
            return False
        if any(start <= minute < end for start, end in self.week.get(day.weekday(), ())):
            return True
        before = day - DAY
        late = minute + 1440
        return not self.closed(before) and any(
            start <= late < end for start, end in self.week.get(before.weekday(), ())
        )


def _not_before_noon(day: date, minute: int) -> bool:
    return minute >= 720 or not in_ramadan(day)


def _not_at_lunch(_day: date, minute: int) -> bool:
    return not 720 <= minute < 840


def _closed(*days: str) -> Callable[[date], bool]:
    known = frozenset(map(date.fromisoformat, days))
    return known.__contains__


TEXAS = {**dict.fromkeys(range(6), hours((9, 20))), 6: hours((12, 20))}

CASES = (
    Case("strict", {}, "US", "America/New_York", monday_to_friday((10, 18))),
    Case("strict in Saudi Arabia", {}, "SA", "Asia/Riyadh", sunday_to_thursday((10, 18))),
    Case("unrestricted", {"preset": "unrestricted"}, "GB", "Europe/London", every_day((0, 24))),
    Case("us", {"preset": "us"}, "US", "America/Los_Angeles", every_day((8, 20))),
    Case("ae", {"preset": "ae"}, "AE", "Asia/Dubai", monday_to_friday((9, 18))),
    Case("sa", {"preset": "sa"}, "SA", "Asia/Riyadh", sunday_to_thursday((10, 18)), also=_not_before_noon),
    Case("eg", {"preset": "eg"}, "EG", "Africa/Cairo", sunday_to_thursday((10, 18))),
    Case("jo", {"preset": "jo"}, "JO", "Asia/Amman", sunday_to_thursday((10, 18))),
    Case("gb", {"preset": "gb"}, "GB", "Europe/London", monday_to_friday((10, 18))),
    Case("fr", {"preset": "fr"}, "FR", "Europe/Paris", monday_to_friday((10, 13), (14, 20)), closed=french_holiday),
    Case(
        "fr in Moselle",
        {"presets_by_country": ["us", "fr"]},
        "FR",
        "Europe/Paris",
        monday_to_friday((10, 13), (14, 20)),
        part="Moselle",
        closed=holiday_in_moselle,
    ),
    Case("Canada beside us", {"presets_by_country": ["us"]}, "CA", "America/Toronto", monday_to_friday((10, 18))),
    Case("Texas", {"preset": "us", "overlays": ["us_states"]}, "US", "America/Chicago", TEXAS, part="Texas"),
    Case(
        "Kentucky, named hours",
        {"presets_by_country": ["us"], "overlays": ["us_states"]},
        "US",
        "America/Kentucky/Louisville",
        every_day((10, 20)),
        part="KY",
        named=hours((0, 11.5), (17.25, 24)),
    ),
    Case(
        "a country's closed dates and lunch",
        {
            "quiet_times": [{"start": "12:00", "end": "14:00"}],
            "by_place": [{"place": "DE", "closed_dates": ["2026-12-24", "2027-12-24", "2028-03-27"]}],
        },
        "DE",
        "Europe/Berlin",
        monday_to_friday((10, 18)),
        closed=_closed("2026-12-24", "2027-12-24", "2028-03-27"),
        also=_not_at_lunch,
    ),
    Case(
        "a quiet night",
        {"preset": "unrestricted", "quiet_times": [{"start": "23:00", "end": "01:30", "days": ["saturday"]}]},
        "GB",
        "Europe/London",
        every_day((0, 24)),
        also=lambda day, minute: not (minute >= 1380 if day.weekday() == 5 else minute < 90 and day.weekday() == 6),
    ),
    Case(
        "nights and their quiet times",
        {
            "windows": [{"days": ["friday", "saturday"], "start": "21:00", "end": "03:30"}],
            "quiet_times": [{"start": "23:30", "end": "00:45"}],
            "closed_dates": ["2027-03-28", "2027-10-30"],
        },
        "GB",
        "Europe/London",
        dict.fromkeys((4, 5), hours((21, 27.5))),
        closed=_closed("2027-03-28", "2027-10-30"),
        also=lambda _day, minute: not (minute >= 1410 or minute < 45),
    ),
)

BEGIN, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2028, 12, 31, tzinfo=UTC)


def clock_changes(zone: str) -> Iterator[int]:
    """Moments within an hour of which the clocks of a zone are changed, until the end of 2028."""
    known, hour = ZoneInfo(zone), 3600
    moments = range(int(BEGIN.timestamp()), int(END.timestamp()), hour)
    offset = datetime.fromtimestamp(moments[0], known).utcoffset()
    # Looked at once a day first, then at each of its hours.
    for day in moments[24::24]:
        if (now := datetime.fromtimestamp(day, known).utcoffset()) != offset:
            offset = now
            before = datetime.fromtimestamp(day - 24 * hour, known).utcoffset()
            yield next(
                each
                for each in range(day - 23 * hour, day + hour, hour)
                if datetime.fromtimestamp(each, known).utcoffset() != before
            )
