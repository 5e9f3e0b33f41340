"""What every block of this project shares: wrong input is refused at once, in one sentence, without showing a secret.

Pydantic's own text runs over several lines and Prefect hides it: a run whose block does not validate would fail with
"Failed to resolve block references in parameters." and nothing else. `BlockError` is no `ValueError`, so that neither
of them wraps it, and the run fails with the sentence itself.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from campaign.errors import CampaignError

DOCUMENTATION = "https://docs.tryhamsa.com"
"""Where the pages of the blocks link to, unless they know better."""


class BlockError(CampaignError):
    """A block holds something that cannot be right. `str()` says which block and field, and what to do."""


class CheckedBlock(BaseModel):
    """Stands before Prefect's class among a block's bases, as in `class CallLedger(CheckedBlock, Block)`.

    A field that a form left empty (null, an empty text or object) means its default; an unknown one is refused by name.

    Raises:
        BlockError: A field is wrong, missing or unknown.
    """

    model_config = ConfigDict(hide_input_in_errors=True, str_strip_whitespace=True)

    def __init__(self, **fields: Any) -> None:
        kind = type(self)
        given = {name: value for name, value in fields.items() if not _is_empty(value)}
        problems = _unknown(given, kind.model_fields)
        if not problems:
            try:
                super().__init__(**given)
            except ValidationError as error:
                if _is_another_block(kind, given):
                    raise  # by this pydantic tells the members of a union of blocks apart
                problems = kind.problems(error)
            else:
                return
        # Raised out here: no chain of exceptions leads from it to one that holds the input.
        raise BlockError(f"{_title(kind)}: {'; '.join(problem.rstrip('.') for problem in problems)}.")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of a parameter that takes this block: a reference to a saved one is never the block itself.

        Prefect 3.9.1 takes such a parameter for a block or for a reference to one, but refuses what could be both, and
        a reference could be a block that requires no field. So its first field is required of a block written out.
        """
        schema = handler(core)
        block = handler.resolve_ref_schema(schema)
        block.setdefault("required", [next(iter(cls.model_fields))])
        return schema

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """The schema of the block's own form, in which a field with a default may be left empty."""
        schema = super().model_json_schema(*args, **options)
        required = [name for name in schema["required"] if cls.model_fields[name].is_required()]
        return {**schema, "required": required} if required else {k: v for k, v in schema.items() if k != "required"}

    @classmethod
    def problems(cls, error: ValidationError) -> list[str]:
        """What is wrong with the fields, one clause for each, never with the value itself."""
        return clauses(error)


def clauses(error: ValidationError) -> list[str]:
    """What a model did not take, one clause for each field, without a value: it could be secret or a phone number."""
    return [_clause(problem) for problem in error.errors(include_url=False, include_input=False)]


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, dict) and not value)


def _unknown(given: Iterable[str], known: Iterable[str]) -> list[str]:
    known = list(known)
    problems = []
    for name in given:
        # Prefect keeps a block's own data beside its fields, under these names.
        if name in known or name.startswith("_") or name == "block_type_slug":
            continue
        close = get_close_matches(name, known, n=1)
        hint = f"perhaps `{close[0]}` is meant" if close else f"there are {', '.join(known)}"
        problems.append(f"there is no field `{name}`; {hint}")
    return problems


def _is_another_block(kind: type[BaseModel], given: dict[str, Any]) -> bool:
    slug = given.get("block_type_slug")
    return slug is not None and issubclass(kind, Block) and slug != kind.get_block_type_slug()


def _title(kind: type[BaseModel]) -> str:
    return kind.get_block_type_name() if issubclass(kind, Block) else kind.__name__


def _clause(problem: ErrorDetails) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    if not place:
        return text
    if problem["type"] == "missing":
        return f"`{place}` is missing"
    if text.startswith("Input should "):
        return f"`{place}` {text.removeprefix('Input ')}"
    if text.startswith(place):
        return f"`{place}`{text.removeprefix(place)}"
    return f"`{place}`: {text}"
