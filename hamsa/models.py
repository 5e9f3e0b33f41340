"""What comes back from Hamsa, as typed data.

Responses are tolerant: nulls, missing and unknown fields and unknown statuses are fine, and a field of the wrong shape
costs that field, not the record. Every response drops its secrets while it is parsed, so that no later code can leak
them. Field names are ours (`total_cost`), the API's camelCase (`totalCost`) is the alias; both are understood.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from hamsa.redaction import decoded, without_secrets


class JobStatus(StrEnum):
    """The statuses Hamsa documents. Records keep unknown ones as they came, so compare strings, not members."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    NO_ANSWER = "NO_ANSWER"
    FAILED = "FAILED"
    FORWARDED = "FORWARDED"
    TERMINATED = "TERMINATED"


# Assumed: the five statuses that sound final are final. Hamsa documents the statuses, but not which of them are.
FINAL_STATUSES: frozenset[str] = frozenset(
    {JobStatus.COMPLETED, JobStatus.NO_ANSWER, JobStatus.FAILED, JobStatus.FORWARDED, JobStatus.TERMINATED}
)


_KNOWN_STATUSES: frozenset[str] = frozenset(JobStatus)


def is_final(status: str | None) -> bool:
    """Whether a call with this status is over. Unknown and missing statuses are not."""
    # Assumed: a status that is not one of the seven known ones is not final.
    return status in FINAL_STATUSES


def _known_status(value: object) -> object:
    """Spell a known status as documented; keep an unknown one as it came."""
    if isinstance(value, str):
        spelled = value.strip().upper().replace("-", "_").replace(" ", "_")
        return spelled if spelled in _KNOWN_STATUSES else value
    return value


def _in_utc(moment: datetime) -> datetime:
    # Nothing happened in other centuries, and at the ends of time one cannot reckon.
    if not 1970 <= moment.year <= 2200:
        raise ValueError("a time in another century")
    # Assumed: a time without a zone is UTC. The API's examples end in Z.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _as_object(value: object) -> object:
    """Read an object that may have arrived as a JSON string; what is no object is kept under `value`."""
    value = decoded(value)
    return value if value is None or isinstance(value, dict) else {"value": value}


Status = Annotated[str, BeforeValidator(_known_status)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
"""Money, or seconds. What is less than nothing, or beyond all reason, is nobody's cost and no length of a call."""
JsonObject = Annotated[dict[str, Any] | None, BeforeValidator(_as_object)]
Identifier = Annotated[str, Field(min_length=1)]


_WITHOUT_SECRETS = object()
"""The context in which a part of a record is read that has none any more."""


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
    def _drop_secrets_and_wrong_shapes(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        kept = dict(data) if info.context is _WITHOUT_SECRETS else without_secrets(dict(data))
        try:
            return handler(kept)
        except ValidationError as error:
            # A record is worth more than one of its fields: a call with an odd `usageTime` is still a call.
            wrong = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
            if any(cls.model_fields[name].is_required() for name in wrong):
                raise
            spellings = {spelling for name in wrong for spelling in cls._spellings(name)}
            return handler({name: value for name, value in kept.items() if name not in spellings})

    @classmethod
    def _spellings(cls, name: str) -> Iterable[str]:
        alias = cls.model_fields[name].validation_alias
        others = alias.choices if isinstance(alias, AliasChoices) else ()
        return {name, to_camel(name), *(other for other in others if isinstance(other, str))}


class CallParams(HamsaRecord):
    """The two ends of a call: the machine's number and the callee's."""

    machine_number: str | None = Field(default=None, description="The number that called.")
    user_number: str | None = Field(default=None, repr=False, description="The number that was called.")


CallEnds = Annotated[CallParams | None, BeforeValidator(decoded)]


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
    total_cost: Amount | None = Field(default=None, description="What the call cost, in the account's currency.")
    usage_time: str | None = Field(default=None, description="How long it lasted, as Hamsa wrote it.")
    media_url: str | None = Field(default=None, description="Where the recording is.")
    preview_url: str | None = Field(default=None, description="Where Hamsa shows the conversation.")
    job_response: JsonObject = Field(
        default=None, repr=False, description="What the agent reported; if it was no object, it is under `value`."
    )
    agent_details: JsonObject = Field(default=None, repr=False, description="The agent as it was at the call.")
    call_params: CallEnds = Field(default=None, description="The two ends of the call, where shown.")
    webhook_url: str | None = Field(default=None, repr=False, description="Where its events went.")
    relevant_job_id: str | None = Field(default=None, description="Another job that this one belongs to.")
    billing_id: str | None = Field(default=None, description="Hamsa's reference for the bill.")
    created_at: Moment | None = Field(default=None, description="When the job was made, in UTC.")
    updated_at: Moment | None = Field(default=None, description="When the job last changed, in UTC.")

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


class CallSummary(HamsaRecord):
    """One row of the call list."""

    id: Identifier = Field(validation_alias=AliasChoices("id", "jobId", "job_id"), description="The job id.")
    created_at: Moment | None = Field(default=None, description="When the call was made, in UTC.")
    status: Status | None = Field(default=None, description="A JobStatus, or whatever else Hamsa said.")
    voice_agent_id: str | None = Field(default=None, description="The voice agent that talked.")
    agent_name: str | None = Field(default=None, description="Its name.")
    duration: Amount | None = Field(default=None, description="How long the call lasted, in seconds.")
    channel_type: str | None = Field(default=None, description="Telephone for phone calls.")
    call_params: CallEnds = Field(default=None, description="The two ends of the call.")


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
        return [row for each in value if (row := _readable_row(each)) is not None]


class Project(HamsaRecord):
    """The project that an API key belongs to."""

    id: Identifier = Field(description="The project's id.")


class WebhookEvent(HamsaRecord):
    """One event as Hamsa posts it to a webhook. It can arrive twice and out of order."""

    event_type: Identifier = Field(description="Such as call.started or call.ended; unknown ones are kept.")
    call_id: str | None = Field(default=None, description="The call it is about, by the job's id.")
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


def _readable_row(row: object) -> CallSummary | None:
    """A row of a page, which has lost its secrets as a whole."""
    try:
        return CallSummary.model_validate(row, context=_WITHOUT_SECRETS)
    except ValidationError:
        return None


def _first_object(*candidates: object) -> dict[str, Any]:
    for candidate in candidates:
        value = decoded(candidate)
        if isinstance(value, dict):
            return value
    return {}


def _outcome_result(container: dict[str, Any] | None) -> dict[str, Any]:
    """Find `outcomeResult` at `data.outcomeResult`, as documented for webhooks, or right here, as jobs may have it."""
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
