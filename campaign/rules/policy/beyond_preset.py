"""Whether a policy allows more than the rules that its preset found: that is to be asked for, not slipped into."""

from collections.abc import Iterable

from campaign.rules.policy.presets import CAP_FIELDS, Preset
from campaign.rules.policy.rule_fields import RuleFields
from campaign.rules.windows import DAY_MINUTES, EVERY_DAY, MONDAY_TO_FRIDAY, WEEKDAYS, Window


def beyond_preset(policy: RuleFields, preset: Preset) -> str | None:
    """The first thing in which a policy allows more than its preset found, as a clause; None if there is none.

    Args:
        policy: Of which what it says itself is looked at.
        preset: Where it starts from. What was not found in it bounds nothing.
    """
    found = preset.found
    source = f"what the preset found ({found.source})"
    for number, window in enumerate(policy.windows, 1):
        if found.windows and (day := _outside(window.as_windows(), found.windows)) is not None:
            return f"`windows.{number}` is open on {WEEKDAYS[day]} when {source} allows only {_words(found.windows)}"
    for number, own in enumerate(policy.windows_on_dates, 1):
        covering = (each for each in preset.dated if each.first <= own.first_day and own.last_day <= each.last)
        allowed = next((each.windows for each in covering), None) or found.windows
        for each, window in enumerate(own.windows, 1):
            if allowed and (day := _outside(window.as_windows(), allowed)) is not None:
                place = f"windows_on_dates.{number}.windows.{each}"
                return f"`{place}` is open on {WEEKDAYS[day]} when {source} allows only {_words(allowed)}"
    most = {cap.within: cap.calls for cap in found.caps}
    for name, within in CAP_FIELDS.items():
        calls = getattr(policy, name)
        if calls is not None and within in most and calls > most[within]:
            return f"`{name}` is {calls}, and {source} allows {most[within]}"
    silence_days = policy.silence_days_after_conversation
    if silence_days is not None and silence_days < found.silence_days:
        return f"`silence_days_after_conversation` is {silence_days}, and {source} asks for {found.silence_days}"
    if policy.holidays == "open" and found.holidays:
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
