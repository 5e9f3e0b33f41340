"""The rules of a policy as a person fills them in: when, how often and whom, with bounds and words for a form."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from campaign.form_inputs import SingleInput
from campaign.rules.policy.calling_windows import CallingWindow, WindowsOnDates, WorkingDays, country_code
from campaign.rules.policy.places import OverlayName, PlaceRules, QuietTime
from campaign.rules.policy.presets import CountryPreset, PresetName
from campaign.rules.rules import DialableKind
from campaign.time_zones import is_time_zone

DEFAULT_OPT_OUT_FIELDS = ("wants_no_more_calls",)
"""What a policy that nobody touched takes for a refusal."""

DEFAULT_CONSENT_BASES = (
    *("yes", "true", "y", "1", "x", "given", "granted", "signed", "written", "express", "express written"),
    *("opt-in", "opted in", "double opt-in", "verbal", "web form"),
)

Gap = Annotated[Annotated[int, Field(ge=0, le=43_200)] | None, SingleInput()]
CallsToNumber = Annotated[Annotated[int, Field(ge=1, le=1000)] | None, SingleInput()]


class RuleFields(BaseModel):
    """When, how often and whom a campaign may call."""

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
        default=[], max_length=2000, title="Closed dates", description="Local dates on which nobody is called."
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
            raise ValueError(f"is {value!r}, which is not a time zone; write a name such as 'Asia/Riyadh'")
        return value

    @field_validator("campaign_time_zone", mode="before")
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

    @field_validator("working_days")
    @classmethod
    def _each_country_once(cls, value: list[WorkingDays]) -> list[WorkingDays]:
        _once([own.country for own in value], "put its days into one entry")
        return value

    @field_validator("by_place")
    @classmethod
    def _each_place_once(cls, value: list[PlaceRules]) -> list[PlaceRules]:
        _once([own.place for own in value], "put its rules into one entry")
        return value

    @field_validator("presets_by_country", "overlays")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        _once(value, "remove one")
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
    def _consent_can_be_given(self) -> Self:
        if not self.consent_bases and (self.require_consent or self.consent_max_days is not None):
            raise ValueError(
                "`consent_bases` is empty, so no consent would count and nobody could be called; name some"
            )
        return self


def _once(names: Sequence[str], advice: str) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names {twice[0]} twice; {advice}")
