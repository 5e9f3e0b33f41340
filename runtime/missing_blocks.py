"""A run whose deployment names a block that is not there fails with a sentence that says which one to save.

Prefect looks the blocks of a run's parameters up by itself, before the flow's own code, and says of one that it cannot
find no more than "Failed to resolve block references in parameters."
"""

from typing import Any, ParamSpec, TypeVar

from prefect.blocks.core import Block
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow
from prefect.utilities.dispatch import lookup_type

from campaign.errors import CampaignError

P = ParamSpec("P")
R = TypeVar("R")


class MissingBlock(CampaignError):
    """A parameter names a block that nobody saved. `str()` says which one."""


def explain_missing_blocks(flow: Flow[P, R]) -> Flow[P, R]:
    """Let a flow say which block of its parameters is missing. Worn above `@flow`."""
    validate = flow.validate_parameters

    def validate_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            return validate(parameters)
        except ParameterTypeError as error:
            if (sentence := _missing(parameters, str(error.__cause__))) is None:
                raise
        # Raised out here: Prefect's own sentence, which says less, does not come along.
        raise MissingBlock(sentence)

    flow.validate_parameters = validate_parameters  # type: ignore[method-assign]  # one flow's, not every flow's
    return flow


def _missing(parameters: dict[str, Any], why: str) -> str | None:
    for name, value in parameters.items():
        kind, _, block = (_slug(value) or "").partition("/")
        if block and f"named {block} for block type {kind}" in why:
            return (
                f"There is no block {kind}/{block}, which the parameter `{name}` names: save a {_title(kind)} block "
                f"with the name `{block}` (Blocks in Prefect's UI), or choose another one in the deployment's "
                "parameters. Nobody was called."
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
