"""How a value that may be left empty looks in a form: as one input."""

from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class _WithoutDefault(dict[str, Any]):
    """A schema that takes no default, which pydantic adds to a field's schema once that is made.

    Prefect's server lets a value be null if its schema names one type and no default, and refuses it if the schema says
    that null is the default.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "default":
            super().__setitem__(key, value)


class SingleInput:
    """Shows a value that may be left empty as one input of a form, not as a choice between a value and null.

    Used as in `Annotated[int | None, SingleInput()] = None`. What is accepted stays the same.
    """

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the value alone; of a value that may be given in several ways, that of the first."""
        choice = next(choice for choice in handler(core)["anyOf"] if choice != {"type": "null"})
        if "$ref" in choice:
            # Of a model it is the definition that has to let it be null.
            definition = handler.resolve_ref_schema(choice)
            definition["type"] = ["object", "null"]
        return _WithoutDefault(choice)
