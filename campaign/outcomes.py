"""Reading the end of a call out of what Hamsa tells of it: the list's row, the job record, or a webhook event."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from campaign.agent import CALL_KEY
from campaign.attempts import STATE_OF_STATUS, AttemptState
from campaign.ledger import CallEnd
from campaign.rules import asks_for_no_more_calls
from hamsa.models import CallSummary, JobRecord, WebhookEvent


def read_outcome(extracted: Mapping[str, Any] | None, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the agent extracted, without the params that Hamsa echoes beside it.

    Args:
        extracted: `jobResponse` of a job record or `outcomeResult` of an event. Assumed: a job record wraps it in
            `outcomeResult` or holds it directly.
        params: What the call was created with.

    Returns:
        The outcome's fields, or None if there are none.
    """
    if not extracted:
        return None
    inner = extracted.get("outcomeResult", extracted.get("outcome", extracted))
    if not isinstance(inner, Mapping):
        return {"outcome": inner} if inner is not None else None
    outcome = {
        name: value
        for name, value in inner.items()
        if name != CALL_KEY and not (name in params and params[name] == value)
    }
    return outcome or None


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
    outcome = read_outcome(record.job_response, record.params) if record is not None else None
    return CallEnd(
        state=STATE_OF_STATUS.get(status, AttemptState.FAILED),
        status=status,
        ended_at=ended_at,
        duration_seconds=row.duration if row is not None else None,
        cost=record.total_cost if record is not None else None,
        outcome=outcome,
        record=record.model_dump(mode="json", by_alias=True, exclude_none=True) if record is not None else None,
        opted_out=asks_for_no_more_calls(outcome, opt_out_fields),
        error=error,
    )


def end_of_event(event: WebhookEvent, *, params: Mapping[str, Any], opt_out_fields: Sequence[str]) -> CallEnd:
    """What a `call.ended` event says.

    Assumed: its data carries `status` and `duration`; a call without a status completed.
    """
    data = event.data or {}
    inner = data.get("data")
    facts: Mapping[str, Any] = {**(inner if isinstance(inner, Mapping) else {}), **data}
    status = str(facts.get("status") or "COMPLETED").upper()
    outcome = read_outcome(event.outcome_result, params)
    duration = facts.get("callDuration", facts.get("duration"))
    cost = facts.get("totalCost", facts.get("cost"))
    return CallEnd(
        state=STATE_OF_STATUS.get(status, AttemptState.COMPLETED),
        status=status,
        ended_at=event.timestamp,
        duration_seconds=float(duration) if isinstance(duration, int | float) else None,
        cost=float(cost) if isinstance(cost, int | float) else None,
        outcome=outcome,
        opted_out=asks_for_no_more_calls(outcome, opt_out_fields),
    )
