"""What really happened, in plain data: for tests that must not believe the API."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from sandbox.calls.call_list import Call
from sandbox.calls.lives import Phase


def describe_call(call: Call, now: float) -> dict[str, Any]:
    """Return everything about one call, in the sandbox's own time and without any of the API's pretences.

    Args:
        call: The call.
        now: The moment of asking, in epoch seconds: what comes later is not shown yet.
    """
    over = call.life.ends_at <= now
    return {
        "job_id": call.id,
        "number": call.number,
        "machine_number": call.machine_number,
        "voice_agent_id": call.agent_id,
        "params": call.params,
        "call_key": call.call_key,
        "source": call.source,
        "fault": call.fault,
        "created_at": _iso(call.created),
        "rang_at": _past(call.life.began(Phase.RINGING), now),
        "answered_at": _past(call.life.began(Phase.TALKING), now),
        "ended_at": _past(call.life.ends_at, now),
        "never_ends": math.isinf(call.life.ends_at),
        "status": str(call.life.status_at(now)),
        "talk_seconds": round(call.life.talk_seconds, 3) if over else None,
        "cost": call.cost if over else None,
        "outcome": call.outcome.to_wire() if over and call.outcome else None,
        "webhooks": call.webhooks,
    }


def describe_totals(calls: Sequence[Call], now: float) -> dict[str, Any]:
    """Return counts over all calls: who rang how often, how many at once, how long lines were in use.

    Calls made from the dashboard are counted apart: they ring phones, but no request asked for them.
    """
    made = [call for call in calls if call.source != "dashboard"]
    rings = Counter(call.number for call in made)
    keys = Counter(call.call_key for call in made if call.call_key is not None)
    last_ring = max((call.created for call in made), default=None)
    return {
        "rings": len(made),
        "rings_per_number": dict(rings),
        "most_rings_of_a_number": max(rings.values(), default=0),
        "call_keys_that_rang_twice": sorted(key for key, count in keys.items() if count > 1),
        "dashboard_calls": len(calls) - len(made),
        "statuses": dict(Counter(str(call.life.status_at(now)) for call in made)),
        "lines_in_use": sum(call.created <= now < call.life.ends_at for call in made),
        "most_lines_at_once": most_at_once((call.created, call.life.ends_at) for call in made),
        "line_seconds": _line_seconds(made, now),
        "line_seconds_until_last_ring": _line_seconds(made, now if last_ring is None else min(now, last_ring)),
        "first_ring_at": _iso(min(call.created for call in made)) if made else None,
        "last_ring_at": _iso(last_ring) if last_ring is not None else None,
        "cost": round(sum(call.cost for call in made if call.life.ends_at <= now), 6),
        "webhooks": dict(Counter(str(entry["result"]) for call in made for entry in call.webhooks)),
    }


def _line_seconds(calls: Sequence[Call], until: float) -> float:
    return round(sum(max(0.0, min(call.life.ends_at, until) - call.created) for call in calls), 3)


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """How many of these spans (begin, end) overlap at most. One that ends as another begins does not."""
    edges = sorted(edge for begin, end in spans if end > begin for edge in ((begin, 1), (end, -1)))
    return max(accumulate(change for _, change in edges), default=0)


def _past(moment: float | None, now: float) -> str | None:
    return None if moment is None or moment > now else _iso(moment)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
