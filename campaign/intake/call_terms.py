"""What a row says about how its person may be called: the part of a country they are in, hours they named, consent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from campaign.intake.cells import UnfitCell, basis_of, day_of, is_missing, quoted, text_of

DAY_MINUTES = 24 * 60

EARLIEST_BARE_HOUR = 8
"""In `5-8` five may be in the morning or in the evening; in `9-12` nobody doubts. An hour of one digit below this is
refused, and with `after` and `before` each of one digit: `after 7` means the evening to whoever says it."""

_TIME = r"(?P<{0}_hour>\d{{1,2}})(?::(?P<{0}_minute>\d{{2}}))?"
_DASH = r"\s*(?:-|\u2010|\u2011|\u2012|\u2013|\u2014|\u2212|to|until|till)\s*"
_STRETCH = re.compile(rf"(?:from\s+|between\s+)?{_TIME.format('start')}{_DASH}{_TIME.format('end')}")
_AFTER = re.compile(rf"(?:after|from)\s+{_TIME.format('start')}")
_BEFORE = re.compile(rf"(?:before|until|till)\s+{_TIME.format('end')}")
_SEVERAL = re.compile(r"\s*(?:[,;\u060c\u061b/\n]|\band\b|\bor\b)\s*")

NamedHours = tuple[tuple[int, int], ...]
"""Stretches of the day, in minutes after midnight, in order."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a row says of somebody's consent to be called.

    Attributes:
        basis: How it was given; empty if the row names none, None if no column says so.
        day: When it was given, as far as the row says.
        dated: Whether a column holds such days, so that each person should have one.
    """

    basis: str | None
    day: date | None = None
    dated: bool = False


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What rules look at beside the number and the past.

    Attributes:
        subdivision: The part of the number's country in which the person is, as the row writes it.
        hours: When the person wants to be called, by their own clock; any time if there is nothing.
        consent: None where no column says anything about it.
    """

    subdivision: str | None = None
    hours: NamedHours = ()
    consent: Consent | None = None


NO_TERMS = CallTerms()


def terms_given(
    *, subdivision: object = None, call_hours: object = None, consent: object = None, consent_at: object = None
) -> CallTerms:
    """The same as a caller's own program gives it for one call; what is empty or None says nothing.

    Raises:
        UnfitCell: One of them cannot be read; the message begins with its name.
    """
    given = {"subdivision": subdivision, "call_hours": call_hours, "consent": consent}
    texts: dict[str, str] = {}
    for name, value in given.items():
        try:
            texts[name] = basis_of(value) if name == "consent" else text_of(value)
        except UnfitCell as error:
            raise UnfitCell(f"{name} {error}") from None
    try:
        hours = hours_named(texts["call_hours"]) if texts["call_hours"] else ()
    except UnfitCell as error:
        raise UnfitCell(f"call_hours {error}") from None
    try:
        day = None if is_missing(consent_at) else day_of(consent_at)
    except UnfitCell as error:
        raise UnfitCell(f"consent_at {error}") from None
    said = Consent(texts["consent"] or None, day) if texts["consent"] or day else None
    if not (texts["subdivision"] or hours or said):
        return NO_TERMS
    return CallTerms(texts["subdivision"] or None, hours, said)


def hours_named(text: str) -> NamedHours:
    """Read the hours that a person named: `17:00-20:00`, `9-12, 17:30-20`, `after 17:00`, `before 12:00`.

    Raises:
        UnfitCell: It is something else, or could mean two things.
    """
    found = sorted(_stretch(part, text) for part in _SEVERAL.split(text.strip().casefold()))
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)


def _stretch(part: str, text: str) -> tuple[int, int]:
    match = _STRETCH.fullmatch(part) or _AFTER.fullmatch(part) or _BEFORE.fullmatch(part)
    if match is None:
        raise UnfitCell(f"holds {quoted(text)}, which names no hours; write them as in 17:00-20:00")
    times = {name: value for name, value in match.groupdict().items() if value is not None}
    doubtful = EARLIEST_BARE_HOUR if len(times.keys() & {"start_hour", "end_hour"}) == 2 else 10
    start, end = _minutes(times, "start", text, doubtful), _minutes(times, "end", text, doubtful)
    start, end = 0 if start is None else start, DAY_MINUTES if end is None else end
    if start >= end:
        raise UnfitCell(
            f"holds {quoted(text)}, in which a period ends before it begins; write a night as two, as in "
            "22:00-24:00, 00:00-02:00"
        )
    return start, end


def _minutes(times: dict[str, str], side: str, text: str, doubtful: int) -> int | None:
    hour = times.get(f"{side}_hour")
    if hour is None:
        return None
    minute = int(times.get(f"{side}_minute", "0"))
    if int(hour) > 24 or minute > 59 or (int(hour) == 24 and minute):
        raise UnfitCell(f"holds {quoted(text)}, in which a time cannot be read; write them as in 17:00-20:00")
    if len(hour) == 1 and 0 < int(hour) < doubtful and f"{side}_minute" not in times:
        raise UnfitCell(
            f"holds {quoted(text)}, where {int(hour)} may be in the morning or in the evening; write "
            f"{int(hour):02}:00 or {int(hour) + 12}:00"
        )
    return int(hour) * 60 + minute


def hours_shown(hours: NamedHours) -> Iterator[str]:
    """The hours for people, each as `17:00-20:00`."""
    return (f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}" for start, end in hours)
