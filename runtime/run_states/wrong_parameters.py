"""A run whose parameters are wrong fails with a sentence: which one and why, or which block is not there.

Prefect checks the parameters of a run by itself, before the flow's own code. Of a block that it cannot find it says no
more than "Failed to resolve block references in parameters", and of a value that it refuses it logs all parameters of
the run, phone numbers too.
"""

import logging
from typing import Any, ParamSpec, TypeVar

from prefect.blocks.core import Block
from prefect.exceptions import ParameterTypeError, SignatureMismatchError
from prefect.flows import Flow
from prefect.utilities.dispatch import lookup_type

from campaign.errors import CampaignError

P = ParamSpec("P")
R = TypeVar("R")

NOBODY = "Nobody was called."


class WrongParameter(CampaignError):
    """A parameter of a run cannot be used. `str()` says which one and why, and repeats no phone number."""


class MissingBlock(WrongParameter):
    """A parameter names a block that nobody saved. `str()` says which one."""


class _WithoutParameters(logging.Filter):
    """Drops the line by which Prefect would log all parameters of a run because it refuses one of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Parameter validation failed for flow")


logging.getLogger("prefect.flows").addFilter(_WithoutParameters())


def explain_wrong_parameters(flow: Flow[P, R]) -> Flow[P, R]:
    """Let a flow say which of its parameters is wrong, or which block is missing. Stands above `@flow`."""
    validate = flow.validate_parameters

    def validate_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            return validate(parameters)
        except ParameterTypeError as error:
            missing = _missing(parameters, str(error.__cause__))
            found: WrongParameter = WrongParameter(_wrong(str(error))) if missing is None else MissingBlock(missing)
        except SignatureMismatchError:
            known = ", ".join(sorted(flow.parameters.properties))
            strange = ", ".join(f"`{name}`" for name in sorted(set(parameters) - set(flow.parameters.properties)))
            found = WrongParameter(f"There is no parameter {strange}; there are {known}. {NOBODY}")
        # Raised out here: Prefect's own sentence, which says less, does not come along.
        raise found

    flow.validate_parameters = validate_parameters  # type: ignore[method-assign]  # one flow's, not every flow's
    return flow


def _wrong(refusal: str) -> str:
    """Prefect's list of what is wrong, each `name: reason` in a line of its own, as sentences."""
    clauses = []
    for line in refusal.splitlines()[1:]:
        name, _, reason = line.removeprefix(" - ").partition(": ")
        own = reason.removeprefix("Value error, ")
        reason = f" {own}" if own != reason else f": {reason[:1].lower()}{reason[1:]}"
        clauses.append(f"The parameter `{name}`{reason}.")
    return " ".join([*(clauses or [refusal]), NOBODY])


def _missing(parameters: dict[str, Any], why: str) -> str | None:
    for name, value in parameters.items():
        kind, _, block = (_slug(value) or "").partition("/")
        if block and f"named {block} for block type {kind}" in why:
            return (
                f"There is no block {kind}/{block}, which the parameter `{name}` names: save a {_title(kind)} block "
                f"with the name `{block}` (Blocks in Prefect's UI), or choose another one in the deployment's "
                f"parameters. {NOBODY}"
            )
    return None


def _slug(value: Any) -> str | None:
    reference = value.get("$ref") if isinstance(value, dict) else None
    return reference.get("block_document_slug") if isinstance(reference, dict) else None


def _title(kind: str) -> str:
    try:
        return lookup_type(Block, kind).get_block_type_name()
    except KeyError:
        return kind
