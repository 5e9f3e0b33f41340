"""What goes to Hamsa, as typed data. Strict: a mistake is refused here, by name, before anything is sent.

Field names are ours (`to_number`), the API's camelCase (`toNumber`) is the alias; both are understood.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from hamsa.errors import Refused
from hamsa.urls import is_private, split_safe_url

HAMSA_NUMBERS = ("+18449292835", "+18558961879")
"""Hamsa's own caller ids, as far as they are documented."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def _check_e164(number: str) -> str:
    if not _E164.fullmatch(number):
        raise ValueError(
            "a phone number must be in E.164 form: a plus sign, the country code and the number, all digits, no blanks."
        )
    return number


def _check_webhook_url(url: str) -> str:
    parts = split_safe_url(url, name="webhook_url")
    # Plain http is for this machine, on which a sandbox may run.
    if parts.scheme == "https" and is_private(parts.hostname or ""):
        raise ValueError(
            "webhook_url must be an address that can be reached from the internet: Hamsa sends no events to this "
            "machine or into a private network."
        )
    return url


E164Number = Annotated[str, AfterValidator(_check_e164)]


class _Request(BaseModel):
    # `hide_input_in_errors`: the text of a validation error must show neither phone numbers nor secrets.
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
        hide_input_in_errors=True,
    )


class WebhookAuth(_Request):
    """What Hamsa shows our webhook: `Authorization: <auth_key> <auth_secret>`."""

    auth_key: str = Field(min_length=1, description="First word of the header that Hamsa sends, such as Bearer.")
    auth_secret: SecretStr = Field(min_length=1, description="The secret that follows it.")


class CallRequest(_Request):
    """One call to be placed, checked before anything is sent.

    Either `voice_agent_id` with its `params`, or a whole agent in `agent_details`: never both, never neither. An inline
    agent that wants values for its placeholders carries them in `agent_details["params"]`.

    Raises:
        pydantic.ValidationError: The request contradicts the API. Its text names the field and shows no value.

    Example:
        >>> call = CallRequest(to_number="+12125550123", voice_agent_id="a1", params={"name": "Mona"})
        >>> call.to_wire()[0]
        '/v1/voice-agents/call'
    """

    # What may hold personal data or an agent's own credentials stays out of `repr`, and so out of logs.
    to_number: E164Number = Field(repr=False, description="The number to call, in E.164 form.")
    from_number: E164Number | None = Field(
        default=None, description="The caller id. Needed for numbers of one's own (number_source own or twilio)."
    )
    voice_agent_id: str | None = Field(default=None, min_length=1, description="The voice agent that talks.")
    params: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Values for the agent's {{placeholders}}, with voice_agent_id."
    )
    agent_details: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="A whole agent inline, instead of voice_agent_id and params; for number_source hamsa only.",
    )
    webhook_url: Annotated[str, AfterValidator(_check_webhook_url)] | None = Field(
        default=None, repr=False, description="Where Hamsa sends events: https, or plain http to this machine."
    )
    webhook_auth: WebhookAuth | None = Field(
        default=None, description="How Hamsa identifies itself to the webhook. Needs webhook_url."
    )
    number_source: Literal["hamsa", "own", "twilio"] = Field(
        default="hamsa", description="Whose number calls: one of Hamsa's, one's own at Hamsa, or one's own at Twilio."
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.agent_details is None:
            if self.voice_agent_id is None:
                raise ValueError("a call needs an agent: give voice_agent_id or agent_details.")
        elif self.voice_agent_id is not None:
            raise ValueError("give voice_agent_id or agent_details, not both.")
        elif self.params:
            raise ValueError("params go with voice_agent_id only; put an inline agent's into agent_details['params'].")
        if self.webhook_auth is not None and self.webhook_url is None:
            raise ValueError("webhook_auth needs a webhook_url.")
        if self.number_source != "hamsa" and self.from_number is None:
            raise ValueError(f"number_source {self.number_source!r} needs from_number, the number of yours that calls.")
        if self.number_source != "hamsa" and self.voice_agent_id is None:
            raise ValueError(
                f"number_source {self.number_source!r} needs voice_agent_id: only from its own numbers does Hamsa call "
                "with an agent that is described in the request and has no id."
            )
        if self.number_source == "own" and self.webhook_url is not None:
            raise ValueError(
                "Hamsa takes no webhook_url for number_source 'own': leave it out. Events of such calls go to the "
                "webhook that is set at the agent, if one is."
            )
        return self

    def to_wire(self) -> tuple[str, dict[str, Any]]:
        """Return the path to POST to and the JSON body, with nothing in it that was not given.

        The body holds the webhook's secret in clear and shares `params` and `agent_details` with this request.
        """
        path, from_name = _CALL_ROUTES[self.number_source]
        body: dict[str, Any] = {"toNumber": self.to_number}
        if self.from_number is not None:
            body[from_name] = self.from_number
        if self.agent_details is not None:
            body["agentDetails"] = self.agent_details
        else:
            body["voiceAgentId"] = self.voice_agent_id
            body["params"] = self.params
        if self.webhook_url is not None:
            body["webhookUrl"] = self.webhook_url
        if self.webhook_auth is not None:
            body["webhookAuth"] = {
                "authKey": self.webhook_auth.auth_key,
                "authSecret": self.webhook_auth.auth_secret.get_secret_value(),
            }
        return path, body


# Per number source: the path, and what the caller id is called there.
_CALL_ROUTES = {
    "hamsa": ("/v1/voice-agents/call", "fromNumber"),
    "own": ("/v1/voice-agents/phone-number/call", "phoneNumber"),
    "twilio": ("/v1/voice-agents/twilio/call", "twilioPhoneNumber"),
}


def json_body(body: dict[str, Any]) -> bytes:
    """The JSON of a request.

    Raises:
        Refused: It holds something that JSON has no word for. Nothing was sent.
    """
    try:
        return to_json(body, inf_nan_mode="null")
    except (ValueError, TypeError, RecursionError):
        pass
    raise Refused(f"{_unwritable(body)} cannot be written as JSON, so the call was not sent; give text or numbers.")


def _unwritable(body: dict[str, Any]) -> str:
    """Name what is at fault: `params.photo` rather than the whole request."""
    for part in ("params", "agentDetails"):
        for name, value in (body.get(part) or {}).items():
            try:
                to_json(value)
            except (ValueError, TypeError, RecursionError):
                return f"{part}.{name}"
    return "The call's params or agent details"
