"""Types of parameters, for forms that one likes to fill in."""

from typing import Annotated

from pydantic import BeforeValidator


def _empty(value: object) -> object:
    return "" if value is None else value


OptionalText = Annotated[str, BeforeValidator(_empty)]
"""A text that may be left empty: one input, where `str | None` would make a choice between a text and null. Null, which
a program or a schedule may pass, is taken for empty."""
