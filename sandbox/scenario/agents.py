"""The voice agents that this Hamsa knows, and how both versions of its API show them, planted secrets included."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PLANTED_LLM_KEY = "planted-llm-key-of-the-sandbox"
PLANTED_WEBHOOK_SECRET = "planted-webhook-secret-of-the-sandbox"  # noqa: S105 - made up, and there to be looked for

OUTCOME = {
    "promised_to_pay": "boolean",
    "promised_date": "string",
    "wants_no_more_calls": "boolean",
    "disputes_the_debt": "boolean",
    "summary": "string",
}
"""What every agent here extracts: name and JSON type."""


WHAT_TO_EXTRACT = "Extract what the customer promised, and whether they want no more calls."
"""What agents are told to bring home, in words."""


class AgentSpec(BaseModel):
    """A voice agent that this Hamsa knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Its name.")
    greeting_message: str = Field(default="", description="What it says first; may hold {{placeholders}}.")
    preamble: str = Field(default="", description="Its instructions; may hold {{placeholders}}.")
    poke_messages: list[str] = Field(default=[], description="What it says to somebody silent.")
    params: dict[str, Any] = Field(default={}, description="Default values of its placeholders.")
    outcome: dict[str, str] | None = Field(
        default=OUTCOME,
        description="What its `outcomeResponseShape` says: name and JSON type; or nothing.",
    )
    nodes: list[dict[str, Any]] = Field(default=[], description="Nodes of a flow agent, as in `workflow`.")
    custom_variables: list[dict[str, Any]] = Field(default=[], description="Variables of a flow agent.")
    webhook_url: str | None = Field(default=None, description="Where the agent itself sends its events.")
    max_call_duration: int = Field(
        default=300, ge=30, le=600, description="What it shows as `maxCallDuration`, in seconds."
    )
    updated_at: str = Field(default="2026-01-01T00:00:00.000Z", description="When it was last changed.")


AGENTS: dict[str, AgentSpec] = {
    "agent-collections": AgentSpec(
        name="Collections",
        greeting_message="Hello {{name}}, this is the accounts team's assistant, an AI.",
        preamble="You call {{name}} about an overdue balance. Be kind. Ask when it will be paid.",
    ),
    "agent-plain": AgentSpec(
        name="Plain",
        greeting_message="Hello, this is an AI assistant.",
        preamble="You ask whether the customer needs anything.",
    ),
    "agent-flow": AgentSpec(
        name="Appointments",
        nodes=[
            {
                "id": "start",
                "type": "conversation",
                "label": "Greeting",
                "message": "Hello {{name}}, this is {{agent_name}} of {{branch}}. Shall we keep {{appointment}}?",
                "messageType": "static",
                "transitions": [{"id": "t1", "condition": "The customer wants another day", "target": "ask"}],
            },
            {"id": "ask", "type": "extract_variables", "label": "Day", "variables": [{"name": "new_day"}]},
            {"id": "end", "type": "transfer", "label": "Desk", "transferMessage": "{{name}} would like {{new_day}}."},
        ],
        custom_variables=[{"id": "branch", "name": "branch", "default": "the clinic"}],
    ),
}


def agent_v1(agent_id: str, agent: AgentSpec) -> dict[str, Any]:
    """Return a voice agent as the deprecated `GET /v1/voice-agents/{id}` shows it: flat."""
    return {
        "id": agent_id,
        "agentName": agent.name,
        "greetingMessage": agent.greeting_message,
        "preamble": agent.preamble,
        "pokeMessages": agent.poke_messages,
        "params": agent.params,
        "outcome": WHAT_TO_EXTRACT,
        "outcomeResponseShape": outcome_shape(agent),
        "webhookUrl": agent.webhook_url,
        "webhookAuth": {"authKey": "Bearer", "authSecret": PLANTED_WEBHOOK_SECRET},
        "maxCallDuration": agent.max_call_duration,
        "lang": "en",
        "llmConfig": {"provider": "sandbox", "apiKey": PLANTED_LLM_KEY},
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": agent.updated_at,
    }


def agent_v2(agent_id: str, agent: AgentSpec) -> dict[str, Any]:
    """Return a voice agent as `GET /v2/voice-agents/{id}` shows it."""
    workflow = {"nodes": agent.nodes, "edges": _edges(agent), "customVariables": agent.custom_variables}
    return {
        "id": agent_id,
        "type": "Flow" if agent.nodes else "Single Prompt",
        "name": agent.name,
        "conversation": {
            "greetingMessage": agent.greeting_message,
            "greetingMessageType": "STATIC",
            "preamble": agent.preamble,
            "pokeMessages": agent.poke_messages,
            "params": agent.params,
            "alignment": {},
        },
        "voice": {"lang": "en"},
        "llm": {
            "provider": "sandbox",
            "model": "none",
            "temperature": 0.2,
            "baseUrl": None,
            "apiKey": PLANTED_LLM_KEY,
        },
        "callSettings": {"maxCallDuration": agent.max_call_duration, "interrupt": True},
        "tools": [],
        "knowledgeBaseItemsIds": [],
        "phoneNumber": {"type": None, "id": None},
        "webhookUrl": agent.webhook_url,
        "webhookAuth": {"authKey": "Bearer", "authSecret": PLANTED_WEBHOOK_SECRET},
        "workflow": workflow if agent.nodes else {},
        "outcomeResponseShape": outcome_shape(agent),
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": agent.updated_at,
        "account": {"plan": "sandbox"},
    }


def _edges(agent: AgentSpec) -> list[dict[str, Any]]:
    """A flow agent's transitions once more, as lines between its nodes."""
    return [
        {"id": way.get("id"), "source": node.get("id"), "target": way.get("target")}
        for node in agent.nodes
        for way in node.get("transitions", [])
    ]


def outcome_shape(agent: AgentSpec) -> dict[str, Any]:
    """What `outcomeResponseShape` says of an agent."""
    if agent.outcome is None:
        return {}
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in agent.outcome.items()}}
