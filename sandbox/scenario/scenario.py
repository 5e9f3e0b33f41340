"""How this Hamsa behaves today: how calls go, what fails and how often, what the API shows.

All of it may change while the sandbox runs.
Every chance is a probability from 0 to 1. The seed, not luck, decides which request or call it strikes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sandbox.calls import DWELLS, TRANSITIONS, Dwell, Phase, Step, check_transitions
from sandbox.scenario.agents import AGENTS, AgentSpec
from sandbox.scenario.faults import FAULTS, NO_FAULT
from sandbox.scenario.lies import Lies

Chance = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Script = list[str]

PLACING_CHANCES = (
    "refused",
    "no_credit",
    "rate_limited",
    "error_before",
    "html_502",
    "lost_request",
    "slow",
    "late_ring",
    "lost_answer",
    "error_after",
    "html_504",
    "unreadable",
    "no_id",
)
"""Kinds of fault whose chance is a field of the scenario by the same name; in the order in which they are drawn."""


class ScenarioProblem(ValueError):
    """A scenario cannot be used. The text says in one sentence which field, and what would do."""


class Scenario(BaseModel):
    """The sandbox's behaviour. Every field may be set at the start, or changed by `PATCH /_sandbox/scenario`."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, validate_default=False)

    # How calls go.
    speed: float = Field(
        default=1.0, gt=0, le=1_000_000, description="How many times as fast calls live. The clock is not touched."
    )
    magic_numbers: bool = Field(default=True, description="Whether magic numbers do what they always do.")
    transitions: dict[Phase, tuple[Step, ...]] = Field(
        default_factory=lambda: dict(TRANSITIONS), description="Where each phase of a call may lead, and how often."
    )
    dwells: dict[str, Dwell] = Field(
        default_factory=lambda: dict(DWELLS), description="How long calls stay, by name; those not given keep theirs."
    )
    never_ends: Chance = Field(default=0.0, description="Share of answered calls that never end.")
    promises: Chance = Field(default=0.5, description="Share of conversations in which the callee promises to pay.")
    opt_outs: Chance = Field(default=0.04, description="Share of conversations that end in `do not call me again`.")
    cost_per_minute: float = Field(default=0.08, ge=0, le=1000, description="Price of each begun minute of talk.")
    lines: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Calls that may be in progress at once; more are refused with 429.",
    )

    # What the API knows and shows.
    agents: dict[str, AgentSpec] = Field(
        default_factory=lambda: dict(AGENTS), description="Voice agents by id; those not given stay."
    )
    agent_versions: Literal["both", "v1", "v2"] = Field(
        default="both", description="Which versions of the agents' API there are; the others give 404."
    )
    knows_project: bool = Field(default=True, description="Whether it says to which project a key belongs, or 404.")
    any_agent: bool = Field(default=True, description="Whether unknown agent ids are taken, as agents that say little.")
    echo_params: bool = Field(default=True, description="Whether job records show `params` in `agentDetails`.")
    json_strings: bool = Field(default=False, description="Whether objects inside results come as JSON strings.")
    created_status: Literal[200, 201] = Field(default=200, description="Status of the answer to a placed call.")
    job_statuses: Literal["seven", "three"] = Field(
        default="seven",
        description="Statuses of job records: those of the list, or PENDING, COMPLETED and FAILED alone, as documented "
        "for records.",
    )
    list_lag_seconds: Seconds = Field(default=0.0, description="The call list shows the world as it was so long ago.")
    list_order: Literal["newest", "oldest", "random"] = Field(
        default="newest", description="Order of the list's rows: newest, oldest (first) or random."
    )
    list_numbers: Literal["e164", "without_plus", "double_zero", "national", "international", "mixed"] = Field(
        default="e164",
        description="How numbers are written: e164, without_plus, double_zero, national, international or mixed.",
    )
    clock_skew_seconds: float = Field(
        default=0.0, ge=-86_400, le=86_400, description="How far the server's clock is ahead of everybody else's."
    )

    lies: Lies = Field(default_factory=Lies, description="What list and records show otherwise than documented.")

    # What fails when a call is placed.
    refused: Chance = Field(default=0.0, description="400, no ring.")
    no_credit: Chance = Field(default=0.0, description="402, no ring.")
    rate_limited: Chance = Field(default=0.0, description="429 with Retry-After, no ring.")
    error_before: Chance = Field(default=0.0, description="500 before placing, no ring.")
    html_502: Chance = Field(default=0.0, description="502 with an HTML body, no ring.")
    lost_request: Chance = Field(default=0.0, description="The connection closes before placing, no ring.")
    slow: Chance = Field(default=0.0, description="Placed at once, answered after `slow_seconds`.")
    late_ring: Chance = Field(default=0.0, description="Placed and answered only after `slow_seconds`.")
    lost_answer: Chance = Field(default=0.0, description="Placed, then the connection closes without an answer.")
    error_after: Chance = Field(default=0.0, description="500 after placing.")
    html_504: Chance = Field(default=0.0, description="504 with an HTML body after placing.")
    unreadable: Chance = Field(default=0.0, description="Placed, answered with a body that is cut off.")
    no_id: Chance = Field(default=0.0, description="Placed, answered with a success that names no job.")
    slow_seconds: Seconds = Field(default=30.0, description="How slow slow is, on the sandbox's clock.")
    retry_after_seconds: int | None = Field(
        default=1, ge=0, le=86_400, description="Retry-After of a 429, in seconds; none leaves the header out."
    )
    key_rotated: bool = Field(default=False, description="Every request is refused with 401 from now on.")

    # What fails when Hamsa is asked.
    reads_fail: Chance = Field(default=0.0, description="Share of GET requests answered with an HTML 502.")
    reads_rate_limited: Chance = Field(default=0.0, description="Share of GET requests answered with 429.")
    reads_lost: Chance = Field(default=0.0, description="Share of GET requests that get no answer.")
    reads_slow: Chance = Field(default=0.0, description="Share of GET requests answered after `slow_seconds`.")

    # What happens to webhooks.
    webhook_lost: Chance = Field(default=0.0, description="Share of events that are never sent.")
    webhook_doubled: Chance = Field(default=0.0, description="Share of events that are sent twice.")
    webhook_late: Chance = Field(default=0.0, description="Share of events that come `webhook_late_seconds` later.")
    webhook_late_seconds: Seconds = Field(default=60.0, description="How late late events are, on the sandbox's clock.")
    webhook_disorder: Chance = Field(default=0.0, description="Share of events that come after the one that follows.")
    webhook_details: bool = Field(
        default=True, description="Whether `call.ended` has status, duration and cost beside the outcome."
    )
    webhook_params: bool = Field(
        default=True,
        description="Whether `call.started` tells the call's params, and `call.answered` how long it rang.",
    )
    webhook_transcripts: bool = Field(
        default=False, description="Whether `transcription.update` and `tool.executed` events are sent too."
    )
    webhook_retries: int = Field(default=2, ge=0, le=10, description="How often an event that was not taken is resent.")

    # What happens next, whatever the chances say.
    script: Script = Field(
        default_factory=list, description="Faults of the next requests to place a call, one each; `ok` is none."
    )
    script_by_number: dict[str, Script] = Field(
        default_factory=dict, description="The same for the next requests for a number (E.164); goes first."
    )
    script_reads: Script = Field(default_factory=list, description="The same for the next GET requests.")

    @field_validator("dwells", mode="before")
    @classmethod
    def _keep_other_dwells(cls, value: object) -> object:
        return {**DWELLS, **value} if isinstance(value, Mapping) else value

    @field_validator("transitions", mode="before")
    @classmethod
    def _keep_other_transitions(cls, value: object) -> object:
        return {**TRANSITIONS, **value} if isinstance(value, Mapping) else value

    @field_validator("agents", mode="before")
    @classmethod
    def _keep_other_agents(cls, value: object) -> object:
        return {**AGENTS, **value} if isinstance(value, Mapping) else value

    @field_validator("script", "script_reads")
    @classmethod
    def _know_the_script(cls, value: Script) -> Script:
        check_script(value)
        return value

    @field_validator("script_by_number")
    @classmethod
    def _know_the_scripts(cls, value: dict[str, Script]) -> dict[str, Script]:
        for script in value.values():
            check_script(script)
        return value

    @model_validator(mode="after")
    def _hang_together(self) -> Self:
        check_transitions(self.transitions, self.dwells)
        for what, chances in (("placing", self.placing_chances()), ("reading", self.reading_chances())):
            if sum(chances.values()) > 1 + 1e-9:
                raise ValueError(f"the chances of faults in {what} ({', '.join(chances)}) add up to more than 1.")
        if self.promises + self.opt_outs > 1 + 1e-9:
            raise ValueError("promises and opt_outs add up to more than 1.")
        return self

    def placing_chances(self) -> dict[str, float]:
        """Kind of fault to its chance, for requests that place a call; without those that never happen."""
        return {kind: chance for kind in PLACING_CHANCES if (chance := getattr(self, kind))}

    def reading_chances(self) -> dict[str, float]:
        """Kind of fault to its chance, for GET requests; without those that never happen."""
        chances = {
            "html_502": self.reads_fail,
            "rate_limited": self.reads_rate_limited,
            "lost_answer": self.reads_lost,
            "slow": self.reads_slow,
        }
        return {kind: chance for kind, chance in chances.items() if chance}

    def changed(self, changes: Mapping[str, Any]) -> "Scenario":
        """Return this scenario with some fields changed; of a dictionary, the given entries.

        Raises:
            ScenarioProblem: A field is unknown or its value will not do.
        """
        return read_scenario(_merged(self.model_dump(), changes))


def check_script(script: Script) -> None:
    """Raise ValueError, naming it, if a script holds a kind of fault that does not exist."""
    for kind in script:
        if kind not in FAULTS and kind != NO_FAULT:
            raise ValueError(f"there is no fault named {kind!r}; there are {NO_FAULT}, {', '.join(FAULTS)}.")


def read_scenario(fields: Mapping[str, Any]) -> Scenario:
    """Make a scenario of plain data.

    Raises:
        ScenarioProblem: A field is unknown or its value will not do.
    """
    try:
        return Scenario.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "scenario"
        said = str(first["msg"]).removeprefix("Value error, ")
        raise ScenarioProblem(f"{where}: {said}") from None


# The ways that nobody takes stay in the table for the magic numbers.
_EVERYONE_ANSWERS: dict[Phase, tuple[Step, ...]] = {
    Phase.RINGING: (
        Step(to=Phase.TALKING, weight=1, dwell="pick_up"),
        Step(to=Phase.NO_ANSWER, weight=0, dwell="ring_out"),
        Step(to=Phase.FAILED, weight=0, dwell="fail"),
    ),
    Phase.TALKING: (
        Step(to=Phase.COMPLETED, weight=1, dwell="talk"),
        Step(to=Phase.FORWARDED, weight=0, dwell="talk"),
        Step(to=Phase.TERMINATED, weight=0, dwell="talk"),
    ),
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "everyone_answers": {"transitions": _EVERYONE_ANSWERS},
    "instant": {
        "transitions": _EVERYONE_ANSWERS,
        "dwells": {name: Dwell(mean_seconds=0) for name in DWELLS},
    },
    "hostile": {
        "lost_answer": 0.05,
        "error_after": 0.05,
        "error_before": 0.05,
        "rate_limited": 0.10,
        "list_lag_seconds": 3.0,
        "list_order": "random",
        "list_numbers": "mixed",
        "clock_skew_seconds": 40.0,
        "reads_fail": 0.05,
        "reads_rate_limited": 0.05,
        "json_strings": True,
        "webhook_lost": 0.1,
        "webhook_doubled": 0.1,
        "webhook_late": 0.1,
        "webhook_late_seconds": 5.0,
        "webhook_disorder": 0.1,
    },
}
"""Scenarios by name, as what they change of the plain one."""


def preset(name: str, **changes: Any) -> Scenario:
    """Return the scenario named `name` (one of `PRESETS`) with some fields changed.

    Raises:
        ScenarioProblem: There is no such preset, or a field will not do.

    Example:
        >>> preset("instant", lines=50).lines
        50
    """
    if name not in PRESETS:
        raise ScenarioProblem(f"there is no scenario named {name!r}; there are {', '.join(PRESETS)}.")
    return read_scenario(_merged(PRESETS[name], changes))


def load_scenario(name_or_path: str) -> Scenario:
    """Return the preset of that name, or the scenario in the JSON file of that path.

    Raises:
        ScenarioProblem: Neither exists, or what the file says will not do.
    """
    if name_or_path in PRESETS:
        return preset(name_or_path)
    path = Path(name_or_path)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioProblem(
            f"{name_or_path}: cannot be read ({error.strerror}); give a JSON file or one of {', '.join(PRESETS)}."
        ) from None
    except ValueError as error:
        raise ScenarioProblem(f"{name_or_path}: is not JSON in UTF-8 ({error}).") from None
    if not isinstance(fields, dict):
        raise ScenarioProblem(f"{name_or_path}: must hold a JSON object of scenario fields.")
    try:
        return read_scenario(fields)
    except ScenarioProblem as error:
        raise ScenarioProblem(f"{name_or_path}: {error}") from None


def _merged(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(fields)
    for name, value in changes.items():
        before = merged.get(name)
        merged[name] = {**before, **value} if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged
