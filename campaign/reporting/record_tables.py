"""Tables of job records as people read them: one row a call, numbers masked, a column for each outcome field.

Promises that all rows of a table have the same columns, and that no cell loads anything from elsewhere when shown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from campaign.attempts import Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.intake import mask
from campaign.reporting.masking import shown_id
from campaign.reporting.outcome_counts import MOST_FIELDS, outcome_fields
from campaign.reporting.results import Result

LONGEST_CELL = 2000
"""Characters of an outcome field in a table of records; the ledger has all of it."""

LONGEST_ADDRESS = 1000

_WEB_ADDRESS = re.compile(r"https?://[^\s<>()\[\]\"@|`]+")

_STATES = {
    AttemptState.CLAIMED: "being placed",
    AttemptState.PLACED: "in progress",
    AttemptState.RELEASED: "not placed",
    AttemptState.NOT_PLACED: "not placed",
}
_FIRST = ("campaign", "row", "recipient", "number", "status")


def record_rows(results: Sequence[Result], attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    """The table of job records: one row per recipient, numbers masked, in the order of `results`."""
    by_key = {attempt.call_key: attempt for attempt in attempts}
    rows = []
    for result in results:
        attempt = by_key.get(result.call_key or "")
        head = {
            "row": result.row,
            "recipient": shown_id(result.recipient_id, result.phone),
            "number": mask(result.phone) if result.phone else "",
            "status": result.bucket.label,
        }
        why = result.reason if attempt is None or attempt.error is not None else ""
        rows.append(_Row(head, attempt, "" if why == result.bucket.label else why))
    return _table(rows)


def attempt_rows(attempts: Iterable[Attempt], *, with_campaign: bool = False) -> list[dict[str, Any]]:
    """The same for attempts of earlier runs, of which there are no rows here."""
    rows = []
    for attempt in attempts:
        head = {"campaign": attempt.campaign} if with_campaign else {}
        head |= {
            "recipient": shown_id(attempt.recipient_id, attempt.phone),
            "number": mask(attempt.phone),
            "status": state_in_words(attempt.state),
        }
        rows.append(_Row(head, attempt, attempt.error or ""))
    return _table(rows)


def state_in_words(state: AttemptState) -> str:
    """Where an attempt stands, as a report says it."""
    return _STATES.get(state) or Bucket(state.value).label


def conversation_address(record: Mapping[str, Any] | None) -> str:
    """Where the conversation can be seen, or else heard, as far as a job record says; empty if it does not."""
    for name in ("previewUrl", "mediaUrl"):
        address = (record or {}).get(name)
        if isinstance(address, str) and len(address) <= LONGEST_ADDRESS and _is_web_address(address):
            return address
    return ""


def shown_value(value: Any) -> Any:
    """A value of an outcome as a cell shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        value = ", ".join(str(shown_value(item)) for item in value)
    elif isinstance(value, Mapping):
        value = "; ".join(f"{name}: {shown_value(item)}" for name, item in value.items() if item not in (None, ""))
    elif value is None or (isinstance(value, float | int) and abs(value) < 2**53):
        return "" if value is None else value
    text = str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


class _Row:
    """One row in the making."""

    __slots__ = ("attempt", "head", "outcome", "why")

    def __init__(self, head: dict[str, Any], attempt: Attempt | None, why: str) -> None:
        self.head = head
        self.attempt = attempt
        self.outcome = outcome_fields(attempt.outcome, attempt.phone) if attempt else {}
        self.why = why


def _table(rows: Sequence[_Row]) -> list[dict[str, Any]]:
    """Rows with the same columns each: Prefect's UI takes them from the first, and leaves out what only others have."""
    fields = list(dict.fromkeys(name for row in rows for name in row.outcome))
    columns, others = fields[:MOST_FIELDS], fields[MOST_FIELDS:]
    linked = any(conversation_address(row.attempt.record) for row in rows if row.attempt)
    return [_cells(row, columns, others, linked=linked) for row in rows]


def _cells(row: _Row, columns: Sequence[str], others: Sequence[str], *, linked: bool) -> dict[str, Any]:
    attempt, cells = row.attempt, dict(row.head)
    tail: dict[str, Any] = {
        "duration (s)": attempt.duration_seconds if attempt else None,
        "cost": attempt.cost if attempt else None,
        "attempt": attempt.attempt if attempt else None,
        "why": row.why,
    }
    if linked:
        tail["conversation"] = conversation_address(attempt.record) if attempt else ""
    tail["job id"] = (attempt.job_id or "") if attempt else ""
    for name in columns:
        title = name.replace("_", " ")
        taken = title in cells or title in tail or title in _FIRST
        cells[f"outcome: {title}" if taken else title] = shown_value(row.outcome.get(name))
    if others:
        cells["further outcome"] = shown_value({name: row.outcome[name] for name in others if name in row.outcome})
    return {name: _harmless(value) for name, value in (cells | tail).items()}


def _harmless(value: Any) -> Any:
    """A text that Prefect's UI, which takes cells for Markdown, shows without loading a picture from elsewhere."""
    return value.replace("](", "] (").replace("<", "< ") if isinstance(value, str) else value


def _is_web_address(text: str) -> bool:
    if not _WEB_ADDRESS.fullmatch(text):
        return False
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False
