"""Prefect's events about calls and campaigns: one event per fact, after the ledger has it, never a phone number.

The events and their payloads are described in docs/reference/events.md.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefect.events import emit_event
from prefect.runtime import flow_run

from campaign.following import CallEvent
from campaign.reporting import CampaignReport, masked_outcome, shown_id

LONGEST_VALUE = 500
"""Characters of an outcome field that fit into an event; Prefect refuses one that is too large."""


def call_event_emitter(outcome_fields: Sequence[str] = ()) -> Callable[[CallEvent], None]:
    """Make the function that turns call events into events of Prefect.

    Args:
        outcome_fields: Names of the outcome's fields that may appear in an event's payload. None by default: what an
            agent extracts may be personal.
    """
    allowed = tuple(outcome_fields)

    def emit(event: CallEvent) -> None:
        call = event.job_id or event.call_key
        recipient = shown_id(event.recipient_id, event.phone)
        payload: dict[str, Any] = {
            "campaign": event.campaign,
            "recipient_id": recipient,
            "attempt": event.attempt,
            "call_key": event.call_key,
            "job_id": event.job_id,
        }
        labels = {"prefect.resource.id": f"hamsa.call.{call}", "prefect.resource.name": f"call to {recipient}"}
        if event.end is not None:
            payload |= {
                "status": event.end.state.value,
                "duration_seconds": event.end.duration_seconds,
                "cost": event.end.cost,
                "opted_out": event.end.opted_out,
                "outcome": _shown(event.end.outcome or {}, allowed, event.phone),
            }
            labels["hamsa.call.status"] = event.end.state.value
            labels |= {f"hamsa.outcome.{name}": _label(value) for name, value in payload["outcome"].items()}
        if event.reason is not None:
            payload["reason"] = event.reason
        related = [
            _related(f"hamsa.campaign.{event.campaign}", "hamsa-campaign", event.campaign),
            _related(f"hamsa.recipient.{recipient}", "hamsa-recipient", recipient),
        ]
        if event.agent_id:
            related.append(_related(f"hamsa.agent.{event.agent_id}", "hamsa-agent", event.agent_id))
        emit_event(f"hamsa.call.{event.kind}", resource=labels, related=related, payload=payload)

    return emit


def emit_campaign_started(campaign: str, *, rows: int | None, agent_id: str | None) -> None:
    """A campaign run begins to dial."""
    _emit_campaign_event("started", campaign, {"rows": rows, "agent_id": agent_id})


def emit_campaign_finished(report: CampaignReport) -> None:
    """A campaign run is over: `finished`, or `stopped` when it ended before everybody had their turn."""
    payload = {
        "headline": report.headline,
        "rows": report.rows_read,
        "buckets": {bucket.value: count for bucket, count in report.buckets.items()},
        "calls": report.calls,
        "minutes": report.minutes,
        "cost": report.cost,
        "reason": report.stopped,
        "failed": report.failed,
    }
    _emit_campaign_event("stopped" if report.stopped else "finished", report.campaign, payload)


def _emit_campaign_event(kind: str, campaign: str, payload: dict[str, Any]) -> None:
    payload = {"campaign": campaign, "flow_run_id": flow_run.id, **payload}
    resource = {"prefect.resource.id": f"hamsa.campaign.{campaign}", "prefect.resource.name": campaign}
    emit_event(f"hamsa.campaign.{kind}", resource=resource, payload=payload)


def _related(resource_id: str, role: str, name: str) -> dict[str, str]:
    return {"prefect.resource.id": resource_id, "prefect.resource.role": role, "prefect.resource.name": name}


def _shown(outcome: Mapping[str, Any], allowed: Sequence[str], phone: str) -> dict[str, Any]:
    fields = masked_outcome({name: value for name, value in outcome.items() if name in allowed}, phone) or {}
    return {name: _short(value) for name, value in fields.items()}


def _short(value: Any) -> Any:
    """A value as it is if it is short, and else the beginning of it, or of its JSON, as a text."""
    if value is None or isinstance(value, bool | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE]


def _label(value: Any) -> str:
    """A value as automations can match it: they see labels, not payloads. True is `true`, nothing is `none`."""
    return str(value).lower()[:100] if value is None or isinstance(value, bool) else str(value)[:100]
