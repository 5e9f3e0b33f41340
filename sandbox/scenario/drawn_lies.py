"""Lies drawn at random: everything that each field of `Lies` may say besides what is documented.

Whoever lets Hamsa lie by chance draws from this table, so that a new lie is met everywhere.
"""

import random
from collections.abc import Mapping
from typing import Any

from sandbox.scenario.lies import Lies

LIES: Mapping[str, tuple[Any, ...]] = {
    "list_times": ("zone", "zone_filtered", "date", "missing"),
    "list_agents": ("revision", "missing"),
    "list_ends": ("swapped", "missing"),
    "list_digits": ("hidden", "last_four", "sip", "extension"),
    "list_newest": (0, 1, 2, 3, 4, 5, 6),
    "list_oldest": (0, 1, 2, 3, 4, 5, 6),
    "list_latest_of_number": (True,),
    "list_hides": ("everything", "in_progress", "ended", "unanswered", "no_answer"),
    "list_counts": ("page", "all", "none", "zero", "too_many", "text", "negative"),
    "list_page_rows": (1, 2, 3, 4, 5),
    "list_ignores": (
        ("page",),
        ("perPage",),
        ("status",),
        ("startTime",),
        ("endTime",),
        ("voiceAgentId",),
        ("startTime", "endTime"),
        ("page", "perPage", "voiceAgentId"),
        ("page", "perPage", "status", "startTime", "endTime", "voiceAgentId"),
    ),
    "list_repeats": (1, 2, 3, 4),
    "list_shuffled": (True,),
    "list_cached_seconds": (60, 900, 4000, 90_000),
    "record_key": ("late", "gone", "padded", "quoted", "upper", "dashed", "cut", "changed", "renamed", "elsewhere"),
    "record_of": ("other_content", "other_record"),
    "record_missing": (True,),
    "record_late": ("unknown", "in_progress", "without_outcome"),
    "record_data": ("null", "list", "text"),
    "record_numbers": ("strings", "words"),
    "event_key": ("gone", "padded", "quoted", "upper", "dashed", "cut", "changed", "renamed", "elsewhere"),
    "event_call_id": ("own", "other", "missing"),
    "unknown_statuses": (True,),
}
"""The lies of each field."""

SHARE = 0.2
"""How often a field lies. Where everything lies, nothing is believed, and so nothing is found."""


def draw_lies(chance: random.Random, share: float = SHARE) -> dict[str, Any]:
    """Draw whether and how each field lies.

    Args:
        chance: Decides.
        share: How often a field lies, from 0 to 1.

    Returns:
        Every field of `Lies`, as `PATCH /_sandbox/scenario` takes it.
    """
    honest = Lies().model_dump(mode="json")
    drawn = {name: chance.choice(values) for name, values in LIES.items() if chance.random() < share}
    return Lies.model_validate({**honest, **drawn}).model_dump(mode="json")


def lies_in_words(lies: Mapping[str, Any]) -> str:
    """The fields that lie, and how, for a person."""
    honest = Lies().model_dump(mode="json")
    return ", ".join(f"{name}={value}" for name, value in lies.items() if value != honest[name]) or "none"
