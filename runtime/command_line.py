"""Run a flow from a terminal: `python -m flows.call_overdue_customers --agent collections --customers overdue.csv`.

Each parameter of the flow is an option. A block is given by its name, a CSV file by its path, a text as it is, anything
structured as JSON. Promises one sentence, and not a traceback, for whatever is wrong.
"""

import argparse
import asyncio
import inspect
import json
import os
import sys
import types
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.settings import get_current_settings
from prefect.utilities.callables import parameter_docstrings
from pydantic import TypeAdapter, ValidationError

from campaign.errors import CampaignError
from campaign.intake import CsvFile
from campaign.unexpected import kind_of
from runtime.run_states import LossOfPrefect

INTERRUPTED = "Stopped: no more calls are made. The ledger has every call; run it again to resume."

HOW_TO_GIVE = (
    "A block is given by its name, a CSV file by its path, a text as it is, anything structured as JSON. Pickers are "
    "those of Prefect's UI; here an option that is left out does what an empty picker does."
)

INTERRUPTED_SECONDS = 20.0
"""How long a run may take to end in order after Ctrl-C. A second Ctrl-C ends it at once."""

GONE_SECONDS = 3.0
"""How long Prefect may try to report to a server that went away how the run ended."""

LONGEST_QUOTE = 80
"""Characters of what was given that are said again where it is wrong."""


def run_from_command_line(flow: Flow[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run a flow with the parameters that the command line gives, and print how it went.

    Returns:
        The exit status: 0 when the run completed, 1 when it did not, 2 when a parameter was wrong.
    """
    kinds = get_type_hints(flow.fn, include_extras=True)
    help_of = parameter_docstrings(flow.fn.__doc__)
    module = sys.modules["__main__"].__spec__
    prog = f"python -m {module.name}" if module is not None else None
    parser = argparse.ArgumentParser(prog=prog, description=flow.description, epilog=HOW_TO_GIVE)
    for name, parameter in inspect.signature(flow.fn).parameters.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            required=parameter.default is inspect.Parameter.empty,
            help=(help_of.get(name) or "").replace("%", "%%"),
        )
    given = {name: text for name, text in vars(parser.parse_args(arguments)).items() if text is not None}
    call: Callable[..., Any] = flow
    try:
        parameters = {name: _value(name, kinds[name], text) for name, text in given.items()}
        state = asyncio.run(_run_until_interrupted(lambda: call(**parameters, return_state=True)))
    except _Wrong as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, TerminationSignal) as signaled:
        print(INTERRUPTED, file=sys.stderr)
        return 130 if isinstance(signaled, KeyboardInterrupt) else 143
    except Exception as error:
        if not _is_about_the_server(error):
            raise
        print(f"{_no_server(error)} Nobody was called by this run.", file=sys.stderr)
        return 1
    print(state.message or state.name, file=sys.stdout if state.is_completed() else sys.stderr)
    return 0 if state.is_completed() else 1


async def _run_until_interrupted(run: Callable[[], Coroutine[Any, Any, State[Any]]]) -> State[Any]:
    """Run a flow, but do not wait for a Prefect server that went away: Prefect's client would try for minutes.

    Raises:
        KeyboardInterrupt: Somebody pressed Ctrl-C, and the run has ended in order.
    """
    work = asyncio.create_task(run())
    try:
        while not work.done():
            await asyncio.wait({work}, timeout=1.0)
            if (words := LossOfPrefect.run_ended_with(seconds_ago=GONE_SECONDS)) and not work.done():
                _leave(words, status=1)
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.wait({work}, timeout=INTERRUPTED_SECONDS)
        if not work.done():
            _leave(INTERRUPTED, status=130)
        work.cancelled() or work.exception()  # it says no more than that it was interrupted
        raise KeyboardInterrupt from None
    return work.result()


def _leave(words: str, *, status: int) -> None:
    """End the process without waiting for what Prefect's threads would still send to a server that is not there."""
    print(words, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _is_about_the_server(error: Exception) -> bool:
    kind = kind_of(error)
    return kind.startswith(("httpx.", "httpcore.", "prefect.exceptions.PrefectHTTP")) or "Failed to reach API" in str(
        error
    )


def _no_server(error: Exception) -> str:
    address = get_current_settings().api.url or "its default address"
    return f"Prefect's server at {address} does not answer as it should ({kind_of(error)}): is it running?"


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
    text = first["msg"].removeprefix("Value error, ")
    if text.startswith("Input "):
        text = f"{_quoted(first['input'])} {text.removeprefix('Input ')}"
    if first["type"] == "missing" or first["input"] is not value:
        return f"{'.'.join(str(part) for part in first['loc'])}: {text}"
    return text


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
