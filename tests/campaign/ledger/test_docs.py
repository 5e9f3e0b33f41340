"""The page about the ledger says what the tables are: every column, every state, and queries that run."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from campaign.attempts import COUNTS, AttemptState
from campaign.ledger.database.connections import CONNECTIONS
from campaign.ledger.database.locks import LOCK_NAMESPACE
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.ledger.notes.refusals import Refusal
from campaign.ledger.schema import UtcDateTime, metadata
from sandbox.clock import ManualClock
from tests.campaign.ledger.asking import ask, brought_to, claimed, phone, up_to
from tests.docs.pages import Block, blocks, read, table

PAGE = read("reference/ledger.md")
CAMPAIGN = "call-overdue-customers-2026-11-03"
QUERIES = [block for block in blocks(PAGE) if block.language == "sql"]


def type_of(column: sa.Column[Any]) -> str:
    """A column's type as the page says it."""
    kinds: dict[type[Any], str] = {
        UtcDateTime: "time",
        sa.Boolean: "boolean",
        sa.Integer: "integer",
        sa.Float: "number",
        sa.JSON: "JSON",
        sa.LargeBinary: "bytes",
    }
    found = next((name for kind, name in kinds.items() if isinstance(column.type, kind)), "text")
    return found + (", key" if column.primary_key else "")


@pytest.mark.parametrize("name", metadata.tables)
def test_every_column_is_documented_with_its_type(name: str) -> None:
    said = [(cells[0].strip("`"), cells[1]) for cells in table(PAGE, f"`{name}`")]
    assert said == [(column.name, type_of(column)) for column in metadata.tables[name].columns]
    assert all(cells[2].endswith(".") for cells in table(PAGE, f"`{name}`"))


def test_every_state_is_documented_with_whether_it_counts() -> None:
    said = {cells[0].strip("`"): cells[1] for cells in table(PAGE, "States")}
    assert said.keys() == {state.value for state in AttemptState}
    assert {state for state, rang in said.items() if rang != "no"} == {state.value for state in COUNTS}


def test_numbers_in_the_text_are_those_of_the_code() -> None:
    assert f"their first key is {LOCK_NAMESPACE})" in PAGE
    assert {4: "up to eight"}[CONNECTIONS] in PAGE


@pytest.fixture
async def full_ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    """A ledger with a row in every state."""
    clock = ManualClock()
    async with Ledger(ledger_url, clock=clock) as ledger:
        for number, state in enumerate(AttemptState, start=1):
            name = "c-1042" if state is AttemptState.NO_ANSWER else None
            await brought_to(ledger, state, number, campaign=CAMPAIGN, recipient_id=name, account="a")
            clock.advance(60)
        await claimed(ledger, 8, campaign=CAMPAIGN, recipient_id="c-1042", decision=up_to(3))
        end = CallEnd(
            AttemptState.COMPLETED,
            cost=0.2,
            duration_seconds=30.0,
            ended_at=clock.now() - timedelta(days=30),
            outcome={"promised_to_pay": True, "promised_date": "2026-11-09"},
            record={"id": "job"},
            opted_out=True,
        )
        refusal = Refusal("run", 1, CAMPAIGN, "c-1042", phone(3), "deferred", "too late", None, None, ledger.now())
        await ledger.note_refusals([refusal])
        done = await claimed(ledger, 50, campaign=CAMPAIGN)
        await ledger.end(end, call_key=done.call_key, job_id="job-50")
        yield ledger


def run(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url.replace("+asyncpg", "+psycopg"))
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement.replace("%", "%%"))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"line-{query.line}")
async def test_every_query_runs_and_finds_something(query: Block, full_ledger: Ledger, ledger_url: str) -> None:
    database = "sqlite" if full_ledger.is_file else "postgresql"
    only = query.info.removeprefix("sql").strip()
    if only in ("sqlite", "postgresql") and only != database:
        return  # it is run on the other one
    rows = run(ledger_url, query.text)
    if only == "writes":
        assert query.text.startswith(("INSERT INTO call_campaigns", "UPDATE call_attempts\nSET outcome = NULL"))
    elif "7 days" not in query.text:
        assert rows
    # A clock that was turned by hand has written the rows: none is of the last seven days.


async def test_questions_are_answered_rightly(full_ledger: Ledger, ledger_url: str) -> None:
    def answer(words: str) -> list[tuple[Any, ...]]:
        return run(ledger_url, next(query.text for query in QUERIES if words in query.text))

    ends = {row[0]: row[1] for row in answer("sum(duration_seconds) / 60 AS minutes")}
    assert ends == {**{state.value: 1 for state in AttemptState}, "completed": 2, "claimed": 2}
    promised = [(row[1], row[2]) for row in answer("promised_to_pay") if row[1] is not None]
    assert promised in ([("true", "2026-11-09")], [(1, "2026-11-09")])
    latest = {row[0]: row[1:3] for row in answer("row_number()")}
    assert latest["c-1042"] == (2, "claimed")
    assert len(answer("WHERE lifted_at IS NULL")) == 1
    assert [row[2] for row in answer("a.decided_by")] == [1, 2]
    assert [row[1] for row in answer("status_code, message_key")] == ["BadNumber"]


async def test_a_campaign_that_was_put_on_hold_by_sql_is_on_hold(full_ledger: Ledger, ledger_url: str) -> None:
    statement = next(query.text for query in QUERIES if "INTO call_campaigns" in query.text)
    for _ in range(2):
        run(ledger_url, statement)
        assert await full_ledger.on_hold(CAMPAIGN) == "the list is wrong"
    verdict = await full_ledger.claim(ask(99, campaign=CAMPAIGN))
    assert "the list is wrong" in str(verdict)
    run(ledger_url, statement.replace("TRUE", "FALSE"))
    assert await full_ledger.on_hold(CAMPAIGN) is None


async def test_what_was_said_can_be_forgotten_and_nobody_is_called_again_for_it(
    full_ledger: Ledger, ledger_url: str
) -> None:
    run(ledger_url, next(query.text for query in QUERIES if "SET outcome = NULL" in query.text))
    (row,) = [row for row in await full_ledger.attempts() if row.job_id == "job-50"]
    assert (row.outcome, row.record, row.state, row.opted_out) == (None, None, AttemptState.COMPLETED, True)
    assert len(await full_ledger.attempts(campaign=CAMPAIGN)) == len(AttemptState) + 2


async def test_a_copy_made_as_the_page_says_holds_every_call(tmp_path: Path) -> None:
    async with Ledger(f"sqlite:///{tmp_path / 'calls.db'}") as ledger:
        for number in range(5):
            await claimed(ledger, number)
        with closing(sqlite3.connect(tmp_path / "calls.db")) as connection, connection:
            connection.execute(f"VACUUM INTO '{tmp_path / 'copy.db'}'")
        connection.close()
    async with Ledger(f"sqlite:///{tmp_path / 'copy.db'}") as copy:
        assert len(await copy.attempts()) == 5
