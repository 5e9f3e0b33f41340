"""Flows from a terminal: parameters by name, blocks by name, one sentence for what is wrong."""

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from prefect import flow
from prefect.states import Completed
from pydantic import BaseModel, Field

from blocks.forms import OptionalText
from campaign.intake.recipients import CsvFile, SqlQuery
from runtime.command_line import run_from_command_line
from tests.flows.world import World, rows

ROOT = Path(__file__).parents[2]


def command(world: World, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"flows.{module}", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=400,
        check=False,
    )


@pytest.mark.thorough  # as a person types it from the README: tests/examples/test_readme.py
def test_a_campaign_is_run_from_a_terminal(world: World) -> None:
    world.agent().save("by-hand", overwrite=True)
    world.policy().save("by-hand", overwrite=True)
    world.ledger.save("by-hand", overwrite=True)
    people = world.folder / "people.csv"
    people.write_text("id,phone\n" + "".join(f"{row['id']},{row['phone']}\n" for row in rows(3)))
    blocks = ("--agent", "by-hand", "--policy", "by-hand", "--ledger", "by-hand")
    done = command(world, "call_overdue_customers", *blocks, "--customers", str(people), "--campaign", "by-hand")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 customers called" in done.stdout
    assert sorted(world.rings().values()) == [1, 1, 1]


def test_a_block_that_does_not_exist_gives_one_sentence(world: World) -> None:
    done = command(world, "call_overdue_customers", "--agent", "nobody-made-this", "--customers", "people.csv")
    assert done.returncode == 2
    assert done.stderr.startswith("`--agent`: ")
    assert "hamsa-voice-agent/nobody-made-this" in done.stderr
    assert "Traceback" not in done.stderr


class Person(BaseModel):
    """Something structured."""

    name: str


def given(arguments: list[str]) -> dict[str, Any]:
    """What a flow with parameters of every kind is run with, and its exit status as `status`."""
    seen: dict[str, Any] = {}

    async def every_kind(
        phone: str = "",
        note: str | None = None,
        campaign: OptionalText = "",
        short: Annotated[str, Field(max_length=12)] | None = None,
        who: Person | str | None = None,
        days: Annotated[int, Field(ge=0)] | None = None,
        amount: Annotated[Decimal, Field(ge=0)] | None = None,
        day: date | None = None,
        sure: bool = False,
        names: list[str] | None = None,
        params: dict[str, Any] | None = None,
        anything: Any = None,
        source: SqlQuery | CsvFile | None = None,
    ) -> Any:
        seen.update(locals())
        return Completed(message="ran")

    seen["status"] = run_from_command_line(flow(every_kind), arguments)
    seen.pop("seen", None)
    return seen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--phone", "2125550123", "--campaign", "2026"], {"phone": "2125550123", "campaign": "2026"}),
        (["--note", "null", "--short", "1001"], {"note": "null", "short": "1001"}),
        (["--note", '{"a": 1}', "--phone", "[1]"], {"note": '{"a": 1}', "phone": "[1]"}),
        (["--who", "1001"], {"who": "1001"}),
        (["--who", '{"name": "Mona"}'], {"who": Person(name="Mona")}),
        (["--days", "3", "--amount", "1.10", "--sure", "true"], {"days": 3, "amount": Decimal("1.10"), "sure": True}),
        (["--days", "null", "--day", "2026-11-23"], {"days": None, "day": date(2026, 11, 23)}),
        (["--names", '["promise"]', "--params", '{"a": 1}'], {"names": ["promise"], "params": {"a": 1}}),
        (["--anything", "5", "--source", "people.csv"], {"anything": 5, "source": CsvFile(path=Path("people.csv"))}),
    ],
)
def test_a_text_is_taken_as_it_is_and_the_rest_by_its_type(
    world: World, arguments: list[str], expected: dict[str, Any]
) -> None:
    seen = given(arguments)
    assert seen["status"] == 0
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--days", "abc"], "`--days`: 'abc' should be a valid integer"),
        (["--days", "-1"], "`--days`: '-1' should be greater than or equal to 0"),
        (["--short", "x" * 20], "`--short`: String should have at most 12 characters"),
        (["--params", '{"a": '], "`--params`: '{\"a\": ' is not valid JSON"),
        (["--params", "7"], "`--params`: '7' should be a valid dictionary"),
        (["--names", "[1]"], "`--names`: 0: 1 should be a valid string"),
        (["--source", '{"connector": "w"}'], "`--source`: SqlQuery.query: Field required"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_its_option(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert given(arguments) == {"status": 2}
    assert capsys.readouterr().err.startswith(says)


def test_a_prefect_server_that_is_not_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.hold_campaign", "--campaign", "c", "--note", "n"],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Prefect's server at http://127.0.0.1:9/api does not answer")
