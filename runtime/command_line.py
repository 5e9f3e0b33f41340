"""Run a flow from a terminal: `python -m flows.call_overdue_customers --agent collections --customers overdue.csv`.

Each parameter of the flow is an option. A block is given by its name, a CSV file by its path, a text as it is, anything
structured as JSON. Promises one sentence, and not a traceback, for whatever is wrong.
"""

import argparse
import asyncio
import inspect
import json
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.schemas.objects import State
from prefect.utilities.callables import parameter_docstrings
from pydantic import TypeAdapter, ValidationError

from campaign.errors import CampaignError
from campaign.intake.recipients import CsvFile

LONGEST_QUOTE = 80
"""Characters of what was given that are said again where it is wrong."""


def run_from_command_line(flow: Flow[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run a flow with the parameters that the command line gives, and print how it went.

    Args:
        flow: Which one.
        arguments: The command line; the program's own if None.

    Returns:
        The exit status: 0 when the run completed, 1 when it did not, 2 when a parameter was wrong.
    """
    kinds = get_type_hints(flow.fn, include_extras=True)
    help_of = parameter_docstrings(flow.fn.__doc__)
    module = sys.modules["__main__"].__spec__
    prog = f"python -m {module.name}" if module is not None else None
    parser = argparse.ArgumentParser(prog=prog, description=flow.description)
    for name, parameter in inspect.signature(flow.fn).parameters.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            required=parameter.default is inspect.Parameter.empty,
            help=(help_of.get(name) or "").replace("%", "%%"),
        )
    given = {name: text for name, text in vars(parser.parse_args(arguments)).items() if text is not None}
    try:
        parameters = {name: _value(name, kinds[name], text) for name, text in given.items()}
    except _Wrong as error:
        print(error, file=sys.stderr)
        return 2
    call: Callable[..., Any] = flow
    state: State[Any] = asyncio.run(call(**parameters, return_state=True))
    print(state.message or state.name, file=sys.stdout if state.is_completed() else sys.stderr)
    return 0 if state.is_completed() else 1


class _Wrong(Exception):
    """A parameter cannot be used; the text says which and why."""


def _value(name: str, kind: Any, text: str) -> Any:
    option = f"`--{name.replace('_', '-')}`"
    alternatives = _alternatives(kind)
    if blocks := [each for each in alternatives if inspect.isclass(each) and issubclass(each, Block)]:
        return _block(option, blocks[0], text)
    structured = text.lstrip().startswith(("{", "["))
    if CsvFile in alternatives and not structured:
        return CsvFile(path=Path(text))
    # Text first: the recipient 1001 and the campaign 2026 are names, and pydantic reads numbers and dates from texts.
    readings: list[Callable[[], Any]] = [lambda: text, lambda: json.loads(text)]
    if structured and {str, types.NoneType}.issuperset(alternatives):
        readings = [lambda: text]
    elif structured or Any in alternatives:
        readings.reverse()
    problems: list[str] = []
    for read in readings:
        try:
            value = read()
        except ValueError as error:
            if structured:
                problems.append(f"{_quoted(text)} is not valid JSON ({error})")
            continue
        try:
            return TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            problems.append(_problem(error, value))
    raise _Wrong(f"{option}: {problems[0]}")


def _problem(error: ValidationError, value: Any) -> str:
    first = error.errors(include_url=False)[0]
    told = first["msg"].removeprefix("Value error, ")
    if told.startswith("Input "):
        told = f"{_quoted(first['input'])} {told.removeprefix('Input ')}"
    if first["type"] == "missing" or first["input"] is not value:
        return f"{'.'.join(str(part) for part in first['loc'])}: {told}"
    return told


def _quoted(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[:LONGEST_QUOTE]}…"


def _block(option: str, kind: type[Block], name: str) -> Block:
    try:
        loaded = kind.load(name)
    except CampaignError as error:
        raise _Wrong(f"{option}: {error}") from error
    except (ValueError, RuntimeError) as error:
        type_name = kind.get_block_type_slug()
        raise _Wrong(
            f"{option}: there is no usable block {type_name}/{name}; save one in the UI or from Python"
        ) from error
    assert isinstance(loaded, Block)  # noqa: S101 - in a synchronous program `load` gives the block, not a coroutine
    return loaded


def _alternatives(kind: Any) -> list[Any]:
    """The types in `A | B | None`, or in an `Annotated` one."""
    if get_origin(kind) in (Union, types.UnionType):
        return [inner for each in get_args(kind) for inner in _alternatives(each)]
    if hasattr(kind, "__metadata__"):
        return _alternatives(kind.__origin__)
    return [kind]
