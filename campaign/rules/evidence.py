"""Why somebody was called: the facts by which the rules said yes, kept with the claim."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from campaign.attempts import COUNTS, PastAttempt
from campaign.intake import Recipient
from campaign.rules.decision import CONVERSATION, Rules
from campaign.rules.windows import CHUNK_SECONDS, local_time
from campaign.time_zones import time_zone


def facts_of(recipient: Recipient, history: Sequence[PastAttempt], rules: Rules, at: datetime) -> dict[str, Any]:
    """What the rules saw when they said yes.

    Args:
        recipient: Who is called.
        history: What the rules were shown.
        rules: Which said yes.
        at: When.

    Returns:
        JSON: the callee's zones, local time and open window, how many calls each cap counted, and the last
        conversation.
    """
    zones = recipient.zones
    facts: dict[str, Any] = {
        "zones": list(zones[:4]),
        "zone_from": "row" if recipient.timezone else "number",
        "local_time": local_time(at, zones),
        "window": _window(recipient, rules, at),
        "country": recipient.country,
    }
    who = recipient.person or recipient.id
    for cap in rules.caps:
        since = at - cap.within
        counted = [past for past in history if past.state in COUNTS and past.claimed_at > since]
        facts[f"calls_in_{cap.within.days}_days"] = {
            "number": sum(past.phone == recipient.phone for past in counted),
            "person": sum(past.who == who for past in counted),
            "most": cap.calls,
        }
    talks = [past.claimed_at for past in history if past.state in CONVERSATION]
    if talks:
        facts["last_conversation"] = max(talks).isoformat(timespec="seconds")
    return facts


def _window(recipient: Recipient, rules: Rules, at: datetime) -> list[str] | None:
    """The open window, at the callee's place; None if every hour is open."""
    zones = recipient.zones
    if rules.hours.always_open or not zones:
        return None
    moment = at.timestamp()
    for span in rules.hours.open_spans(tuple(zones), recipient.country, int(moment // CHUNK_SECONDS)):
        if span[0] <= moment < span[1]:
            zone = time_zone(zones[0])
            return [datetime.fromtimestamp(edge, zone).isoformat(timespec="minutes") for edge in span]
    return None
