"""The ledger's tables: made once, brought forward by migrations, and never touched by an older program."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from campaign.attempts import Attempt, AttemptState
from campaign.errors import LedgerError, LedgerTooNew
from campaign.ledger import schema
from campaign.ledger.ledger import Ledger
from tests.campaign.ledger.asking import brought_to, claimed

HERE = Path(__file__).parent


def run(url: str, *statements: str) -> list[Any]:
    """Do something to a ledger that no ledger would do. Returns the last statement's rows."""
    engine = sa.create_engine(url.replace("+asyncpg", "+psycopg"))
    rows: list[Any] = []
    with engine.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
            rows = list(result) if result.returns_rows else []
    engine.dispose()
    return rows


def tables(url: str) -> dict[str, Any]:
    """What a database holds, as far as a program that reads it can tell."""
    engine = sa.create_engine(url.replace("+asyncpg", "+psycopg"))
    inspector = sa.inspect(engine)
    found = {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)
            },
            "key": inspector.get_pk_constraint(name)["constrained_columns"],
            "unique": {str(one["name"]): one["column_names"] for one in inspector.get_unique_constraints(name)},
            "indexes": {str(one["name"]): one["column_names"] for one in inspector.get_indexes(name)},
        }
        for name in inspector.get_table_names()
    }
    engine.dispose()
    return found


def made_by_version_1(url: str) -> None:
    """Make a ledger as the first release made it."""
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    run(url, *(HERE / f"version_1_{kind}.sql").read_text(encoding="utf-8").strip().split(";\n"))


async def test_a_ledger_of_version_1_is_brought_to_what_a_new_one_is(
    ledger_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whoever changes a table without a migration fails here."""
    made_by_version_1(ledger_url)
    async with Ledger(ledger_url) as ledger:
        await brought_to(ledger, AttemptState.COMPLETED)
    brought_forward = tables(ledger_url)
    if ledger_url.startswith("sqlite"):
        fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    else:
        fresh = request.getfixturevalue("postgres_database")
    async with Ledger(fresh):
        assert tables(fresh) == brought_forward
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(schema.SCHEMA_VERSION,)]


async def test_a_ledger_of_version_2_gets_the_column_that_it_lacks(ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        await brought_to(ledger, AttemptState.REFUSED)
    run(
        ledger_url,
        "ALTER TABLE call_attempts DROP COLUMN denied_at",
        "UPDATE call_ledger_version SET version = 2",
    )
    async with Ledger(ledger_url) as ledger:
        claim = await claimed(ledger)
        (attempt,) = await ledger.attempts()
    assert claim.denial is not None, "what it had refused before is looked for before it is tried again"
    assert attempt.denied_at == claim.denial.asked_at
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(schema.SCHEMA_VERSION,)]


async def test_what_calls_of_version_1_cost_counts_against_the_budget(ledger_url: str) -> None:
    made_by_version_1(ledger_url)
    run(
        ledger_url,
        "INSERT INTO call_attempts (call_key, campaign, recipient_id, phone, attempt, state, claimed_at, lease_until, "
        "updated_at, opted_out, echoed, tries, looks, cost) VALUES ('key', 'c', 'r', '+12125550100', 1, 'completed', "
        "'2026-11-03 15:00:00.000000', '2026-11-03 15:00:00.000000', '2026-11-03 15:00:00.000000', "
        "1 = 0, 1 = 0, 1, 0, 2.5)",
    )
    async with Ledger(ledger_url) as ledger:
        assert len(await ledger.attempts(campaign="c")) == 1
        assert await ledger.erasures.last() is None
    assert run(ledger_url, "SELECT campaign, calls, cost FROM call_totals") == [("c", 1, 2.5)]


async def test_a_ledger_is_opened_again_and_again(ledger_url: str) -> None:
    for number in range(3):
        async with Ledger(ledger_url) as ledger:
            await claimed(ledger, number)
            await ledger.open()  # it is: nothing happens
    async with Ledger(ledger_url) as ledger:
        assert len(await ledger.attempts()) == 3
    assert run(ledger_url, "SELECT count(*) FROM call_ledger_version") == [(1,)]


def add_a_column(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE call_attempts ADD COLUMN mood TEXT")
    connection.exec_driver_sql("UPDATE call_attempts SET mood = 'unknown'")


def add_a_table(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE call_moods (mood TEXT)")


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Turn this program into one whose tables have two more versions."""

    def turn() -> None:
        now = schema.SCHEMA_VERSION
        monkeypatch.setattr(schema, "SCHEMA_VERSION", now + 2)
        monkeypatch.setattr(schema, "MIGRATIONS", {now: add_a_column, now + 1: add_a_table})

    return turn


async def test_an_older_ledger_is_migrated_step_by_step_with_all_its_rows(
    ledger_url: str, next_release: Callable[[], None]
) -> None:
    async with Ledger(ledger_url) as ledger:
        await claimed(ledger)
    next_release()
    async with Ledger(ledger_url) as ledger:
        assert len(await ledger.attempts()) == 1
        await claimed(ledger, 2)
    assert run(ledger_url, "SELECT mood FROM call_attempts ORDER BY recipient_id") == [("unknown",), (None,)]
    assert "call_moods" in tables(ledger_url)
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(schema.SCHEMA_VERSION,)]


async def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    ledger_url: str, next_release: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Ledger(ledger_url) as ledger:
        await claimed(ledger)
    before, version = tables(ledger_url), schema.SCHEMA_VERSION
    next_release()
    monkeypatch.setitem(
        schema.MIGRATIONS, version + 1, lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere")
    )
    with pytest.raises(LedgerError, match="cannot be opened"):
        await Ledger(ledger_url).open()
    assert tables(ledger_url) == before
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(version,)]


async def test_two_programs_that_migrate_at_once_migrate_once(
    ledger_url: str, next_release: Callable[[], None]
) -> None:
    async with Ledger(ledger_url) as ledger:
        await claimed(ledger)
    next_release()
    ledgers = [Ledger(ledger_url) for _ in range(4)]
    await asyncio.gather(*[ledger.open() for ledger in ledgers])
    await asyncio.gather(*[ledger.close() for ledger in ledgers])
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(schema.SCHEMA_VERSION,)]


async def test_an_older_program_leaves_a_newer_ledger_alone_and_says_what_to_do(ledger_url: str) -> None:
    async with Ledger(ledger_url):
        pass
    run(ledger_url, "UPDATE call_ledger_version SET version = 7")
    before = tables(ledger_url)
    with pytest.raises(LedgerTooNew) as shown:
        await Ledger(ledger_url).open()
    sentence = str(shown.value)
    assert f"schema version 7, and this program knows none above {schema.SCHEMA_VERSION}" in sentence
    assert "Upgrade this program; nobody was called." in sentence
    assert tables(ledger_url) == before


async def test_a_ledger_that_lost_its_version_is_left_alone(ledger_url: str) -> None:
    async with Ledger(ledger_url):
        pass
    run(ledger_url, "DELETE FROM call_ledger_version")
    with pytest.raises(LedgerError, match="`call_ledger_version` is empty"):
        await Ledger(ledger_url).open()


async def test_a_database_with_somebody_elses_table_is_left_alone(ledger_url: str) -> None:
    run(ledger_url, "CREATE TABLE call_attempts (a TEXT)")
    with pytest.raises(LedgerError, match="it belongs to something else"):
        await Ledger(ledger_url).open()
    assert list(tables(ledger_url)) == ["call_attempts"]


def test_a_row_is_an_attempt() -> None:
    assert {column.name for column in schema.call_attempts.columns} == set(Attempt.__dataclass_fields__)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_times_go_in_and_come_out_in_utc(kind: str) -> None:
    dialect = sa.make_url(f"{kind}://").get_dialect()()
    column = schema.UtcDateTime()
    there = datetime(2026, 11, 3, 18, 30, tzinfo=timezone(timedelta(hours=3, minutes=30)))
    stored = column.process_bind_param(there, dialect)
    assert stored is not None
    assert stored.replace(tzinfo=UTC) == datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
    assert column.process_result_value(stored, dialect) == there
    assert column.process_bind_param(None, dialect) is None
    assert column.process_result_value(None, dialect) is None
    with pytest.raises(ValueError, match="without a zone"):
        column.process_bind_param(datetime(2026, 11, 3), dialect)  # noqa: DTZ001
