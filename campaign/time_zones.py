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
