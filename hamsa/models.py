"""What goes to Hamsa and what comes back, as typed data.

Requests are strict: a mistake is refused here, by name, before anything is sent. Responses are tolerant: nulls, missing
and unknown fields and unknown statuses are fine, and a field of the wrong shape costs that field, not the record. Every
response drops its secrets while it is parsed, so that no later code can leak them.

Field names are ours (`total_cost`), the API's camelCase (`totalCost`) is the alias; both are understood.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from hamsa.redaction import decoded, without_secrets
from hamsa.urls import split_safe_url


class JobStatus(StrEnum):
    """The statuses Hamsa documents. Records keep unknown ones as they came, so compare strings, not members."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    NO_ANSWER = "NO_ANSWER"
    FAILED = "FAILED"
    FORWARDED = "FORWARDED"
    TERMINATED = "TERMINATED"


# Assumed: Hamsa documents the statuses, but not which of them are final. An unknown status counts as not final.
FINAL_STATUSES: frozenset[str] = frozenset(
    {JobStatus.COMPLETED, JobStatus.NO_ANSWER, JobStatus.FAILED, JobStatus.FORWARDED, JobStatus.TERMINATED}
)


_KNOWN_STATUSES: frozenset[str] = frozenset(JobStatus)


def is_final(status: str | None) -> bool:
    """Tell whether a call with this status is over. Unknown and missing statuses are not."""
    return status in FINAL_STATUSES


# ---------------------------------------------------------------------------------------------------------- requests

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def _check_e164(number: str) -> str:
    if not _E164.fullmatch(number):
        raise ValueError(
            "a phone number must be in E.164 form: a plus sign, the country code and the number, all digits, no blanks."
        )
    return number


def _check_webhook_url(url: str) -> str:
    split_safe_url(url, name="webhook_url")
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
        default=None, repr=False, description="A whole agent inline, instead of voice_agent_id and params."
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
            raise ValueError("webhook_auth needs a webhook_url to go with.")
        if self.number_source != "hamsa" and self.from_number is None:
            raise ValueError(f"number_source {self.number_source!r} needs from_number, the number of yours that calls.")
        if self.number_source == "own" and self.webhook_url is not None:
            raise ValueError("Hamsa takes no webhook_url for number_source 'own'; leave it out.")
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


# --------------------------------------------------------------------------------------------------------- responses


def _known_status(value: object) -> object:
    """Spell a known status as documented; keep an unknown one as it came."""
    if isinstance(value, str):
        spelled = value.strip().upper().replace("-", "_").replace(" ", "_")
        return spelled if spelled in _KNOWN_STATUSES else value
    return value


def _in_utc(moment: datetime) -> datetime:
    # Assumed: a time without a zone is UTC, as the API's examples (ending in Z) are.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _as_object(value: object) -> object:
    """Read an object that may have arrived as a JSON string; what is no object is kept under `value`."""
    value = decoded(value)
    return value if value is None or isinstance(value, dict) else {"value": value}


Status = Annotated[str, BeforeValidator(_known_status)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
JsonObject = Annotated[dict[str, Any] | None, BeforeValidator(_as_object)]
Identifier = Annotated[str, Field(min_length=1)]


class HamsaRecord(BaseModel):
    """What all responses share: secrets dropped, unknown fields kept, wrongly shaped optional fields set to `None`."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Without the fields that we do not know: they could be a phone number or a prompt.
        return ((name, value) for name, value in super().__repr_args__() if name in type(self).model_fields)

    @model_validator(mode="wrap")
    @classmethod
    def _drop_secrets_and_wrong_shapes(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        kept = without_secrets(dict(data))
        try:
            return handler(kept)
        except ValidationError as error:
            # A record is worth more than one of its fields: a call with an odd `usageTime` is still a call.
            wrong = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
            if any(cls.model_fields[name].is_required() for name in wrong):
                raise
            spellings = {spelling for name in wrong for spelling in (name, to_camel(name))}
            return handler({name: value for name, value in kept.items() if name not in spellings})


class CallParams(HamsaRecord):
    """The two ends of a call: the machine's number and the callee's."""

    machine_number: str | None = Field(default=None, description="The number that called.")
    user_number: str | None = Field(default=None, repr=False, description="The number that was called.")


class JobRecord(HamsaRecord):
    """What Hamsa made of one call: its job record, without the secrets that the API puts into it."""

    id: Identifier = Field(
        validation_alias=AliasChoices("id", "jobId", "job_id"), description="The job id, unique for each call."
    )
    status: Status | None = Field(default=None, description="A JobStatus, or whatever else Hamsa said.")
    title: str | None = Field(default=None, description="Title of the job.")
    model: str | None = Field(default=None, description="Model that ran it.")
    type: str | None = Field(default=None, description="Kind of job.")
    processing_type: str | None = Field(default=None, description="How Hamsa processed it.")
    voice_agent_id: str | None = Field(default=None, description="The voice agent that talked.")
    total_cost: float | None = Field(default=None, description="What the call cost, in the account's currency.")
    usage_time: str | None = Field(default=None, description="How long it lasted, as Hamsa wrote it.")
    media_url: str | None = Field(default=None, description="Where the recording is.")
    job_response: JsonObject = Field(
        default=None, repr=False, description="What the agent reported; if it was no object, it is under `value`."
    )
    agent_details: JsonObject = Field(default=None, repr=False, description="The agent as it was at the call.")
    call_params: CallParams | None = Field(default=None, description="The two ends of the call, where told.")
    webhook_url: str | None = Field(default=None, repr=False, description="Where its events went.")
    relevant_job_id: str | None = Field(default=None, description="Another job that this one belongs to.")
    billing_id: str | None = Field(default=None, description="Hamsa's reference for the bill.")
    created_at: Moment | None = Field(default=None, description="When the job was made, in UTC.")
    updated_at: Moment | None = Field(default=None, description="When the job last changed, in UTC.")

    @field_validator("call_params", mode="before")
    @classmethod
    def _decode_call_params(cls, value: object) -> object:
        return decoded(value)

    @property
    def params(self) -> dict[str, Any]:
        """The values the call was created with, from the agent's details or beside them; empty if Hamsa sent none."""
        return _first_object((self.agent_details or {}).get("params"), (self.model_extra or {}).get("params"))

    @property
    def call_key(self) -> str | None:
        """The key our claim sent along with the call, if it is echoed here."""
        return _call_key(self.params)

    @property
    def outcome_result(self) -> dict[str, Any]:
        """What the agent extracted, empty if there is none yet."""
        return _outcome_result(self.job_response)

    def as_json(self) -> dict[str, Any]:
        """Return the record as it is kept: Hamsa's names, JSON's types, unknown fields too, no nulls and no secrets."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Conversation(HamsaRecord):
    """A call seen as a conversation: how long it lasted, what was said, what was made of it."""

    id: Identifier = Field(
        validation_alias=AliasChoices("id", "conversationId", "conversation_id", "jobId", "job_id"),
        description="The conversation's id; assumed to be the job id.",
    )
    status: Status | None = Field(default=None, description="A JobStatus, or whatever else Hamsa said.")
    type: str | None = Field(default=None, description="VOICE_AGENTS for calls.")
    job_response: JsonObject = Field(
        default=None, repr=False, description="What the agent reported; if it was no object, it is under `value`."
    )
    media_url: str | None = Field(default=None, description="Where the recording is.")
    call_params: CallParams | None = Field(default=None, description="The two ends of the call, where told.")
    call_duration: float | None = Field(default=None, description="How long the call lasted, in seconds.")
    channel_type: str | None = Field(default=None, description="TELEPHONE for phone calls.")
    call_analysis: JsonObject = Field(default=None, repr=False, description="Hamsa's analysis of the call.")
    voice_agent_id: str | None = Field(default=None, description="The voice agent that talked.")
    agent_details: JsonObject = Field(default=None, repr=False, description="The agent as it was at the call.")
    total_cost: float | None = Field(default=None, description="What the call cost, in the account's currency.")
    created_at: Moment | None = Field(default=None, description="When the job was made, in UTC.")
    updated_at: Moment | None = Field(default=None, description="When the job last changed, in UTC.")

    @field_validator("call_params", mode="before")
    @classmethod
    def _decode_call_params(cls, value: object) -> object:
        return decoded(value)

    @property
    def outcome_result(self) -> dict[str, Any]:
        """What the agent extracted, empty if there is none yet."""
        return _outcome_result(self.job_response)


class CallSummary(HamsaRecord):
    """One row of the call list."""

    id: Identifier = Field(validation_alias=AliasChoices("id", "jobId", "job_id"), description="The job id.")
    created_at: Moment | None = Field(default=None, description="When the call was made, in UTC.")
    status: Status | None = Field(default=None, description="A JobStatus, or whatever else Hamsa said.")
    voice_agent_id: str | None = Field(default=None, description="The voice agent that talked.")
    agent_name: str | None = Field(default=None, description="Its name.")
    duration: float | None = Field(default=None, description="How long the call lasted, in seconds.")
    channel_type: str | None = Field(default=None, description="Telephone for phone calls.")
    call_params: CallParams | None = Field(default=None, description="The two ends of the call.")

    @field_validator("call_params", mode="before")
    @classmethod
    def _decode_call_params(cls, value: object) -> object:
        return decoded(value)


class CallPage(HamsaRecord):
    """One page of the call list."""

    total: int | None = Field(default=None, description="Calls in all.")
    filtered: int | None = Field(default=None, description="Calls that match the filters, over all pages.")
    calls: list[CallSummary] = Field(description="The rows of this page, in the order Hamsa sent them.")

    @field_validator("calls", mode="before")
    @classmethod
    def _readable_rows(cls, value: object) -> object:
        # A row without an id says nothing about any call; it must not take the other rows with it.
        if not isinstance(value, list):
            return value
        return [row for row in value if isinstance(row, CallSummary) or (isinstance(row, dict) and _has_id(row))]


class Project(HamsaRecord):
    """The project that an API key belongs to."""

    id: Identifier = Field(description="The project's id.")


class VoiceAgentRecord(HamsaRecord):
    """A voice agent as Hamsa keeps it."""

    id: Identifier = Field(
        validation_alias=AliasChoices("id", "voiceAgentId", "voice_agent_id"), description="The voice agent's id."
    )
    name: str | None = Field(
        default=None, validation_alias=AliasChoices("name", "agentName", "agent_name"), description="Its name."
    )
    greeting_message: str | None = Field(default=None, repr=False, description="What it says first.")
    preamble: str | None = Field(default=None, repr=False, description="Its instructions.")

    def placeholders(self) -> frozenset[str]:
        """Return the names between double braces in greeting and preamble: the `params` that the agent expects."""
        return frozenset(
            name.strip() for text in (self.greeting_message, self.preamble) for name in _PLACEHOLDER.findall(text or "")
        )


_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s][^{}]*)\}\}")


class WebhookEvent(HamsaRecord):
    """One event as Hamsa posts it to a webhook. It can arrive twice and out of order."""

    event_type: Identifier = Field(description="Such as call.started or call.ended; unknown ones are kept.")
    call_id: str | None = Field(default=None, description="The call it is about; assumed to be the job id.")
    timestamp: Moment | None = Field(default=None, description="When it happened, in UTC.")
    project_id: str | None = Field(default=None, description="The project of the call.")
    agent_id: str | None = Field(default=None, description="The voice agent that talked.")
    agent_name: str | None = Field(default=None, description="Its name.")
    data: JsonObject = Field(default=None, repr=False, description="The rest, which depends on the event's type.")

    @property
    def outcome_result(self) -> dict[str, Any]:
        """What the agent extracted, and every entry of `params` echoed back; empty if the event has neither."""
        return _outcome_result(self.data)

    @property
    def call_key(self) -> str | None:
        """The key our claim sent along with the call: proof of which attempt the event is about."""
        return _call_key(self.outcome_result)


def _has_id(row: dict[Any, Any]) -> bool:
    return any(row.get(name) not in (None, "") for name in ("id", "jobId", "job_id"))


def _first_object(*candidates: object) -> dict[str, Any]:
    for candidate in candidates:
        value = decoded(candidate)
        if isinstance(value, dict):
            return value
    return {}


def _outcome_result(container: dict[str, Any] | None) -> dict[str, Any]:
    """Find `outcomeResult` at `data.outcomeResult` (documented for webhooks) or, assumed for jobs, right here."""
    container = container or {}
    inner = _first_object(container.get("data"))
    result = _first_object(inner.get("outcomeResult"), container.get("outcomeResult"))
    return {name: decoded(value) for name, value in result.items()}


def _call_key(params: Mapping[str, Any]) -> str | None:
    for name in ("call_key", "callKey"):
        value = params.get(name)
        if isinstance(value, str) and value:
            return value
    return None
