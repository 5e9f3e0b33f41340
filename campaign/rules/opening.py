"""Whether a moment is a time for calling, and the exact moment at which the next one begins.

Promises that `Open` means open on the wall clock of *every* candidate time zone, also in nights when clocks change,
and that `Closed.opens_at` is the first such moment after `at`, or None if there is none within 400 days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self

from campaign.intake import NamedHours, hours_shown
from campaign.rules.windows import (
    CHUNK_SECONDS,
    DAY_SECONDS,
    EVERY_DAY,
    SEARCH_DAYS,
    WEEKDAYS,
    Hours,
    Spans,
    Window,
    common,
)
from campaign.time_zones import is_time_zone, time_zone


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


def opening(
    hours: Hours, zones: Sequence[str], place: str | None, at: datetime, named: NamedHours = ()
) -> Open | Closed:
    """Say whether `at` is a time for calling, and if not, when the next one begins.

    Args:
        hours: The windows (`rules.hours`).
        zones: Every time zone in which the callee may be, as names of the time-zone database. None at all, or one
            that the database does not know, means that it is never a time for calling.
        place: The number's country, or the part of it in which the callee is (`US-TX`): decides working days and
            holidays. None: Monday to Friday.
        at: Aware.
        named: The hours at which the person wants to be called, by their own clock; any if there are none.
    """
    if at.tzinfo is None:
        raise ValueError("`at` must be aware: a time without a zone says nothing about the callee's clock.")
    if hours.always_open and not named:
        return OPEN
    if not zones:
        return Closed(None, "no time zone is known for this number, so nobody can say what time it is there", True)
    asked = _Asked.of(hours, named, place)
    candidates = tuple(zones)
    moment = at.timestamp()
    try:
        spans = asked.spans(candidates, int(moment // CHUNK_SECONDS))
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
    return _closed(asked, candidates, at, later)


def open_window(
    hours: Hours, zones: Sequence[str], place: str | None, at: datetime, named: NamedHours = ()
) -> tuple[datetime, datetime] | None:
    """The open window in which a moment lies, by the first zone's clock; None if every hour is open, or none is."""
    if not zones or (hours.always_open and not named):
        return None
    moment = at.timestamp()
    asked = _Asked.of(hours, named, place)
    for begin, end in asked.spans(tuple(zones), int(moment // CHUNK_SECONDS)):
        if begin <= moment < end:
            zone = time_zone(zones[0])
            return datetime.fromtimestamp(begin, zone), datetime.fromtimestamp(end, zone)
    return None


def local_time(at: datetime, zones: Sequence[str]) -> str:
    """A moment for people to read: the callee's local time with its zone (the first candidate), or UTC without any."""
    zone = zones[0] if zones and is_time_zone(zones[0]) else "UTC"
    local = at.astimezone(time_zone(zone))
    return f"{WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} ({zone})"


@lru_cache(maxsize=256)
def _wanted(named: NamedHours) -> Hours:
    """What a person named, as windows of every day."""
    return Hours(tuple(Window(start, end, EVERY_DAY) for start, end in named))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The hours for calling and, if the person named any, theirs: open is what lies in both."""

    hours: Hours
    wanted: Hours | None
    named: NamedHours
    place: str | None

    @classmethod
    def of(cls, hours: Hours, named: NamedHours, place: str | None) -> Self:
        # The part of a country matters to its holidays alone.
        where = place if hours.holidays else place and place[:2]
        return cls(hours, _wanted(named) if named else None, named, where)

    def spans(self, zones: tuple[str, ...], chunk: int) -> Spans:
        spans = self.hours.open_spans(zones, self.place, chunk)
        return spans if self.wanted is None else common(spans, self.wanted.open_spans(zones, None, chunk))

    def first(self, zones: tuple[str, ...], chunk: int) -> int | None:
        """The first open moment from the beginning of a stretch on."""
        if self.wanted is None:
            return self.hours.first_opening(zones, self.place, chunk)
        ahead = range(chunk, chunk + SEARCH_DAYS * DAY_SECONDS // CHUNK_SECONDS + 1)
        return next((found[0][0] for each in ahead if (found := self.spans(zones, each))), None)


def _closed(asked: _Asked, zones: tuple[str, ...], at: datetime, later: int | None) -> Closed:
    following = int(at.timestamp() // CHUNK_SECONDS) + 1
    if later is None:
        later = asked.first(zones, following)
    if later is not None:
        opens_at = datetime.fromtimestamp(later, UTC)
        if opens_at - at <= timedelta(days=SEARCH_DAYS):
            return Closed(opens_at, _why_now(asked, zones, at))
    if asked.named and asked.hours.first_opening(zones, asked.place, following) is not None:
        wanted = ", ".join(hours_shown(asked.named))
        return Closed(None, f"the person named {wanted}, and none of it is within the hours for calling")
    if len(zones) > 1 and any(asked.first((zone,), following - 1) is not None for zone in zones):
        return Closed(
            None,
            f"this number may be in any of {len(zones)} time zones, and at no time are all of them within the hours "
            "for calling; a time zone in the row would settle it",
            True,
        )
    return Closed(None, f"no time for calling comes within the next {SEARCH_DAYS} days")


def _why_now(asked: _Asked, zones: tuple[str, ...], at: datetime) -> str:
    moment = at.timestamp()
    chunk = int(moment // CHUNK_SECONDS)
    hours, place = asked.hours, asked.place
    # Each may be open at `at` on its own day's terms; the one named is the first that is not.
    shut = next((zone for zone in zones if not _within(moment, asked.spans((zone,), chunk))), zones[0])
    local = at.astimezone(time_zone(shut))
    among = "" if len(zones) == 1 else f", one of the {len(zones)} time zones in which this number may be"
    now = f"it is {WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} in {shut}{among}"
    if asked.named and _within(moment, hours.open_spans((shut,), place, chunk)):
        return f"{now}: outside the hours that the person named ({', '.join(hours_shown(asked.named))})"
    by = f" by the rules for {hours.label}" if hours.label else ""
    if closed := hours.why_closed(local.date(), place):
        return f"{now}: this date {closed}{by}"
    if not hours.windows_on(local.date(), place):
        return f"{now}: not a day for calling there{by}"
    if hours.is_quiet(local.date(), local.hour * 60 + local.minute, place):
        return f"{now}: a quiet time{by}"
    return f"{now}: outside the hours for calling{by}"


def _within(moment: float, spans: Spans) -> bool:
    return any(begin <= moment < end for begin, end in spans)
