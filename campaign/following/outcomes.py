"""Reading the end of a call out of what Hamsa says of it: the list's row, the job record, or a webhook event.

Promises never to make up an end: what an event does not say and nothing else proves is left to be asked for. A number,
status or object of an unexpected shape costs itself, not the rest.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from campaign.agent import CALL_KEY
from campaign.attempts import STATE_OF_STATUS, AttemptState
from campaign.ledger import CallEnd
from campaign.rules import asks_for_no_more_calls
from hamsa.models import CallSummary, JobRecord, JobStatus, WebhookEvent
from hamsa.redaction import decoded

_IN_PROGRESS = frozenset({JobStatus.PENDING, JobStatus.IN_PROGRESS})

_NO_OUTCOME = frozenset({"error", "message", "transcript", "transcription"})
"""What a response that holds the outcome directly may say besides."""

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:\.\d{1,9})?)")
"""A length written as `1:02:03` or `02:03`."""


def read_outcome(source: JobRecord | WebhookEvent, params: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """What the agent extracted, without the params that Hamsa echoes beside it.

    Args:
        source: A job record or a `call.ended` event.
        params: What the call was created with; by default as a job record shows it.

    Returns:
        The outcome's fields, or None if there are none.
    """
    if isinstance(source, JobRecord):
        params = source.params if params is None else params
    echoed = params or {}
    outcome = {
        name: value
        for name, value in _said(source).items()
        if name != CALL_KEY and not (name in echoed and decoded(echoed[name]) == value)
    }
    return outcome or None


def _said(source: JobRecord | WebhookEvent) -> dict[str, Any]:
    """What the agent extracted, and whatever Hamsa echoes beside it.

    Refusals are looked for in all of it: a param that says the same as what was extracted is not distinguished from
    its echo.
    """
    fields = source.outcome_result
    return fields or (_held_directly(source.job_response) if isinstance(source, JobRecord) else {})


def _beside(outcome: Mapping[str, Any], params: Mapping[str, Any]) -> list[Any]:
    """The values of fields that cannot be an echo of the params."""
    return [value for name, value in outcome.items() if name not in params]


def _held_directly(response: Mapping[str, Any] | None) -> dict[str, Any]:
    """The outcome in a `jobResponse` that has no `outcomeResult`."""
    # Assumed: the outcome is `outcomeResult`, `outcome` or the whole `jobResponse`. If that is wrong, a few fields too
    # many are kept, which is better than a refusal overheard.
    response = response or {}
    inner = decoded(response.get("data"))
    if "outcomeResult" in response or (isinstance(inner, Mapping) and "outcomeResult" in inner):
        return {}
    outcome = decoded(response.get("outcome", response))
    if isinstance(outcome, Mapping):
        return {name: decoded(value) for name, value in outcome.items() if name not in _NO_OUTCOME}
    return {} if outcome is None else {"outcome": outcome}


def end_of_call(
    record: JobRecord | None,
    row: CallSummary | None,
    *,
    opt_out_fields: Sequence[str],
    ended_at: datetime,
    error: str | None = None,
) -> CallEnd:
    """Join what the list's row and the job record say of a finished call.

    The row's status wins: it tells `NO_ANSWER` from `FAILED`, which the job endpoint is not documented to do.
    """
    status = (row.status if row is not None else None) or (record.status if record is not None else None) or "FAILED"
    outcome = read_outcome(record) if record is not None else None
    duration = row.duration if row is not None else None
    if duration is None and record is not None:
        duration = _seconds(record.usage_time)
    return CallEnd(
        state=STATE_OF_STATUS.get(status, AttemptState.FAILED),
        status=status,
        ended_at=ended_at,
        duration_seconds=duration,
        cost=record.total_cost if record is not None else None,
        outcome=outcome,
        record=record.as_json() if record is not None else None,
        # A refusal is heard wherever the response holds it, also beside an outcome.
        opted_out=record is not None and asks_for_no_more_calls(record.job_response, opt_out_fields),
        error=error,
    )


def end_of_event(
    event: WebhookEvent, *, params: Mapping[str, Any] | None, opt_out_fields: Sequence[str], answered: bool = False
) -> CallEnd | None:
    """What a `call.ended` event says, if it says how the call ended.

    Only `outcomeResult` is documented. Without a status the call completed if somebody talked: the agent extracted
    something, or Hamsa said that the call was answered. Only fields that no param is named like count as extracted.

    Args:
        event: A `call.ended`.
        params: What the call was created with, to tell it from what was extracted; None if that is not known.
        opt_out_fields: Outcome fields in which the agent notes that somebody wants no more calls.
        answered: Whether a `call.answered` came for this call.

    Returns:
        The end, or None if the event does not tell a conversation from a phone that nobody picked up.
    """
    facts = _facts(event)
    outcome = read_outcome(event, params)
    opted_out = asks_for_no_more_calls(_said(event), opt_out_fields)
    # What is named like a param may be its echo, written otherwise (3 as "3"), and where the params are not known
    # anything may be. Neither proves that somebody talked.
    talked = answered or opted_out or (bool(params) and any(_beside(outcome or {}, params or {})))
    seconds = _seconds(facts.get("callDuration", facts.get("duration")))
    status, state, error = _status(facts.get("status")), AttemptState.COMPLETED, None
    if status in STATE_OF_STATUS:
        state = STATE_OF_STATUS[status]
    elif status is None or status in _IN_PROGRESS:
        if not talked:
            return None
        status = JobStatus.COMPLETED.value
    elif not talked:
        if seconds:  # of an ended call that lasted, the list may say that it was a conversation
            return None
        state, error = AttemptState.FAILED, f"the call ended with the status {status}, which is not documented"
    cost = facts.get("totalCost", facts.get("cost"))
    return CallEnd(
        state=state,
        status=status,
        ended_at=event.timestamp,
        duration_seconds=seconds,
        cost=_amount(cost),
        outcome=outcome,
        opted_out=opted_out,
        error=error,
    )


def _facts(event: WebhookEvent) -> dict[str, Any]:
    """What an event's `data`, and the `data` within it, say that is not null; the outer one wins."""
    # Assumed: an event that says how a call ended says it in `data` or within that.
    data = event.data or {}
    inner = decoded(data.get("data"))
    layers = (inner if isinstance(inner, Mapping) else {}, data)
    return {name: value for layer in layers for name, value in layer.items() if value is not None}


def _status(value: object) -> str | None:
    """A status as Hamsa's list spells it, or None if there is none."""
    if not isinstance(value, str) or not value.strip():
        return None
    return re.sub(r"[-\s]+", "_", value.strip()).upper()[:40]


def _seconds(value: object) -> float | None:
    """A length in seconds."""
    # Assumed: a length is in seconds.
    if isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    return _amount(value)


def _amount(value: object) -> float | None:
    """A number of zero or more, also when it came as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None
