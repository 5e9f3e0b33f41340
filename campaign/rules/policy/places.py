"""Rules for a country or a part of one, as a person writes them: they narrow what holds elsewhere, never widen it."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from campaign.form_inputs import SingleInput
from campaign.rules.policy.calling_windows import CallingWindow, Day, country_code, known_country
from campaign.rules.policy.presets import CAP_FIELDS
from campaign.rules.rules import Cap, Rules
from campaign.rules.subdivisions import part_of

OverlayName = Literal["us_states"]
CallsInPlace = Annotated[Annotated[int, Field(ge=1, le=1000)] | None, SingleInput()]


class QuietTime(CallingWindow):
    """A stretch of the day in which nobody is called, in the callee's local time."""

    model_config = ConfigDict(extra="forbid", title="Quiet time")

    days: list[Day] = Field(
        default=["every_day"],
        min_length=1,
        title="Days",
        description="Days on which it begins; `working_days` are those of the number's country.",
    )
    start: str = Field(
        default="12:00", title="From", description="Local time at the callee's place.", examples=["12:00"]
    )
    end: str = Field(
        default="14:00", title="Until", description="Local time at which it is over, up to 24:00.", examples=["14:00"]
    )


class PlaceRules(BaseModel):
    """Rules for numbers of a country, or for people in a part of one, beside those that hold for everybody."""

    model_config = ConfigDict(extra="forbid", title="Rules for a place")

    place: str = Field(
        title="Place",
        description="Code of a country (`DE`), or of a part of one (`US-TX`), which the rows' column `subdivision` "
        "names.",
        examples=["US-TX"],
        min_length=2,
        max_length=6,
    )
    windows: list[CallingWindow] = Field(
        default=[],
        max_length=50,
        title="Calling windows",
        description="A phone rings there only within these as well; empty means that they add nothing.",
    )
    quiet_times: list[QuietTime] = Field(
        default=[], max_length=50, title="Quiet times", description="Times of the day at which nobody is called there."
    )
    closed_dates: list[date] = Field(
        default=[], max_length=2000, title="Closed dates", description="Local dates on which nobody is called there."
    )
    holidays: bool = Field(
        default=False, title="Public holidays", description="Whether nobody is called there on its public holidays."
    )
    per_24_hours: CallsInPlace = Field(
        default=None,
        title="Calls to a number in 24 hours",
        description="Most calls there to one number and one person in any 24 hours.",
    )
    per_7_days: CallsInPlace = Field(
        default=None,
        title="Calls to a number in 7 days",
        description="Most calls there to one number and one person in any 7 days.",
    )
    per_30_days: CallsInPlace = Field(
        default=None,
        title="Calls to a number in 30 days",
        description="Most calls there to one number and one person in any 30 days.",
    )
    silence_days_after_conversation: Annotated[Annotated[int, Field(ge=0, le=365)] | None, SingleInput()] = Field(
        default=None,
        title="Days of silence after a conversation",
        description="How long somebody there is left alone at least after a conversation.",
    )
    source: str = Field(
        default="", max_length=1000, title="Source", description="Where this rule is from, for whoever asks later."
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_nothing(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {name: field for name, field in value.items() if field is not None}

    @field_validator("place")
    @classmethod
    def _a_place(cls, value: str) -> str:
        country, _, part = country_code(value).partition("-")
        known_country(country, value)
        if not part:
            return country
        known = part_of(country, part)
        if known is None:
            raise ValueError(f"has {value!r}, which is not a part of {country}; correct it")
        return known

    @model_validator(mode="after")
    def _says_something(self) -> "PlaceRules":
        if not (self.model_fields_set - {"place", "source"}):
            raise ValueError(f"says nothing about {self.place}: give it windows, closed dates or another rule")
        return self

    @property
    def country(self) -> str:
        """The place, or the country of which it is a part."""
        return self.place[:2]


class OverlayRule(PlaceRules):
    """A rule of an overlay that comes with the project: with what was found, how surely and when."""

    says: str
    certainty: Literal["A", "B", "C", "A/B", "A/C"]
    found: str


@cache
def overlay(name: OverlayName) -> tuple[OverlayRule, ...]:
    """The rules of an overlay: a file beside this module, with sources, of which none is claimed to be complete."""
    text = Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
    return tuple(OverlayRule.model_validate(each) for each in tomllib.loads(text)["rules"])


def with_places(everywhere: Rules, by_country: Mapping[str, Rules], found: Sequence[PlaceRules]) -> Rules:
    """Rules that hold for each place what is asked for there.

    Args:
        everywhere: For numbers of all other countries.
        by_country: For numbers of these countries, in their place.
        found: What narrows them in a country or in a part of one.
    """
    table: dict[str, Rules] = {}
    for country in sorted({*by_country, *(each.country for each in found)}):
        here = by_country.get(country, everywhere)
        here = narrowed(here, [each for each in found if each.place == country], country)
        table[country] = here
        parts = [each for each in found if each.country == country and each.place != country]
        for part in sorted({each.place for each in parts}):
            table[part] = narrowed(here, [each for each in parts if each.place == part], part)
        if parts:
            # As with time zones: where it is not known in which of them somebody is, all of them hold.
            table[f"{country}-*"] = narrowed(here, parts, f"any part of {country}")
    return replace(everywhere, by_place=table)


def own_caps(fields: object) -> dict[timedelta, int]:
    """Most calls by length of time, as far as fields such as `per_7_days` say them."""
    found = {within: getattr(fields, name) for name, within in CAP_FIELDS.items()}
    return {within: calls for within, calls in found.items() if calls is not None}


def narrowed(rules: Rules, found: Iterable[PlaceRules], place: str) -> Rules:
    """Rules that allow what all of these do."""
    for each in found:
        own = own_caps(each)
        known = {cap.within: cap.calls for cap in rules.caps}
        silence = each.silence_days_after_conversation
        hours = rules.hours
        windows = tuple(window for stretch in each.windows for window in stretch.as_windows())
        rules = replace(
            rules,
            hours=replace(
                hours,
                within=(*hours.within, windows) if windows else hours.within,
                quiet=(*hours.quiet, *(window for stretch in each.quiet_times for window in stretch.as_windows())),
                closed_dates=hours.closed_dates | frozenset(each.closed_dates),
                holiday_countries=(*hours.holiday_countries, *((each.place,) if each.holidays else ())),
            ),
            caps=tuple(
                Cap(min(own.get(within, calls), known.get(within, calls)), within)
                for within, calls in sorted((known | own).items())
            ),
            silence=max(rules.silence, timedelta(days=silence or 0)),
            # A cap of a place's own counts all calls, whatever they are about.
            caps_per_debt=rules.caps_per_debt - own.keys(),
            silence_per_debt=rules.silence_per_debt and not silence,
        )
    return replace(rules, place=place, hours=replace(rules.hours, label=place))
