"""Types and titles of parameters, for forms that one likes to fill in."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from blocks import CallingPolicy, CallLedger
from campaign.form_inputs import SingleInput
from campaign.intake import JSON_INTEGER_LIMIT, UnfitCell, id_of, text_of, without_numbers

LONGEST_SHOWN = 40
"""Characters of a wrong value that an error repeats."""


def titled(title: str, **bounds: int) -> Any:
    """What a form calls a parameter, instead of by its name in the code.

    Example:
        timezone: Annotated[str, titled("Time zone")]

    Args:
        title: Words for people.
        bounds: What forms hold a value to, such as `maxLength=64`.
    """
    return Field(json_schema_extra={"title": title, **bounds})


def _text(value: object) -> str:
    """A parameter that is meant as a text: numbers are taken as whoever gave them would write them, 17.0 as 17."""
    if isinstance(value, float) and abs(value) >= JSON_INTEGER_LIMIT:
        raise ValueError("holds a number of so many digits that some may be lost: give it as a text")
    try:
        return text_of(value)
    except UnfitCell:
        raise ValueError(f"holds {_shown(value)}, which is neither a text nor a number") from None


def _phone(value: object) -> str:
    """A phone number as it was given: it is read later, and here only what cannot be meant is refused."""
    if isinstance(value, float):
        # 1.21E+10 of a spreadsheet has become 12100000000.0 by now: nobody can tell that its digits are lost.
        raise ValueError("holds a number with a fraction or an exponent: give it as a text, such as +12125550123")
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    return _not_empty(text)


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text


def _at_most(length: int) -> AfterValidator:
    """Holds a text to a length in the run too, where a deployment leaves the judging of its parameters to the run."""

    def check(text: str) -> str:
        if len(text) > length:
            raise ValueError(f"is longer than {length} characters")
        return text

    return AfterValidator(check)


def _shown(value: object) -> str:
    """A wrong value as an error may repeat it: as JSON, short, and without anything that may be a phone number."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return f"a value of type {type(value).__name__}"
    text = without_numbers(text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


OptionalText = Annotated[str, BeforeValidator(_text)]
"""A text that may be left empty: one input, where `str | None` would make a choice between a text and null. Null, which
a program or a schedule may pass, is taken for empty, and a number for its text: 17.0 for `17`."""
RequiredText = Annotated[OptionalText, AfterValidator(_not_empty)]

# The ledger's indexes hold a campaign and an id in one entry, of which PostgreSQL takes 2,700 bytes.
RecipientId = Annotated[
    RequiredText,
    AfterValidator(id_of),
    AfterValidator(_not_empty),
    _at_most(255),
    titled("Recipient id", maxLength=255),
]
Phone = Annotated[str, BeforeValidator(_phone), _at_most(64), titled("Phone", maxLength=64)]
Campaign = Annotated[RequiredText, _at_most(255), titled("Campaign", maxLength=255)]
OptionalCampaign = Annotated[OptionalText, _at_most(255), titled("Campaign", maxLength=255)]
OutcomeFields = Annotated[
    Annotated[list[str], Field(max_length=100)] | None, SingleInput(), titled("Outcome fields in events")
]
OptionalPolicy = Annotated[CallingPolicy | None, SingleInput(), titled("Calling policy")]
OptionalLedger = Annotated[CallLedger | None, SingleInput(), titled("Call ledger")]
