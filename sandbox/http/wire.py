"""What the API shows of a call: job records, list rows, conversations, webhook events.

The shapes are the documented ones, the secrets included that a job record carries: whoever reads this API must know to
drop them. They are recognizable, `PLANTED_SECRETS`, so that a search can prove they went nowhere.
"""

import json
import math
from datetime import UTC, datetime
from typing import Any

from sandbox.calls import Call, Phase, write_number
from sandbox.scenario import (
    FAR_AWAY_SECONDS,
    PLANTED_LLM_KEY,
    PLANTED_WEBHOOK_SECRET,
    WHAT_TO_EXTRACT,
    AgentSpec,
    Scenario,
    outcome_shape,
)

PLANTED_SECRETS = (PLANTED_LLM_KEY, PLANTED_WEBHOOK_SECRET)
"""An LLM's API key and a webhook's secret, found in every job record's `agentDetails`."""

_FAILURES = {
    Phase.NO_ANSWER: "The callee did not answer",
    Phase.FAILED: "The call could not be completed (480 Temporarily Unavailable)",
}


def write_time(moment: float, scenario: Scenario) -> str:
    """Return an epoch time as the API writes it, on the server's own clock."""
    stamp = datetime.fromtimestamp(moment + scenario.clock_skew_seconds, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_record(call: Call, agent: AgentSpec, scenario: Scenario, now: float) -> dict[str, Any]:
    """Return the job record of `call` as it is at `now` (epoch seconds)."""
    over = call.life.ends_at <= now
    record: dict[str, Any] = {
        "id": call.id,
        "title": f"Call by {call.agent_name}",
        "model": "hamsa-agent",
        "type": "VOICE_AGENTS",
        "processingType": "ASYNC",
        "webhookUrl": call.webhook_url,
        "totalCost": call.cost if over else None,
        "usageTime": str(round(call.life.talk_seconds, 1)) if over else None,
        "fromLng": None,
        "toLng": None,
        "mediaUrl": _media_url(call) if over else None,
        "jobResponse": _maybe_string(_job_response(call), scenario) if over else None,
        "fromScript": None,
        "toScript": None,
        "status": _job_status(call, scenario, now),
        "relevantJobId": None,
        "agentDetails": _agent_details(call, agent, scenario, over=over),
        "apiKeyId": "sandbox-api-key-id",
        "billingId": None,
        "systemModelKey": None,
        "voiceAgentId": call.agent_id,
        "createdAt": write_time(call.created, scenario),
        "updatedAt": write_time(_changed(call, now), scenario),
    }
    if call.source == "twilio":
        record["callParams"] = _call_params(call, scenario)
    return scenario.lies.record(record)


def list_row(call: Call, scenario: Scenario, at: float) -> dict[str, Any]:
    """Return the list's row for `call` as it was at the moment `at` (epoch seconds)."""
    over = call.life.ends_at <= at
    row = {
        "id": call.id,
        "createdAt": write_time(call.created, scenario),
        "status": call.life.status_at(at),
        "voiceAgentId": call.agent_id,
        "agentName": call.agent_name,
        "duration": round(call.life.talk_seconds, 1) if over else None,
        "channelType": "Telephone",
        "callParams": _call_params(call, scenario),
    }
    return scenario.lies.row(row, write_time(call.created + FAR_AWAY_SECONDS, scenario))


def conversation(call: Call, scenario: Scenario, now: float) -> dict[str, Any]:
    """Return `call` as a conversation, as it is at `now` (epoch seconds)."""
    over = call.life.ends_at <= now
    return {
        "id": call.id,
        "status": scenario.lies.status(call.life.status_at(now)),
        "type": "VOICE_AGENTS",
        "jobResponse": _maybe_string(_job_response(call), scenario) if over else None,
        "mediaUrl": _media_url(call) if over else None,
        "callParams": {"userNumber": write_number(call.number, scenario.list_numbers)},
        "callDuration": round(call.life.talk_seconds, 1) if over else None,
        "channelType": "TELEPHONE",
        "callAnalysis": {"summary": call.outcome.summary} if over and call.outcome else None,
        "logs": [
            {"id": f"{call.id}-{number}", "timestamp": write_time(began, scenario), "payload": {"phase": str(phase)}}
            for number, (phase, began) in enumerate(zip(call.life.phases, call.life.begins, strict=True))
            if began <= now
        ],
        "performanceMetrics": {"averageLatencyMs": 850} if over and call.outcome else None,
    }


def event(call: Call, kind: str, at: float, scenario: Scenario, project_id: str) -> dict[str, Any]:
    """Return the webhook event of this kind, about what happens to `call` at the moment `at` (epoch seconds)."""
    data: dict[str, Any] | None = None
    if kind == "call.ended":
        result = {**call.params, **(call.outcome.to_wire() if call.outcome else {})}
        result = {name: _maybe_string(value, scenario) for name, value in result.items()}
        data = {"data": {"outcomeResult": result}}
        if scenario.webhook_details:
            data |= {
                "status": call.life.status_at(at),
                "callDuration": round(call.life.talk_seconds, 1),
                "totalCost": call.cost,
                "mediaUrl": _media_url(call),
            }
    elif kind == "call.started" and scenario.webhook_params:
        data = {"params": dict(call.params)}
    elif kind == "call.answered" and scenario.webhook_params:
        # That it is sent is documented; under which name is not.
        data = {"ringingSeconds": round(at - (call.life.began(Phase.RINGING) or at), 1)}
    elif kind == "transcription.update":
        data = {"role": "user", "text": "Yes, speaking."}
    elif kind == "tool.executed":
        data = {"tool": "lookup", "result": "done"}
    return {
        "eventType": kind,
        "callId": call.id,
        "timestamp": write_time(at, scenario),
        "projectId": project_id,
        "agentId": call.agent_id,
        "agentName": call.agent_name,
        "data": data,
    }


def _call_params(call: Call, scenario: Scenario) -> dict[str, str]:
    return {
        "machineNumber": call.machine_number,
        "userNumber": write_number(call.number, scenario.list_numbers),
    }


def _agent_details(call: Call, agent: AgentSpec, scenario: Scenario, *, over: bool) -> dict[str, Any]:
    if call.agent_details is not None:
        details = dict(call.agent_details)
        details.pop("params", None)
    else:
        details = {
            "agentName": agent.name,
            "greetingMessage": agent.greeting_message,
            "preamble": agent.preamble,
            "outcome": WHAT_TO_EXTRACT,
            "outcomeResponseShape": outcome_shape(agent),
        }
    details["llmConfig"] = {"provider": "sandbox", **_object(details.get("llmConfig")), "apiKey": PLANTED_SECRETS[0]}
    details["webhookAuth"] = call.webhook_auth or {"authKey": "Bearer", "authSecret": PLANTED_SECRETS[1]}
    if scenario.echo_params:
        details["params"] = scenario.lies.params(call.params, over=over)
    return details


def _job_status(call: Call, scenario: Scenario, now: float) -> str:
    if scenario.job_statuses == "seven":
        return call.life.status_at(now)
    if call.life.ends_at > now:
        return "PENDING"
    return "COMPLETED" if call.outcome is not None else "FAILED"


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _job_response(call: Call) -> dict[str, Any]:
    if call.outcome is not None:
        return {"outcomeResult": call.outcome.to_wire(), "summary": call.outcome.summary}
    return {"error": _FAILURES.get(call.life.phases[-1], "The call ended early")}


def _maybe_string(value: Any, scenario: Scenario) -> Any:
    return json.dumps(value) if scenario.json_strings and isinstance(value, dict | list) else value


def _media_url(call: Call) -> str | None:
    return f"https://media.invalid/recordings/{call.id}.mp3" if call.outcome else None


def preview_address(call: Call) -> str | None:
    """Where a dashboard would show the conversation; nobody is there."""
    return f"https://dashboard.invalid/conversations/{call.id}" if call.outcome else None


def _changed(call: Call, now: float) -> float:
    return max(begin for begin in call.life.begins if begin <= now) if not math.isinf(now) else call.created
