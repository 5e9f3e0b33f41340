"""Whether a policy allows more than the rules that its preset found: that is to be asked for, not slipped into."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from campaign.rules.policy.presets import Preset
from campaign.rules.windows import DAY_MINUTES, EVERY_DAY, MONDAY_TO_FRIDAY, WEEKDAYS, Window

WITHIN = {"per_24_hours": timedelta(days=1), "per_7_days": timedelta(days=7), "per_30_days": timedelta(days=30)}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy says itself.

    Attributes:
        windows: Its calling windows, each with the place where it stands in the policy.
        dated: The same for dates, with the first and the last of these.
        calls: Most calls, by the name of the field.
        silence_days: Days of silence after a conversation.
        opens_holidays: Whether it calls on public holidays.
    """

    windows: tuple[tuple[str, tuple[Window, ...]], ...] = ()
    dated: tuple[tuple[str, date, date, tuple[Window, ...]], ...] = ()
    calls: Mapping[str, int] | None = None
    silence_days: int | None = None
    opens_holidays: bool = False


def beyond_preset(asked: Asked, preset: Preset) -> str | None:
    """The first thing in which a policy allows more than its preset found, as a clause; None if there is none.

    Args:
        asked: The policy's own values.
        preset: Where it starts from. What was not found in it bounds nothing.
    """
    found = preset.found
    source = f"what the preset found ({found.source})"
    for place, windows in asked.windows:
        if found.windows and (day := _outside(windows, found.windows)) is not None:
            return f"`{place}` is open on {WEEKDAYS[day]} when {source} allows only {_words(found.windows)}"
    for place, first, last, windows in asked.dated:
        narrowed = next((each.windows for each in preset.dated if each.first <= first and last <= each.last), None)
        allowed = narrowed or found.windows
        if allowed and (day := _outside(windows, allowed)) is not None:
            return f"`{place}` is open on {WEEKDAYS[day]} when {source} allows only {_words(allowed)}"
    for cap in found.caps:
        for name, calls in (asked.calls or {}).items():
            if WITHIN[name] == cap.within and calls > cap.calls:
                return f"`{name}` is {calls}, and {source} allows {cap.calls}"
    if asked.silence_days is not None and asked.silence_days < found.silence_days:
        return f"`silence_days_after_conversation` is {asked.silence_days}, and {source} asks for {found.silence_days}"
    if asked.opens_holidays and found.holidays:
        return f"`holidays` is open, and {source} closes them"
    return None


def _outside(windows: Iterable[Window], allowed: Iterable[Window]) -> int | None:
    """The first weekday on which some windows are open when others are not."""
    mine, bound = _week(windows), _week(allowed)
    return next((day for day in range(7) if not mine[day] <= bound[day]), None)


def _week(windows: Iterable[Window]) -> tuple[frozenset[int], ...]:
    """The open minutes of each day of a week; what runs over midnight belongs to the day on which it begins."""
    minutes: list[set[int]] = [set() for _ in range(7)]
    for window in windows:
        for day in MONDAY_TO_FRIDAY if window.days is None else window.days:
            minutes[day].update(range(window.start, window.end))
    return tuple(frozenset(each) for each in minutes)


def _words(windows: Iterable[Window]) -> str:
    return ", ".join(f"{_days(window.days)}{_time(window.start)}-{_time(window.end)}" for window in windows)


def _days(days: frozenset[int] | None) -> str:
    if days is None or days == EVERY_DAY:
        return ""
    return f"{WEEKDAYS[min(days)]} to {WEEKDAYS[max(days)]} "


def _time(minutes: int) -> str:
    return f"{minutes % DAY_MINUTES // 60:02}:{minutes % 60:02}"
