"""Types and titles of parameters, for forms that one likes to fill in."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from blocks import CallingPolicy, CallLedger
from campaign.form_inputs import SingleInput


def _empty(value: object) -> object:
    return "" if value is None else value


def titled(title: str, **bounds: int) -> Any:
    """What a form calls a parameter, instead of by its name in the code.

    Example:
        timezone: Annotated[str, titled("Time zone")]

    Args:
        title: Words for people.
        bounds: What forms and the server hold a value to, such as `maxLength=64`. The run itself does not: Prefect logs
            all parameters of a run that refuses one, and a phone number could be among them.
    """
    return Field(json_schema_extra={"title": title, **bounds})


OptionalText = Annotated[str, BeforeValidator(_empty)]
"""A text that may be left empty: one input, where `str | None` would make a choice between a text and null. Null, which
a program or a schedule may pass, is taken for empty."""

# The ledger's indexes hold a campaign and an id in one entry, of which PostgreSQL takes 2,700 bytes.
Campaign = Annotated[str, titled("Campaign", maxLength=255)]
OptionalCampaign = Annotated[OptionalText, titled("Campaign", maxLength=255)]
OutcomeFields = Annotated[list[str] | None, SingleInput(), titled("Outcome fields in events", maxItems=100)]
OptionalPolicy = Annotated[CallingPolicy | None, SingleInput(), titled("Calling policy")]
OptionalLedger = Annotated[CallLedger | None, SingleInput(), titled("Call ledger")]
