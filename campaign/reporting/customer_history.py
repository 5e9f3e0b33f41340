"""One person's history for people to read: each call with why it was made, why none was made, and what blocks them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from campaign.attempts import COUNTS, Attempt
from campaign.buckets import Bucket
from campaign.intake import PSEUDONYM, mask
from campaign.ledger import Erasure, Refusal
from campaign.reporting.masking import hider, shown_id
from campaign.rules import OptOut, Said
from campaign.wording import counted


class CustomerHistory(BaseModel):
    """What the ledger has of one person. Times are in UTC, numbers are masked.

    Attributes:
        customer: The id or the masked number that was asked for.
        calls: Every attempt, over all campaigns, oldest first, with the rules and facts by which it was made.
        not_called: Why they were not called, newest first, as far back as that is kept.
        opt_outs: What was said about more calls, by whom it was lifted and why.
        barred: Why nobody calls now, if something blocks them.
        erased: When they were erased, by whom and why, if they were; what is there then is kept under pseudonyms.
    """

    customer: str
    calls: list[dict[str, str]] = Field(default_factory=list)
    not_called: list[dict[str, str]] = Field(default_factory=list)
    opt_outs: list[dict[str, str]] = Field(default_factory=list)
    barred: str | None = None
    erased: str | None = None

    @property
    def headline(self) -> str:
        """One sentence."""
        if not (self.calls or self.not_called or self.opt_outs or self.erased):
            return f"The ledger has nothing of {self.customer}: is the id or the number written as in the source?"
        parts = [counted(len(self.calls), "call"), counted(len(self.not_called), "reason") + " not to call"]
        now = f" They are not called: {self.barred}." if self.barred else ""
        erased = f" They were erased on {self.erased}." if self.erased else ""
        return f"{self.customer}: {', '.join(parts)}.{erased}{now}"


def history_of(
    customer: str,
    calls: Sequence[Attempt],
    refusals: Iterable[Refusal],
    opt_outs: Iterable[OptOut],
    erasures: Sequence[Erasure] = (),
) -> CustomerHistory:
    """Put it into words."""
    found = list(opt_outs)
    known = next((call.phone for call in calls if not call.phone.startswith(PSEUDONYM)), None)
    holds = [each for each in found if each.lifted_at is None]
    return CustomerHistory(
        customer=shown_id(customer, known),
        calls=[_call(call) for call in calls],
        not_called=[_refusal(each) for each in refusals],
        opt_outs=[_opt_out(each) for each in found],
        barred=holds[0].as_never().reason if holds else None,
        erased="; and on ".join(map(_erasure, erasures)) or None,
    )


def _erasure(each: Erasure) -> str:
    return f"{_time(each.erased_at)} by {each.erased_by}: {each.reason.rstrip('.')}"


def _call(call: Attempt) -> dict[str, str]:
    state = call.state.label if call.state in COUNTS else f"{call.state.label}: no phone rang"
    hide = hider(call.phone, others=True)
    return {
        "when": _time(call.claimed_at),
        "campaign": call.campaign,
        "recipient": shown_id(call.recipient_id, call.phone),
        "number": mask(call.phone),
        "attempt": str(call.attempt),
        "what came of it": state,
        "why called": _why(call.decided_by),
        "policy": call.policy or "",
        "note": hide(call.error) if call.error else "",
    }


def _why(facts: Mapping[str, Any] | None) -> str:
    if not facts:
        return ""
    parts = [f"it was {facts.get('local_time')} by the {facts.get('zone_from')}"]
    window = facts.get("window")
    if isinstance(window, list) and len(window) == 2:
        parts.append(f"open from {window[0]} to {window[1]}")
    if (place := facts.get("rules_for")) is not None:
        parts.append(f"by the rules for {place}")
    if (hours := facts.get("hours_named")) is not None:
        parts.append(f"they had named {', '.join(hours)}")
    if isinstance(consent := facts.get("consent"), Mapping):
        parts.append(f"consent: {consent.get('basis') or 'noted'} of {consent.get('day') or 'an unknown day'}")
    for name, counts in facts.items():
        if name.startswith("calls_in_") and isinstance(counts, Mapping):
            days = counted(int(name.removeprefix("calls_in_").removesuffix("_days")), "day")
            made = f"{counted(counts.get('number', 0), 'call')} to the number and {counts.get('person')} to the person"
            parts.append(f"in {days} {made}, of at most {counts.get('most')}")
    if (talked := facts.get("last_conversation")) is not None:
        parts.append(f"last conversation {talked}")
    return "; ".join(parts)


def _refusal(each: Refusal) -> dict[str, str]:
    return {
        "when": _time(each.decided_at),
        "campaign": each.campaign,
        "recipient": shown_id(each.recipient_id, each.phone),
        "number": mask(each.phone) if each.phone else "",
        "why not": f"{Bucket(each.bucket).label}: {each.reason}",
        "possible from": _time(each.until),
        "policy": each.policy or "",
    }


def _opt_out(each: OptOut) -> dict[str, str]:
    lifted = f"{_time(each.lifted_at)} by {each.lifted_by}: {each.lifted_because}" if each.lifted_at else ""
    return {
        "when": _time(each.noted_at),
        "number": mask(each.phone) if each.phone else "",
        "person": shown_id(each.person, each.phone),
        "said": "no more calls" if each.said is Said.YES else "words that a person has to read",
        "where": ": ".join(filter(None, (each.source, each.origin))) + (f" (`{each.field}`)" if each.field else ""),
        "lifted": lifted,
    }


def _time(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at is not None else ""
