"""What a request to place a call may say. What it may not is refused as Hamsa would: 400, and why."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
HAMSA_NUMBERS = ("+18449292835", "+18558961879")
"""Hamsa's own caller ids."""
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Route:
    """One of the endpoints that place a call."""

    path: str
    from_field: str
    """What the caller id is called there."""
    from_required: bool
    takes_webhook: bool
    takes_agent_details: bool = True
    agent_id_required: bool = False
    """Then `agentDetails`, where they are taken, come beside the id and the params."""
    params_required: bool = False


ROUTES: Mapping[str, Route] = {
    "hamsa": Route("/v1/voice-agents/call", "fromNumber", from_required=False, takes_webhook=True),
    "own": Route(
        "/v1/voice-agents/phone-number/call",
        "phoneNumber",
        from_required=True,
        takes_webhook=False,
        takes_agent_details=False,
        agent_id_required=True,
        params_required=True,
    ),
    "twilio": Route(
        "/v1/voice-agents/twilio/call",
        "twilioPhoneNumber",
        from_required=True,
        takes_webhook=True,
        agent_id_required=True,
    ),
}


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A request to place a call, understood."""

    number: str
    machine_number: str
    agent_id: str | None
    params: dict[str, Any]
    agent_details: dict[str, Any] | None = None
    webhook_url: str | None = None
    webhook_auth: dict[str, str] | None = None
    source: str = "hamsa"


class BadOrder(Exception):
    """The request cannot be understood.

    Args:
        field: The field at fault.
        reason: What is wrong with it, continuing "`field` …".
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason


def read_order(body: object, source: str) -> CallOrder:
    """Understand the JSON body of a request.

    Args:
        body: The decoded body.
        source: Key of `ROUTES`: whose number calls.

    Raises:
        BadOrder: The API would refuse it.
    """
    route = ROUTES[source]
    if not isinstance(body, dict):
        raise BadOrder("body", "must be a JSON object")
    known = {"toNumber", route.from_field, "voiceAgentId", "params"}
    if route.takes_agent_details:
        known |= {"agentDetails"}
    if route.takes_webhook:
        known |= {"webhookUrl", "webhookAuth"}
    for name in body:
        if name not in known:
            raise BadOrder(str(name), "should not exist")
    number = _number(body, "toNumber", required=True)
    machine_number = _number(body, route.from_field, required=route.from_required)
    if route.agent_id_required and body.get("voiceAgentId") is None:
        raise BadOrder("voiceAgentId", "must be given")
    if route.params_required and body.get("params") is None:
        raise BadOrder("params", "must be given")
    agent_id, params, agent_details = _agent(body, both=route.agent_id_required)
    webhook_url, webhook_auth = _webhook(body)
    return CallOrder(
        number=number,
        machine_number=machine_number or HAMSA_NUMBERS[0],
        agent_id=agent_id,
        params=params,
        agent_details=agent_details,
        webhook_url=webhook_url,
        webhook_auth=webhook_auth,
        source=source,
    )


def _number(body: Mapping[str, Any], field: str, *, required: bool) -> str:
    value = body.get(field)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not _E164.fullmatch(value):
        raise BadOrder(field, "must be a phone number in E.164 form")
    return value


def _agent(body: Mapping[str, Any], *, both: bool) -> tuple[str | None, dict[str, Any], dict[str, Any] | None]:
    """Whose id, which params, and what inline agent; `both` is whether an inline agent comes beside an id."""
    agent_id, details, params = body.get("voiceAgentId"), body.get("agentDetails"), body.get("params")
    if agent_id is not None and details is not None and not both:
        raise BadOrder("agentDetails", "must not be given together with voiceAgentId")
    if agent_id is None and details is None:
        raise BadOrder("voiceAgentId", "must be given, or agentDetails instead")
    if params is not None and not isinstance(params, dict):
        raise BadOrder("params", "must be an object")
    if agent_id is not None or details is None:
        if not isinstance(agent_id, str) or not agent_id:
            raise BadOrder("voiceAgentId", "must be a non-empty string")
        if not isinstance(details, dict | None):
            raise BadOrder("agentDetails", "must be an object")
        return agent_id, params or {}, details
    if not isinstance(details, dict):
        raise BadOrder("agentDetails", "must be an object")
    if params is not None:
        raise BadOrder("params", "may be given with voiceAgentId only")
    own = details.get("params")
    return None, own if isinstance(own, dict) else {}, details


def _webhook(body: Mapping[str, Any]) -> tuple[str | None, dict[str, str] | None]:
    url, auth = body.get("webhookUrl"), body.get("webhookAuth")
    if url is not None and not (isinstance(url, str) and _may_be_posted_to(url)):
        raise BadOrder("webhookUrl", "must be an https URL")
    if auth is not None:
        complete = isinstance(auth, dict) and all(
            isinstance(auth.get(name), str) and auth[name] for name in ("authKey", "authSecret")
        )
        if not complete:
            raise BadOrder("webhookAuth", "must hold authKey and authSecret")
        if url is None:
            raise BadOrder("webhookAuth", "needs a webhookUrl")
    return url, auth


def _may_be_posted_to(url: str) -> bool:
    """Whether the API would take this URL. Hamsa takes no loopback address; a sandbox has nothing else, over http."""
    try:
        split = urlsplit(url)
        host = split.hostname
        _ = split.port
    except ValueError:
        return False
    if host is None:
        return False
    return _is_public(host) if split.scheme == "https" else split.scheme == "http" and host in LOOPBACK_HOSTS


def _is_public(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return host != "localhost"
