"""How a run dials, follows and settles its calls: one set of settings, from the policy to whoever needs one of them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from campaign.form_inputs import SingleInput


class DialFields(BaseModel):
    """What a person may decide about dialing: how many calls at once, when to stop, how calls are followed."""

    lines: int = Field(default=5, ge=1, le=2000, title="Lines", description="Most calls in progress at the same time.")
    calls_per_minute: Annotated[Annotated[float, Field(ge=0.1, le=6000)] | None, SingleInput()] = Field(
        default=None,
        title="Calls per minute",
        description="Most calls started in a minute; empty means as fast as the lines allow.",
    )
    concurrency_limit: Annotated[Annotated[str, Field(max_length=200)] | None, SingleInput()] = Field(
        default=None,
        title="Prefect concurrency limit",
        description="Name of a Prefect global concurrency limit by which flows and machines share one account's lines.",
    )
    calls_per_task: int = Field(
        default=50,
        ge=1,
        le=1000,
        title="Calls per task run",
        description="How many calls one Prefect task run makes; 1 shows every call as a task run of its own.",
    )

    # -- when to stop --------------------------------------------------------------------------------------------
    approve_above: Annotated[Annotated[int, Field(ge=0, le=10_000_000)] | None, SingleInput()] = Field(
        default=None,
        title="Require approval above (calls)",
        description="A run that would call more people than this waits for somebody's approval; empty means never.",
    )
    max_calls: Annotated[Annotated[int, Field(ge=1, le=10_000_000)] | None, SingleInput()] = Field(
        default=None,
        title="Calls per run",
        description="A run stops after so many calls and leaves the rest for the next one; runs of one campaign at the "
        "same time share them.",
    )
    max_cost: Annotated[Annotated[float, Field(gt=0, le=1e9)] | None, SingleInput()] = Field(
        default=None,
        title="Cost per campaign",
        description="A run stops before its campaign costs more, over all its runs, in the currency of Hamsa's "
        "`totalCost`; while no price is known, one call goes first.",
    )
    assumed_call_cost: Annotated[Annotated[float, Field(gt=0, le=1e9)] | None, SingleInput()] = Field(
        default=None,
        title="Assumed cost of a call",
        description="What a call is taken to cost, for `max_cost`, if Hamsa gives no prices; empty means that such a "
        "run stops and says so.",
    )
    canary: int = Field(
        default=0,
        ge=0,
        le=10_000,
        title="Canary calls",
        description="So many calls are made first, alone; the others only if enough of them succeeded. 0 is none.",
    )
    canary_max_failed_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        title="Share of canary calls that may fail",
        description="The run stops when more than this share of the canary calls failed, were refused, are uncertain "
        "or have no end, from 0 to 1.",
    )
    stop_after_same_refusals: int = Field(
        default=30,
        ge=1,
        le=10_000,
        title="Stop after equal refusals",
        description="The run stops when Hamsa refused so many calls in a row for one and the same reason.",
    )
    stop_after_uncertain: int = Field(
        default=5,
        ge=1,
        le=10_000,
        title="Stop after uncertain calls",
        description="The run stops when of so many calls in a row nobody knows whether the phone rang, or when Hamsa "
        "refused so many because there is no credit.",
    )

    stop_when_agent_changes: bool = Field(
        default=False,
        title="Stop when the agent is changed",
        description="Whether a run stops when the voice agent was changed at Hamsa since the campaign began; run it "
        "again to continue with the agent as it is then. Off, the run only says so.",
    )

    # -- how calls are followed ----------------------------------------------------------------------------------
    give_up_after_seconds: int = Field(
        default=3600,
        ge=60,
        le=86_400,
        title="Give up on a call after (seconds)",
        description="A call that has not ended by then frees its line and is left to be settled later.",
    )
    poll_min_seconds: float = Field(
        default=1.0,
        ge=0.1,
        le=300,
        title="Shortest time between looks (seconds)",
        description="How soon Hamsa may be asked again how the calls in progress are going.",
    )
    poll_max_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=300,
        title="Longest time between looks (seconds)",
        description="How late Hamsa may be asked again how the calls in progress are going.",
    )
    settle_grace_seconds: int = Field(
        default=900,
        ge=0,
        le=86_400,
        title="Grace before a call counts as absent (seconds)",
        description="How long after an uncertain attempt its absence from Hamsa's list of calls is not yet believed.",
    )

    @field_validator("concurrency_limit", mode="before")
    @classmethod
    def _no_empty_limit(cls, value: object) -> object:
        # A form sends a text field that was cleared as an empty text.
        return None if isinstance(value, str) and not value.strip() else value

    @model_validator(mode="after")
    def _looks_in_order(self) -> Self:
        if self.poll_min_seconds > self.poll_max_seconds:
            raise ValueError(
                f"`poll_min_seconds` ({self.poll_min_seconds:g}) is more than `poll_max_seconds` "
                f"({self.poll_max_seconds:g}); make it smaller"
            )
        return self

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.max_calls is not None and self.canary > self.max_calls:
            raise ValueError(
                f"`canary` ({self.canary}) is more than `max_calls` ({self.max_calls}), so no run would get past its "
                "canary; make it smaller"
            )
        if self.max_cost is not None and (self.assumed_call_cost or 0) > self.max_cost:
            raise ValueError(
                f"`assumed_call_cost` ({self.assumed_call_cost:g}) is more than `max_cost` ({self.max_cost:g}), so "
                "nobody could be called; make it smaller"
            )
        return self


class DialSettings(DialFields):
    """What a policy says of dialing, and what no person needs to decide.

    Attributes:
        longest_refusal_seconds: How long 429s may go on without one accepted call.
        unseen_after_seconds: A call that the list does not show is asked for alone after this long, then ever more
            rarely.
        hold_uncertain_seconds: How long an uncertain attempt keeps its line while it is looked for.
        ledger_interval_seconds: How often the ledger is asked for the ends that webhooks reported: that costs Hamsa
            nothing.
        webhook_interval_seconds: How often the list is read all the same where webhooks report the ends.
        clock_skew_seconds: How far Hamsa's clock may be from ours, or from what its answers showed of it.
        settle_looks: How many complete looks without a trace, each checked by controls, prove absence.
        settle_look_every_seconds: Looks closer together than this count as one.
        settle_records: How many job records one look reads at most, beside those of controls. What was not read
            cannot be ruled out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest_refusal_seconds: float = 900.0
    unseen_after_seconds: float = 30.0
    hold_uncertain_seconds: float = 60.0
    ledger_interval_seconds: float = 0.5
    webhook_interval_seconds: float = 60.0
    clock_skew_seconds: float = 300.0
    settle_looks: int = 3
    settle_look_every_seconds: float = 60.0
    settle_records: int = 1000

    @classmethod
    def of(cls, policy: DialFields) -> Self:
        """How a policy says to dial."""
        return cls(**{name: getattr(policy, name) for name in DialFields.model_fields})
