"""Time zones by the names of the IANA database, as `zoneinfo` knows them."""

from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def time_zone(name: str) -> ZoneInfo:
    """The zone of this name.

    Raises:
        KeyError, ValueError or OSError: There is none.
    """
    return ZoneInfo(name)


def is_time_zone(name: str) -> bool:
    """Whether the time-zone database knows a zone by this name. `Etc/Unknown` is none."""
    try:
        time_zone(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


ONE_SEASON = {"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu", "GMT": "Europe/London"}
ONE_SEASON |= dict.fromkeys(("GMT0", "GMT+0", "GMT-0", "Greenwich"), "Europe/London")
"""Abbreviations that the database takes for a fixed distance from UTC, and a place of which people mean them.

Whoever writes EST means the clocks of New York, which in July are an hour ahead of that: read by the letter, a phone
would ring an hour too early or too late for half the year. So they are refused, and the name of a place is asked for.
`UTC` and `Etc/GMT+5` say what they are and are taken at their word; `EST5EDT`, `CET` and `EET` know summer time.
"""
_NO_PLACE = frozenset({"localtime", "posixrules", "Factory"})


def why_no_time_zone(name: str) -> str | None:
    """Why a name does not tell where the clocks of a person stand, as a clause to follow it; `None` if it does."""
    if name in ONE_SEASON:
        return f"does not say whether summer time is kept; write the name of a place such as {ONE_SEASON[name]}"
    if name in _NO_PLACE or not is_time_zone(name):
        return "is not a name such as Asia/Riyadh"
    return None
