"""The record of one call as a page that is read from the top down, a label and its value a line."""

import re
from collections.abc import Iterator
from typing import Any

from campaign.reporting.call_result import CallResult
from campaign.reporting.outcome_counts import flat_fields
from campaign.reporting.record_tables import conversation_address, shown_value, state_in_words
from campaign.wording import in_markdown, moment, number, span

# An address that means nothing else in Markdown, and so may stand there as it is: a UI makes a link of it.
_PLAIN_ADDRESS = re.compile(r"https?://[^\s\\`*\[\]<>|]+")


def call_page(call: CallResult) -> str:
    """The Markdown page of a call: how it went and what was said first, ids last; what is not known is left out."""
    lines = [f"# Call to {in_markdown(call.recipient_id)}", "", "| | |", "| :--- | :--- |"]
    for label, value in _lines(call):
        text = value if _PLAIN_ADDRESS.fullmatch(value) else in_markdown(value)
        if text:
            lines.append(f"| **{in_markdown(label)}** | {text} |")
    return "\n".join([*lines, ""])


def _lines(call: CallResult) -> Iterator[tuple[str, str]]:
    yield "how it went", state_in_words(call.state)
    yield "error", call.error or ""
    yield "asked for no more calls", "yes" if call.opted_out else ""
    for name, value in flat_fields(call.outcome or {}).items():
        yield name.replace("_", " "), _words(shown_value(value))
    yield "conversation", conversation_address(call.job_record)
    yield "lasted", span(call.duration_seconds) if call.duration_seconds is not None else ""
    yield "cost", f"{call.cost:.2f}" if call.cost is not None else ""
    yield "placed", moment(call.placed_at) if call.placed_at else ""
    yield "ended", moment(call.ended_at) if call.ended_at else ""
    yield "number", call.number
    yield "campaign", call.campaign
    yield "attempt", str(call.attempt)
    yield "status at Hamsa", call.status or ""
    yield "job id", call.job_id or ""
    yield "call key", call.call_key


def _words(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)
