"""The voice agent as the campaign sees it: what goes into every call besides the recipient."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hamsa import CallRequest, WebhookAuth
from hamsa.placeholders import BUILT_IN_NAMES

CALL_KEY = "call_key"
"""The param that carries an attempt's key to Hamsa and back: proof of which call is whose."""


def reserved_names(params: Iterable[str]) -> list[str]:
    """A warning for each param whose name Hamsa fills itself."""
    # Assumed: a param of a name that Hamsa fills itself overrides nothing. It is not documented which of them is said.
    return [
        f"The param {name} has a name that Hamsa fills itself, and may be overridden: rename it."
        for name in sorted(BUILT_IN_NAMES.intersection(params))
    ]


@dataclass(frozen=True, slots=True)
class CallingAgent:
    """Who talks, from which number, and where Hamsa sends its events. Either `voice_agent_id` or `agent_details`."""

    voice_agent_id: str | None = None
    # May hold the keys of its language model and tools.
    agent_details: Mapping[str, Any] | None = field(default=None, repr=False)
    from_number: str | None = None
    number_source: Literal["hamsa", "own", "twilio"] = "hamsa"
    webhook_url: str | None = None
    webhook_auth: WebhookAuth | None = field(default=None, repr=False)

    def request(self, phone: str, params: Mapping[str, Any], call_key: str) -> CallRequest:
        """The call to make.

        Args:
            phone: E.164.
            params: Values for the agent's placeholders.
            call_key: The claim's key, sent along so that Hamsa's records prove which attempt they belong to.

        Raises:
            pydantic.ValidationError: The parts do not make a valid request.
        """
        keyed = {**params, CALL_KEY: call_key}
        common: dict[str, Any] = {
            "to_number": phone,
            "from_number": self.from_number,
            "number_source": self.number_source,
            "webhook_url": self.webhook_url,
            "webhook_auth": self.webhook_auth,
        }
        if self.agent_details is None:
            return CallRequest(voice_agent_id=self.voice_agent_id, params=keyed, **common)
        # Assumed: an inline agent takes `params` within `agentDetails`. There job records show them; top-level `params`
        # are documented for `voiceAgentId` only. If Hamsa drops them, settling goes by number and time.
        inline = {**self.agent_details, "params": {**self.agent_details.get("params", {}), **keyed}}
        return CallRequest(agent_details=inline, **common)
