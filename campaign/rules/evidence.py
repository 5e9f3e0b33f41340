"""Why somebody was called: the facts by which the rules said yes, kept with the claim."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from campaign.attempts import COUNTS, PastAttempt
from campaign.intake import Recipient, hours_shown
from campaign.rules.decision import CONVERSATION
from campaign.rules.opening import local_time, open_window
from campaign.rules.rules import Never, Rules


def facts_of(recipient: Recipient, history: Sequence[PastAttempt], rules: Rules, at: datetime) -> dict[str, Any]:
    """What the rules saw when they said yes.

    Returns:
        JSON: the callee's zones, local time and open window, whose rules these are, what the row said, how many calls
        each cap counted, and the last conversation.
    """
    zones, terms = recipient.zones, recipient.terms
    placed = rules.at(recipient.country, terms.subdivision)
    rules, place = (rules, recipient.country) if isinstance(placed, Never) else placed
    facts: dict[str, Any] = {
        "zones": list(zones[:4]),
        "zone_from": "row" if recipient.timezone else "number",
        "local_time": local_time(at, zones),
        "window": _window(recipient, rules, place, at),
        "country": recipient.country,
        "preset": rules.preset,
    }
    if rules.place:
        facts["rules_for"] = rules.place
    if terms.subdivision or rules.place.startswith("any part"):
        # Null: it is not known, so that what is said for no part in particular holds.
        facts["part_of_country"] = place if place != recipient.country else None
    if terms.hours:
        facts["hours_named"] = list(hours_shown(terms.hours))
    if terms.consent is not None:
        day = terms.consent.day
        facts["consent"] = {"basis": terms.consent.basis, "day": day.isoformat() if day else None}
    for cap in rules.caps:
        since = at - cap.within
        counted = [past for past in history if past.state in COUNTS and past.claimed_at > since]
        facts[f"calls_in_{cap.within.days}_days"] = {
            "number": sum(past.phone == recipient.phone for past in counted),
            "person": sum(past.who == recipient.who for past in counted),
            "most": cap.calls,
        }
    talks = [past.claimed_at for past in history if past.state in CONVERSATION]
    if talks:
        facts["last_conversation"] = max(talks).isoformat(timespec="seconds")
    return facts


def _window(recipient: Recipient, rules: Rules, place: str | None, at: datetime) -> list[str] | None:
    """The open window, at the callee's place; None if every hour is open."""
    zones, named = recipient.zones, recipient.terms.hours
    span = open_window(rules.hours, zones, place, at, named)
    return None if span is None else [edge.isoformat(timespec="minutes") for edge in span]
