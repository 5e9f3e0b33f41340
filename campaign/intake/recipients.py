"""Who is to be called and where the rows come from: a recipient, and the sources a person names in a form.

Promises that what is wrong with a whole source is one `SourceError`, raised before anybody is called, while what is
wrong with one row stays with that row.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from campaign.errors import CampaignError
from campaign.form_inputs import SingleInput
from campaign.intake.call_terms import NO_TERMS, CallTerms
from campaign.intake.column_names import may_say_do_not_call, says_do_not_call
from campaign.intake.numbers import ParsedNumber, region_code
from campaign.intake.texts import clean

ID_COLUMNS = ("id", "customer_id")
"""The columns in which an id is looked for when the mapping names none; the first that is there wins."""


class SourceError(CampaignError, ValueError):
    """The rows cannot be had: `str()` says what is wrong, where, and what to do."""


class SourceUnavailable(SourceError):
    """The database did not let itself be reached. Reading changes nothing, so it is safe to try again."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read from its source; the reason says where it stands.

    Attributes:
        cells: What stands where each column's cell should be, of a row that may be marked do-not-call. Never shown.
    """

    reason: str
    cells: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


class Recipient(BaseModel):
    """Who is to be called: one row that passed the screening."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="The id that the upstream system knows the person by.")
    phone: str = Field(pattern=r"^\+[1-9]\d{6,14}$", description="E.164.", repr=False)
    zones: tuple[str, ...] = Field(description="Every time zone in which the person may be; one, if the row names it.")
    country: str | None = Field(description="Two letters of the country that the number belongs to.")
    timezone: str | None = Field(default=None, description="The time zone that the row names.")
    params: dict[str, Any] = Field(default_factory=dict, repr=False, description="Values for the agent's placeholders.")
    row: int = Field(default=1, ge=1, description="The row's number in its source, from 1.")
    person: str | None = Field(default=None, description="Who it is, where the id is not the person's own.")
    debt: str | None = Field(default=None, description="What the call is about, such as an invoice's number.")
    terms: CallTerms = Field(default=NO_TERMS, description="Where they are, hours they named, their consent.")

    @property
    def who(self) -> str:
        """The person, over all campaigns: by an id of their own where the recipient's id is something else's."""
        return self.person or self.id

    @classmethod
    def at(
        cls,
        number: ParsedNumber,
        *,
        recipient_id: str,
        timezone: str | None = None,
        params: dict[str, Any] | None = None,
        row: int = 1,
        person: str | None = None,
        debt: str | None = None,
        terms: CallTerms = NO_TERMS,
    ) -> Self:
        """A recipient at a number: in `timezone` if that is known, otherwise in any of the number's time zones."""
        return cls(
            id=recipient_id,
            phone=number.e164,
            zones=(timezone,) if timezone else number.zones,
            country=number.country,
            timezone=timezone,
            params=params or {},
            row=row,
            person=person,
            debt=debt,
            terms=terms,
        )


def _without_empty(value: object) -> object:
    """A form's fields without those that were left or made empty, which it sends as null or as an empty text."""
    if not isinstance(value, Mapping):
        return value
    return {name: field for name, field in value.items() if not (field is None or str(field).isspace() or field == "")}


class ColumnMapping(BaseModel):
    """Which columns of the source hold what. Upper and lower case make no difference."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Columns", str_strip_whitespace=True)

    id: Annotated[str | None, SingleInput()] = Field(
        default=None,
        title="Id",
        description="Column of the recipient's id; empty means `id` or, if there is none, `customer_id`.",
    )
    phone: str = Field(default="phone", min_length=1, title="Phone", description="Column of the phone number.")
    region: str = Field(
        default="region",
        min_length=1,
        title="Region",
        description="Column of the two-letter country code in which a national number is to be read; it may be absent.",
    )
    timezone: str = Field(
        default="timezone",
        min_length=1,
        title="Time zone",
        description="Column of the person's time zone, such as Asia/Riyadh, which wins over the number's; it may be "
        "absent.",
    )
    person: Annotated[str | None, SingleInput()] = Field(
        default=None,
        title="Person",
        description="Column of the person's own id, where the id is something else's, such as an invoice's; limits on "
        "calls and refusals then hold for the person. Empty means that the id is the person's, in all campaigns of "
        "the ledger.",
    )
    debt: Annotated[str | None, SingleInput()] = Field(
        default=None,
        title="Debt",
        description="Column of what the call is about, such as an invoice's number: the `us` preset counts calls by "
        "person and debt where it is given. Empty means that all calls to a person count together.",
    )
    subdivision: Annotated[str | None, SingleInput()] = Field(
        default=None,
        title="State or part of the country",
        description="Column of the part of the country in which the person is, as its code or its name (`TX`, `US-TX`, "
        "`Texas`): rules and holidays of that part then hold. Empty means that it is not known.",
    )
    call_hours: Annotated[str | None, SingleInput()] = Field(
        default=None,
        title="Hours they named",
        description="Column of the hours at which the person wants to be called, by their own clock, as in "
        "`17:00-20:00`, `9-12, 17:00-20:00` or `after 17:00`; they narrow the rules and never widen them. An empty "
        "cell means any hour.",
    )
    consent: Annotated[str | None, SingleInput()] = Field(
        default=None,
        title="Consent",
        description="Column that says how the person agreed to be called. Where it is named, nobody is called whose "
        "cell holds none of the policy's `consent_bases`.",
    )
    consent_at: Annotated[str | None, SingleInput()] = Field(
        default=None,
        title="Date of consent",
        description="Column of the day on which the person agreed, year-month-day. Where it is named, nobody is called "
        "who has none, or whose is older than the policy's `consent_max_days`.",
    )
    do_not_call: str = Field(
        default="do_not_call",
        min_length=1,
        title="Do not call",
        description="Column that says yes, or holds a date, where the person does not want to be called; columns "
        "called `Do Not Call`, `DNC` or the like are found too, and it may be absent.",
    )
    due_date: str = Field(
        default="due_date",
        min_length=1,
        title="Due date",
        description="Column of the day on which payment was due; needed only to choose by days overdue.",
    )
    amount: str = Field(
        default="amount",
        min_length=1,
        title="Amount",
        description="Column of the amount that is owed; needed only to choose by amount.",
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, value: object) -> object:
        return _without_empty(value)

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        if self.id is not None and self.id.casefold() == self.phone.casefold():
            raise ValueError(
                "the id and the phone cannot be the same column: ids are shown in reports, phone numbers only masked"
            )
        return self

    def named(self) -> dict[str, str]:
        """The columns that somebody named, by field: those have to be in the source."""
        fields = type(self).model_fields
        chosen = {name: getattr(self, name) for name in fields}
        return {name: column for name, column in chosen.items() if column and column != fields[name].default}


_Columns = Annotated[
    ColumnMapping,
    Field(
        title="Columns",
        description="Which columns hold id, phone, region and so on, where they have other names. Every other column "
        "becomes one of the agent's params.",
    ),
]
_DefaultRegion = Annotated[
    str | None,
    SingleInput(),
    Field(
        title="Default region",
        description="Two-letter code of the country in which national numbers are to be read where the row names none; "
        "empty means that such a row is not called.",
        examples=["US"],
    ),
]


class _Source(BaseModel):
    """What every source of rows promises. Each names the fields itself: a form shows them in that order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, value: object) -> object:
        return _without_empty(value)

    @field_validator("default_region", mode="after", check_fields=False)
    @classmethod
    def _known_region(cls, value: str | None) -> str | None:
        if value is None:
            return None
        code = region_code(value)
        if code is None:
            raise ValueError(f"{value!r} is not a two-letter country code such as US")
        return code


class SqlQuery(_Source):
    """Rows of a database, by the name of a saved connector block and a query."""

    model_config = ConfigDict(title="SQL query")

    connector: str = Field(
        min_length=1,
        title="Connector",
        description="Name of the SQLAlchemy Connector block (or Async SQLAlchemy Connector block) of the database.",
        examples=["warehouse"],
    )
    query: str = Field(
        min_length=1,
        title="Query",
        description="A SELECT with one row per person to call. Values that change belong in the parameters, as in "
        "`WHERE due_date < :day`.",
        examples=["SELECT id, phone, name, amount FROM overdue WHERE due_date < :day"],
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        title="Parameters",
        description="Values for the query's `:names`, as an object.",
        examples=[{"day": "2026-11-22"}],
    )
    timeout_seconds: int = Field(
        default=600,
        ge=1,
        le=86_400,
        title="Time-out (seconds)",
        description="How long the query may take; then it is ended and the run fails before anybody is called.",
    )
    default_region: _DefaultRegion = None
    columns: _Columns = ColumnMapping()

    def __str__(self) -> str:
        return f"query on {self.connector}"


class CsvFile(_Source):
    """Rows of a CSV file in UTF-8 or UTF-16, with a header; its delimiter is a comma, a semicolon or a tab."""

    model_config = ConfigDict(title="CSV file")

    path: Path = Field(
        title="Path", description="The file, as the machine that runs the flow sees it.", examples=["overdue.csv"]
    )
    default_region: _DefaultRegion = None
    columns: _Columns = ColumnMapping()

    def __str__(self) -> str:
        return self.path.name


Source = SqlQuery | CsvFile


def check_connectors(allowed: Collection[str], *sources: object) -> None:
    """Make sure that sources use none but the connectors that a policy names; if it names none, all will do.

    Raises:
        SourceError: One uses another.
    """
    for source in sources:
        if allowed and isinstance(source, SqlQuery) and source.connector not in allowed:
            raise SourceError(
                f"the calling policy does not let a run use the connector block {source.connector}, but only "
                f"{', '.join(allowed)} (its field `connectors`)"
            )


TERMS = ("subdivision", "call_hours", "consent", "consent_at")
"""Fields of a mapping that say how somebody may be called; see `CallTerms`."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row each thing stands; `None` where the source has no such column."""

    id: str | None
    phone: str | None
    region: str | None
    timezone: str | None
    person: str | None
    debt: str | None
    subdivision: str | None
    call_hours: str | None
    consent: str | None
    consent_at: str | None
    do_not_call: tuple[str, ...]
    """All columns that may say so: any of them is enough."""
    may_say_no: tuple[str, ...]
    """Others of which it is not known whether they do, such as `phone_opt_out` beside `do_not_call`: a plain yes is
    enough."""
    due_date: str | None
    amount: str | None
    params: Mapping[str, str]
    """All other columns, with the names of the params they become. Nameless columns are left out."""

    @property
    def has_terms(self) -> bool:
        """Whether a row says anything about how its person may be called."""
        return any(getattr(self, field) is not None for field in TERMS)

    @classmethod
    def of(cls, names: Sequence[str], mapping: ColumnMapping) -> Self:
        """Find the mapping's columns among `names`: as written, or else in other case and with blanks around."""
        exact = set(names)
        alike: dict[str, str] = {}
        for name in names:
            alike.setdefault(clean(name).casefold(), name)

        def find(*wanted: str) -> str | None:
            return next(
                (name if name in exact else alike[name.casefold()] for name in wanted if name.casefold() in alike), None
            )

        found = {
            "id": find(mapping.id) if mapping.id else find(*ID_COLUMNS),
            "phone": find(mapping.phone),
            "region": find(mapping.region),
            "timezone": find(mapping.timezone),
        }
        marked = mapping.do_not_call.casefold()
        is_named = "do_not_call" in mapping.named()
        says_no = tuple(
            name for name in names if clean(name).casefold() == marked or (not is_named and says_do_not_call(name))
        )
        for column in ("person", "debt", *TERMS):
            named = getattr(mapping, column)
            found[column] = find(named) if named else None
        # What the agent may talk about stays one of its params.
        taken = {*(column for field, column in found.items() if field not in ("debt", "subdivision")), *says_no}
        return cls(
            **found,
            do_not_call=says_no,
            may_say_no=tuple(
                name for name in names if not is_named and name not in says_no and may_say_do_not_call(name)
            ),
            due_date=find(mapping.due_date),
            amount=find(mapping.amount),
            params={name: param for name in names if name not in taken and (param := clean(name))},
        )
