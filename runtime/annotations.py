"""Handing live objects and long lists to tasks: Prefect would look into each of them for futures, item by item."""

from typing import Any, TypeVar, cast

from prefect.utilities.annotations import opaque

T = TypeVar("T")


def as_one(value: T) -> T:
    """The value, marked for Prefect as one that it hands over whole (its own `opaque`, typed as what it holds)."""
    return cast("T", opaque(value))


def unwrapped(value: Any) -> Any:
    """What was handed over: `prefect.runtime.task_run.parameters` still has it in its wrapper."""
    return value.unwrap() if isinstance(value, opaque) else value
