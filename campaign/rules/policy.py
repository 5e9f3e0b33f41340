"""The calling policy: what a person may decide about a campaign, with bounds, words for a form, and safe defaults.

Promises that a policy which was accepted can be kept, that a wrong value gives one sentence, and that a field left
alone means what the preset says. Guardrails you configure; your counsel decides.
"""

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from campaign.attempts import AttemptState
from campaign.errors import CampaignError
from campaign.form_inputs import SingleInput
from campaign.rules.beyond_preset import Asked, beyond_preset
from campaign.rules.calling_windows import NUMBER_OF_DAY, CallingWindow, WindowsOnDates, WorkingDays, country_code
from campaign.rules.consent import ConsentRule, plain_basis
from campaign.rules.decision import Cap, DialableKind, Rules
from campaign.rules.places import OverlayName, PlaceRules, QuietTime, overlay, with_places
from campaign.rules.presets import PRESETS, WORKING_DAYS, CountryPreset, PresetName
from campaign.rules.windows import DatedWindows, Hours
from campaign.time_zones import is_time_zone

WEEK = timedelta(days=7)
DEFAULT_OPT_OUT_FIELDS = ("wants_no_more_calls",)
"""What a policy that nobody touched takes for a refusal."""

DEFAULT_CONSENT_BASES = (
    *("yes", "true", "y", "1", "x", "given", "granted", "signed", "written", "express", "express written"),
    *("opt-in", "opted in", "double opt-in", "verbal", "web form"),
)

_T = TypeVar("_T")

Gap = Annotated[Annotated[int, Field(ge=0, le=43_200)] | None, SingleInput()]
CallsToNumber = Annotated[Annotated[int, Field(ge=1, le=1000)] | None, SingleInput()]


class PolicyError(CampaignError):
    """The policy asks for something that cannot be done here. `str()` says what, and what to do."""


class Policy(BaseModel):
    """How a campaign may call: when, how often, whom, how many at once, and when to stop.

    A field that is left empty means what the preset says. `resolved()` decides all of it.

    Example:
        >>> Policy(preset="sa", lines=20, max_attempts=2).resolved().max_attempts
        2
    """

    preset: PresetName = Field(
        default="strict",
        title="Preset",
        description="Where the rules start from: a cautious default, a country, or `unrestricted` for sandboxes only.",
    )
    beyond_preset: bool = Field(
        default=False,
        title="Beyond the preset's findings",
        description="Whether this policy may allow more than the rules that its preset found: wider hours, more calls, "
        "less silence. Without it such a policy is refused.",
    )

    # -- when ----------------------------------------------------------------------------------------------------
    windows: list[CallingWindow] = Field(
        default=[],
        max_length=50,
        title="Calling windows",
        description="When a phone may ring, in the callee's local time, as in "
        '`[{"days": ["monday"], "start": "09:00", "end": "18:00"}]`; empty means what the preset says.',
    )
    windows_on_dates: list[WindowsOnDates] = Field(
        default=[],
        max_length=200,
        title="Windows on certain dates",
        description="Other windows for ranges of dates, such as Ramadan; the last entry that covers a date counts.",
    )
    working_days: list[WorkingDays] = Field(
        default=[],
        max_length=250,
        title="Working days by country",
        description="Working days where they differ from the preset's: Sunday to Thursday in SA, EG and JO, Monday to "
        "Friday elsewhere.",
    )
    quiet_times: list[QuietTime] = Field(
        default=[],
        max_length=50,
        title="Quiet times",
        description="Times within the day at which nobody is called, in the callee's local time, as in "
        '`[{"start": "12:00", "end": "14:00"}]`.',
    )
    closed_dates: list[date] = Field(
        default=[],
        max_length=2000,
        title="Closed dates",
        description="Local dates on which nobody is called.",
    )
    holidays: Literal["as_preset", "closed", "open"] = Field(
        default="as_preset",
        title="Public holidays",
        description="Whether nobody is called on public holidays of the number's country, those of a part of it "
        "included where a row names the part.",
    )
    holiday_countries: list[str] = Field(
        default=[],
        max_length=50,
        title="Holidays of these countries",
        description="Country codes (`FR`, or `US-CA` for a part) whose public holidays are closed for everybody.",
        examples=[["AE"]],
    )

    campaign_time_zone: Annotated[Annotated[str, Field(max_length=64)] | None, SingleInput()] = Field(
        default=None,
        title="Time zone of the campaign's day",
        description="Where the day begins that names a campaign without a name, such as Asia/Riyadh; empty means "
        "that of the deployment's schedule, else the preset's country, else UTC.",
        examples=["Asia/Riyadh"],
    )

    # -- where ---------------------------------------------------------------------------------------------------
    presets_by_country: list[CountryPreset] = Field(
        default=[],
        max_length=20,
        title="Presets by country",
        description='Presets for the numbers of their own countries, as in `["us", "fr"]`; for all other numbers '
        "`preset` holds. What this policy says itself holds in each.",
        examples=[["us", "fr"]],
    )
    overlays: list[OverlayName] = Field(
        default=[],
        max_length=5,
        title="Overlays",
        description="Rules of parts of a country that were found and are not complete: `us_states`. Somebody whose "
        "part is not known (`columns.subdivision`) is called only as all of them allow.",
    )
    by_place: list[PlaceRules] = Field(
        default=[],
        max_length=500,
        title="Rules by place",
        description="Rules of your own for a country or a part of one (`DE`, `US-TX`): closed dates, hours, calls. "
        "They narrow the others and never widen them.",
    )

    # -- how often -----------------------------------------------------------------------------------------------
    max_attempts: int = Field(
        default=1,
        ge=1,
        le=20,
        title="Attempts per recipient",
        description="How often one recipient may be tried within a campaign, over all its runs.",
    )
    minutes_after_no_answer: Gap = Field(
        default=None,
        title="Minutes after no answer",
        description="How long to wait before the next attempt when nobody answered; empty means 240, or none with "
        "`unrestricted`.",
    )
    minutes_after_failed: Gap = Field(
        default=None,
        title="Minutes after a failed call",
        description="How long to wait before the next attempt when the line was busy or the call failed; empty "
        "means 60, or none with `unrestricted`.",
    )
    minutes_after_terminated: Gap = Field(
        default=None,
        title="Minutes after a call that broke off",
        description="How long to wait before the next attempt when the call was ended before it was finished; empty "
        "means 1440, or none with `unrestricted`.",
    )
    per_24_hours: CallsToNumber = Field(
        default=None,
        title="Calls to a number in 24 hours",
        description="Most calls to one number in any 24 hours, over all campaigns; 1000 is as good as no limit.",
    )
    per_7_days: CallsToNumber = Field(
        default=None,
        title="Calls to a number in 7 days",
        description="Most calls to one number in any 7 days, over all campaigns; 1000 is as good as no limit.",
    )
    per_30_days: CallsToNumber = Field(
        default=None,
        title="Calls to a number in 30 days",
        description="Most calls to one number in any 30 days, over all campaigns; 1000 is as good as no limit.",
    )
    silence_days_after_conversation: Annotated[Annotated[int, Field(ge=0, le=365)] | None, SingleInput()] = Field(
        default=None,
        title="Days of silence after a conversation",
        description="How long a number is left alone after somebody talked to an agent, in any campaign.",
    )
    redial_uncertain: bool = Field(
        default=False,
        title="Redial the uncertain",
        description="Whether somebody may be tried again although nobody knows if the phone rang; a person may then "
        "be called twice, and the uncertain attempt counts as one of the attempts per recipient.",
    )

    # -- whom ----------------------------------------------------------------------------------------------------
    opt_out_fields: list[str] = Field(
        default=list(DEFAULT_OPT_OUT_FIELDS),
        max_length=50,
        title="Fields that mean no more calls",
        description="Outcome fields in which the agent notes a refusal; such a number is never called again, by any "
        "campaign.",
    )
    require_consent: bool = Field(
        default=False,
        title="Consent is required",
        description="Whether nobody is called of whose consent the rows say nothing; a run whose source names no "
        "column of it (`columns.consent`, `columns.consent_at`) then fails before anybody is called.",
    )
    consent_bases: list[str] = Field(
        default=list(DEFAULT_CONSENT_BASES),
        max_length=100,
        title="Consent that counts",
        description="What a row's column of consent may hold, in any case, so that the person is called; anything else "
        "is no consent.",
    )
    consent_max_days: Annotated[Annotated[int, Field(ge=0, le=36_500)] | None, SingleInput()] = Field(
        default=None,
        title="Days for which consent counts",
        description="How old a person's consent may be; it then has to have a date. Empty means any age.",
    )
    line_kinds: list[DialableKind] = Field(
        default=["mobile", "fixed_line", "fixed_line_or_mobile"],
        min_length=1,
        title="Kinds of line",
        description="Kinds of number that may be called; premium-rate numbers never are.",
    )

    connectors: list[str] = Field(
        default=[],
        max_length=100,
        title="Connectors",
        description="Names of the connector blocks that a run may read rows from; empty means any.",
        examples=[["warehouse"]],
    )

    # -- how many at once ----------------------------------------------------------------------------------------
    lines: int = Field(default=5, ge=1, le=1000, title="Lines", description="Most calls in progress at the same time.")
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
        description="What a call is taken to cost, for `max_cost`, if Hamsa tells no prices; empty means that such a "
        "run stops and says so.",
    )
    canary: int = Field(
        default=0,
        ge=0,
        le=10_000,
        title="Canary calls",
        description="So many calls are made first, alone; the others only if enough of them ended well. 0 is none.",
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
        "again to go on with the agent as it is then. Off, the run only says so.",
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
        description="How soon Hamsa may be asked again what became of the calls in progress.",
    )
    poll_max_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=300,
        title="Longest time between looks (seconds)",
        description="How late Hamsa may be asked again what became of the calls in progress.",
    )
    settle_grace_seconds: int = Field(
        default=900,
        ge=0,
        le=86_400,
        title="Grace before a call counts as absent (seconds)",
        description="How long after an uncertain attempt its absence from Hamsa's list of calls is not yet believed.",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        for name in values:
            # Prefect keeps a block's own data beside its fields, under these names.
            if name in cls.model_fields or str(name).startswith("_") or name == "block_type_slug":
                continue
            close = get_close_matches(str(name), cls.model_fields, n=1)
            hint = f"perhaps `{close[0]}` is meant" if close else f"it has {', '.join(cls.model_fields)}"
            raise ValueError(f"A calling policy has no field `{name}`; {hint}")
        # A form sends null for what was left empty, lists and numbers alike.
        return {name: value for name, value in values.items() if value is not None}

    @field_validator("holidays", mode="before")
    @classmethod
    def _holidays_by_truth(cls, value: object) -> object:
        if isinstance(value, bool):
            return "closed" if value else "open"
        return value

    @field_validator("campaign_time_zone")
    @classmethod
    def _a_time_zone(cls, value: str | None) -> str | None:
        if value is not None and not is_time_zone(value):
            raise ValueError(f"is {value!r}, which is no time zone; write a name such as 'Asia/Riyadh'")
        return value

    @field_validator("concurrency_limit", "campaign_time_zone", mode="before")
    @classmethod
    def _no_empty_name(cls, value: object) -> object:
        # A form sends a text field that was cleared as an empty text.
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("holiday_countries")
    @classmethod
    def _countries(cls, value: list[str]) -> list[str]:
        return [country_code(place) for place in value]

    @field_validator("opt_out_fields")
    @classmethod
    def _field_names(cls, value: list[str]) -> list[str]:
        names = [name.strip() for name in value]
        if not all(names):
            raise ValueError("has an empty name; give the outcome field's name or remove the entry")
        return names

    @model_validator(mode="after")
    def _looks_in_order(self) -> "Policy":
        if self.poll_min_seconds > self.poll_max_seconds:
            raise ValueError(
                f"`poll_min_seconds` ({self.poll_min_seconds:g}) is more than `poll_max_seconds` "
                f"({self.poll_max_seconds:g}); make it smaller"
            )
        return self

    @model_validator(mode="after")
    def _limits_in_order(self) -> "Policy":
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

    @field_validator("working_days")
    @classmethod
    def _each_country_once(cls, value: list[WorkingDays]) -> list[WorkingDays]:
        countries = [own.country for own in value]
        if twice := sorted({country for country in countries if countries.count(country) > 1}):
            raise ValueError(f"names {twice[0]} twice; put its days into one entry")
        return value

    @field_validator("by_place")
    @classmethod
    def _each_place_once(cls, value: list[PlaceRules]) -> list[PlaceRules]:
        places = [own.place for own in value]
        if twice := sorted({place for place in places if places.count(place) > 1}):
            raise ValueError(f"names {twice[0]} twice; put its rules into one entry")
        return value

    @field_validator("presets_by_country", "overlays")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if twice := sorted({name for name in value if value.count(name) > 1}):
            raise ValueError(f"names {twice[0]!r} twice; remove one")
        return value

    @field_validator("consent_bases", mode="before")
    @classmethod
    def _plain_bases(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        texts = [str(each).lower() if isinstance(each, bool | int) else each for each in value]
        if any(isinstance(text, str) and not text.strip() for text in texts):
            raise ValueError("has an empty entry; an empty cell is never consent, so remove the entry")
        return texts

    @model_validator(mode="after")
    def _consent_can_be_given(self) -> "Policy":
        if not self.consent_bases and (self.require_consent or self.consent_max_days is not None):
            raise ValueError(
                "`consent_bases` is empty, so no consent would count and nobody could be called; name some"
            )
        return self

    @model_validator(mode="after")
    def _leaves_time(self) -> "Policy":
        """Make sure that what narrows the hours leaves some, in each place."""
        rules = self._rules(holidays_known=False)
        for each in (rules, *rules.by_place.values()):
            if not each.hours.opens_in_a_week:
                where = f" in {each.place}" if each.place else ""
                raise ValueError(
                    f"no hour of the week is left for calling{where}, so nobody could be called; look at "
                    "`quiet_times`, `by_place` and `windows`"
                )
        return self

    @model_validator(mode="after")
    def _within_the_preset(self) -> "Policy":
        names = (self.preset, *self.presets_by_country)
        problem = next((found for name in names if (found := beyond_preset(self._asked(), PRESETS[name]))), None)
        if not self.beyond_preset and problem:
            raise ValueError(f"{problem}. Keep to it, or set `beyond_preset` to true if you know that more is allowed")
        return self

    def _asked(self) -> Asked:
        """What this policy says itself, beside its preset."""
        return Asked(
            windows=tuple((f"windows.{number}", own.as_windows()) for number, own in enumerate(self.windows, 1)),
            dated=tuple(
                (f"windows_on_dates.{number}.windows.{each}", own.first_day, own.last_day, window.as_windows())
                for number, own in enumerate(self.windows_on_dates, 1)
                for each, window in enumerate(own.windows, 1)
            ),
            calls={
                name: calls
                for name, calls in (
                    ("per_24_hours", self.per_24_hours),
                    ("per_7_days", self.per_7_days),
                    ("per_30_days", self.per_30_days),
                )
                if calls is not None
            },
            silence_days=self.silence_days_after_conversation,
            opens_holidays=self.holidays == "open",
        )

    def resolved(self) -> Rules:
        """Decide everything: the preset's values where this policy has none of its own.

        Keep the result for the whole run: it remembers the windows it has worked out.

        Raises:
            PolicyError: Holidays are asked for and cannot be looked up.
        """
        return self._rules(holidays_known=True)

    def _rules(self, *, holidays_known: bool) -> Rules:
        by_country = {name.upper(): self._rules_of(name, holidays_known) for name in self.presets_by_country}
        found = [*self.by_place, *(rule for name in self.overlays for rule in overlay(name))]
        rules = with_places(self._rules_of(self.preset, holidays_known), by_country, found)
        return replace(rules, **self._version())

    def _rules_of(self, name: PresetName, holidays_known: bool) -> Rules:
        """What holds where no place has rules of its own: the values of a preset under those of this policy."""
        preset = PRESETS[name]
        holidays = preset.holidays if self.holidays == "as_preset" else self.holidays == "closed"
        if holidays_known and (holidays or self.holiday_countries):
            _check_holidays(self.holiday_countries, name)
        windows = tuple(window for own in self.windows for window in own.as_windows())
        own_days = {own.country: frozenset(NUMBER_OF_DAY[day] for day in own.days) for own in self.working_days}
        hours = Hours(
            windows=windows or preset.windows,
            dated=preset.dated
            + tuple(
                DatedWindows(
                    own.first_day, own.last_day, tuple(w for window in own.windows for w in window.as_windows())
                )
                for own in self.windows_on_dates
            ),
            closed_dates=frozenset(self.closed_dates),
            holidays=holidays,
            holiday_countries=tuple(self.holiday_countries),
            working_days=tuple(sorted((dict(WORKING_DAYS) | own_days).items())),
            quiet=tuple(window for own in self.quiet_times for window in own.as_windows()),
        )
        return Rules(
            preset=name,
            hours=hours,
            caps=self._caps(preset.caps),
            gaps=self._gaps(preset.gaps),
            silence=timedelta(days=_either(self.silence_days_after_conversation, preset.silence_days)),
            max_attempts=self.max_attempts,
            redial_uncertain=self.redial_uncertain,
            opt_out_fields=tuple(self.opt_out_fields),
            line_kinds=frozenset(self.line_kinds),
            caps_per_debt=frozenset({WEEK}) if preset.per_debt and self.per_7_days is None else frozenset(),
            silence_per_debt=preset.per_debt and self.silence_days_after_conversation is None,
            consent=ConsentRule(
                self.require_consent, frozenset(map(plain_basis, self.consent_bases)), self.consent_max_days
            ),
        )

    def _version(self) -> dict[str, Any]:
        """What the ledger keeps of these rules, and what it is called there: other rules, another version."""
        stated: dict[str, Any] = {
            "policy": self.model_dump(mode="json", include=set(Policy.model_fields)),
            "preset": PRESETS[self.preset].stated,
        }
        if self.presets_by_country:
            stated["presets_by_country"] = {name: PRESETS[name].stated for name in self.presets_by_country}
        if self.overlays:
            stated["overlays"] = {
                name: [rule.model_dump(mode="json", exclude_defaults=True) for rule in overlay(name)]
                for name in self.overlays
            }
        text = json.dumps(stated, sort_keys=True)
        return {"version": hashlib.sha256(text.encode()).hexdigest()[:16], "stated": stated}

    def _caps(self, preset: Iterable[Cap]) -> tuple[Cap, ...]:
        calls = {cap.within: cap.calls for cap in preset}
        for days, own in ((1, self.per_24_hours), (7, self.per_7_days), (30, self.per_30_days)):
            if own is not None:
                calls[timedelta(days=days)] = own
        return tuple(Cap(calls[within], within) for within in sorted(calls))

    def _gaps(self, preset: Mapping[AttemptState, timedelta]) -> dict[AttemptState, timedelta]:
        own = {
            AttemptState.NO_ANSWER: self.minutes_after_no_answer,
            AttemptState.FAILED: self.minutes_after_failed,
            AttemptState.TERMINATED: self.minutes_after_terminated,
        }
        return dict(preset) | {state: timedelta(minutes=gap) for state, gap in own.items() if gap is not None}


def policy_problems(error: ValidationError) -> list[str]:
    """What is wrong with a policy, one sentence for each value: the field, what it was given, what it takes."""
    return [_sentence(problem) for problem in error.errors(include_url=False)]


def _sentence(problem: Any) -> str:
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in problem["loc"])
    text = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"`{place}` {text}." if place else f"{text}."
    if problem["type"] == "extra_forbidden":
        return f"`{place}` is not a field of a calling policy; remove it."
    if problem["type"] == "missing":
        return f"`{place}` is missing."
    return f"`{place}` is {problem['input']!r}, but should be {text.removeprefix('Input should be ')}."


def _check_holidays(places: Iterable[str], preset: str) -> None:
    if importlib.util.find_spec("holidays") is None:
        raise PolicyError(
            f"The calling policy (preset `{preset}`) keeps public holidays, but the package `holidays` is not "
            "installed; run `pip install holidays`, or set `holidays` to `open` and `holiday_countries` to none."
        )
    import holidays  # noqa: PLC0415 - optional, and slow to import

    for place in places:
        country, _, part = place.partition("-")
        known = holidays.list_supported_countries(include_aliases=True)
        if country not in known:
            raise PolicyError(f"`holiday_countries` names {place}, of which no holidays are known; remove it.")
        if part and part not in known[country]:
            raise PolicyError(f"`holiday_countries` names {place}, but {country} has no such part; write {country}.")


def _either(own: _T | None, preset: _T) -> _T:
    return preset if own is None else own
