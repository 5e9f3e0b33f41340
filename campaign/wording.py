"""How counts, moments and values are written for people: *1 call*, *2 calls*, Monday 2026-11-02 09:00 UTC."""

import re
from datetime import UTC, datetime

_MARKUP = re.compile(r"([\\`*\[\]<>|])")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 call`, `2 calls`, `0 people`.

    Args:
        noun: What one of them is called.
        plural: What several are called, if it is not the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def moment(at: datetime) -> str:
    """A moment by day and minute, in UTC."""
    return f"{at.astimezone(UTC):%A %Y-%m-%d %H:%M} UTC"


def span(seconds: float) -> str:
    """A length of time, in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def number(value: float) -> str:
    """An amount with its thousands apart, and with two decimals only if it has any."""
    return f"{value:,.0f}" if round(value, 2) == round(value) else f"{value:,.2f}"


def in_markdown(text: str) -> str:
    """A text from outside as Markdown that shows just that text, on one line and in one cell."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
