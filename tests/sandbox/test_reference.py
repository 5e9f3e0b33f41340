"""docs/reference/sandbox.md says what the code does: every number, fault, field, count, option and endpoint."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from sandbox import ManualClock, Sandbox, Scenario
from sandbox.__main__ import parser
from sandbox.calls.lives import DWELLS, SHOWN_AS, TRANSITIONS
from sandbox.calls.magic import MAGIC_AGENTS, MAGIC_NUMBERS
from sandbox.scenario.agents import AGENTS
from sandbox.scenario.faults import FAULTS
from sandbox.scenario.lies import Lies
from sandbox.scenario.scenario import PRESETS
from tests.sandbox.asking import ANN

REFERENCE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "sandbox.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is `heading`."""
    table = REFERENCE.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def first_cells(heading: str) -> list[str]:
    return [name for row in rows(heading) for name in re.findall(r"`([^`]+)`", row[0])]


def test_magic_numbers_are_those_of_the_table() -> None:
    assert rows("number") == [[f"`+1 <area> 555 {last}`", magic.says] for last, magic in MAGIC_NUMBERS.items()]


def test_refused_agents_are_those_of_the_table() -> None:
    said = [[f"`{agent_id}`", f"{magic.status} `{magic.message_key}`"] for agent_id, magic in MAGIC_AGENTS.items()]
    assert rows("`voiceAgentId`") == said
    assert all(f"`{agent_id}`" in REFERENCE for agent_id in AGENTS)


def test_faults_are_those_of_the_table_and_it_says_which_ring() -> None:
    said = [[f"`{kind}`", "yes" if fault.places else "no", fault.says] for kind, fault in FAULTS.items()]
    assert rows("fault") == said


def test_scenario_fields_are_those_of_the_table_with_their_defaults() -> None:
    plain: dict[str, Any] = Scenario().model_dump(mode="json")
    said = [
        [
            f"`{name}`",
            "see below" if plain[name] and isinstance(plain[name], dict) else f"`{json.dumps(plain[name])}`",
            field.description,
        ]
        for name, field in Scenario.model_fields.items()
    ]
    assert rows("field") == said


def test_lies_are_those_of_the_table_with_their_defaults() -> None:
    plain: dict[str, Any] = Lies().model_dump(mode="json")
    said = [
        [f"`{name}`", f"`{json.dumps(plain[name])}`", field.description] for name, field in Lies.model_fields.items()
    ]
    assert rows("lie") == said


def test_phases_and_their_lengths_are_those_of_the_tables() -> None:
    said = rows("phase")
    assert [row[0] for row in said] == [f"`{phase}`" for phase in TRANSITIONS]
    for row, (phase, steps) in zip(said, TRANSITIONS.items(), strict=True):
        assert row[1] == f"`{SHOWN_AS[phase]}`"
        for step in steps:
            assert f"`{step.to}`" in row[2]
            assert f"`{step.dwell}`" in row[2]
            assert len(steps) == 1 or f"({step.weight:g})" in row[2]
    assert rows("dwell") == [
        [f"`{name}`", f"{dwell.mean_seconds:g}", f"{dwell.sigma:g}"] for name, dwell in DWELLS.items()
    ]


def test_options_are_those_of_the_table() -> None:
    options = [action.option_strings[0] for action in parser()._actions if action.dest != "help"]  # noqa: SLF001 - argparse has no other way
    assert first_cells("option") == options
    assert all(f"`{name}`" in REFERENCE for name in PRESETS)


def test_counts_and_what_is_shown_of_a_call_are_those_of_the_reference() -> None:
    sandbox = Sandbox(clock=ManualClock())
    sandbox.plant_call(ANN)
    assert first_cells("count") == list(sandbox.stats())
    shown = REFERENCE.split("A call is shown as")[1].split("\n\n")[0]
    assert all(f"`{name}`" in shown for name in sandbox.calls()[0])


def test_endpoints_are_those_of_the_reference() -> None:
    for route in Sandbox(clock=ManualClock()).app.routes:
        assert isinstance(route, Route)
        assert route.path in REFERENCE, route.path


@pytest.mark.parametrize("program", re.findall(r"```python\n(.*?)```", REFERENCE, re.DOTALL))
def test_the_programs_in_it_run(program: str) -> None:
    exec(compile(program, "docs/reference/sandbox.md", "exec"), {})  # noqa: S102 - it is our own text


def test_it_names_no_setting_that_does_not_exist() -> None:
    known = set(Scenario.model_fields)
    for example in re.findall(r"`(\{?\"[a-z_]+\": [^`]*)`", REFERENCE):
        text = example if example.startswith("{") else "{" + example + "}"
        assert set(json.loads(text)) <= known, example
