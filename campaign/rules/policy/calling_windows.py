"""What a person writes of times for calling: windows of the day, windows on certain dates, a country's working days."""

import re
from datetime import date
from typing import Literal

from phonenumbers import SUPPORTED_REGIONS
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from campaign.rules.windows import DAY_MINUTES, EVERY_DAY, WEEKDAYS, Window

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Day = Literal["working_days", "every_day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

NUMBER_OF_DAY = {name.lower(): number for number, name in enumerate(WEEKDAYS)}


LATEST_END_OF_NIGHT = "04:00"
"""A window that runs on over midnight ends by then; a later end is taken for start and end in the wrong order."""

MISTAKEN_COUNTRIES = {"UK": "GB", "EN": "GB", "KSA": "SA", "UAE": "AE", "USA": "US"}
"""What people write for a country, and its code."""

_TIME = re.compile(r"^([01]?\d|2[0-4]):([0-5]\d)$")
_COUNTRY = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")


class CallingWindow(BaseModel):
    """A stretch of the day in which calling is allowed, in the callee's local time."""

    model_config = ConfigDict(extra="forbid", title="Calling window")

    days: list[Day] = Field(
        default=["working_days"],
        min_length=1,
        title="Days",
        description="Days on which it begins; `working_days` are those of the number's country.",
    )
    start: str = Field(
        default="10:00",
        title="From",
        description="Local time at the callee's place, from 00:00 to 23:59.",
        examples=["10:00"],
    )
    end: str = Field(
        default="18:00",
        title="Until",
        description="Local time at which it is over, up to 24:00; up to 04:00 it may be on the next day.",
        examples=["18:00"],
    )

    @field_validator("days", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return _lower(value)

    @field_validator("start", "end", mode="before")
    @classmethod
    def _a_time(cls, value: object) -> object:
        if isinstance(value, int):
            raise ValueError(f"is the number {value}; write the time in quotes, as in '10:00'")
        text = str(value).strip()
        match = _TIME.match(text)
        if match is None or (match[1] == "24" and match[2] != "00"):
            raise ValueError(f"is {text!r}, which is not a time of day; write it as in '09:30'")
        return text.rjust(5, "0")

    @model_validator(mode="after")
    def _takes_time(self) -> "CallingWindow":
        if self.start == "24:00":
            raise ValueError("begins at '24:00'; write '00:00' and the next day")
        if self.start == self.end:
            raise ValueError(f"begins and ends at {self.start}; for the whole day write '00:00' and '24:00'")
        if LATEST_END_OF_NIGHT < self.end < self.start:
            raise ValueError(
                f"begins at {self.start} and ends at {self.end}, so it would run through the night; swap the two "
                f"times, or, if the night is meant, write two windows: {self.start} to 24:00 and 00:00 to {self.end}"
            )
        return self

    def as_windows(self) -> tuple[Window, ...]:
        """The same for the rules; two where working days and named days are mixed."""
        start, end = minutes_of(self.start), minutes_of(self.end)
        end += 0 if end > start else DAY_MINUTES
        if "every_day" in self.days:
            return (Window(start, end, EVERY_DAY),)
        named = frozenset(NUMBER_OF_DAY[day] for day in self.days if day != "working_days")
        working = (Window(start, end),) if "working_days" in self.days else ()
        return (*working, Window(start, end, named)) if named else working


class WindowsOnDates(BaseModel):
    """Other calling windows for a range of dates, such as Ramadan or the days before a feast."""

    model_config = ConfigDict(extra="forbid", title="Windows on dates")

    first_day: date = Field(title="First day", description="First local date on which these windows hold.")
    last_day: date = Field(title="Last day", description="Last local date on which these windows hold.")
    windows: list[CallingWindow] = Field(
        default=[],
        title="Windows",
        description="They stand in for the usual ones on these dates; none means that nobody is called.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "WindowsOnDates":
        if self.last_day < self.first_day:
            raise ValueError(f"ends on {self.last_day}, before it begins on {self.first_day}; swap the two dates")
        return self


class WorkingDays(BaseModel):
    """The working days of a country."""

    model_config = ConfigDict(extra="forbid", title="Working days")

    country: str = Field(
        title="Country",
        description="Two-letter country code of the numbers meant.",
        examples=["KW"],
        min_length=2,
        max_length=2,
    )
    days: list[Weekday] = Field(min_length=1, title="Days", description="The weekdays that are working days there.")

    @field_validator("days", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return _lower(value)

    @field_validator("country")
    @classmethod
    def _a_country(cls, value: str) -> str:
        return known_country(country_code(value), value)


def country_code(value: str) -> str:
    """The code of a country (`FR`) or of a part of one (`US-CA`), as it is written everywhere.

    Raises:
        ValueError: It has another form.
    """
    code = value.strip().upper()
    if not _COUNTRY.match(code):
        raise ValueError(f"has {value!r}, which is not a country code; write two letters, as in 'AE'")
    return code


def known_country(code: str, given: str) -> str:
    """The code of a country, if it is one.

    Raises:
        ValueError: It is none, perhaps one that people mistake for it.
    """
    if code in SUPPORTED_REGIONS:
        return code
    meant = MISTAKEN_COUNTRIES.get(code)
    raise ValueError(f"has {given!r}, which is no country; " + (f"write {meant!r}" if meant else "correct it"))


def minutes_of(text: str) -> int:
    """Minutes after midnight of `09:30`."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _lower(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    return [each.strip().lower() if isinstance(each, str) else each for each in value]
