"""The ledger's tables: made once, brought forward by migrations, and never touched by an older program."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

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
    """Whoever changes a table without a migration, or changes what version 1 was, fails here."""
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


def test_version_1_is_kept_as_it_was() -> None:
    """While there is no other version, the files hold what this program makes: so they are right when one comes."""
    if schema.SCHEMA_VERSION > 1:
        pytest.skip("there is a migration to hold them against")
    for kind in ("sqlite", "postgresql"):
        assert ddl(sa.make_url(f"{kind}://").get_dialect()()) == (HERE / f"version_1_{kind}.sql").read_text(
            encoding="utf-8"
        )


def ddl(dialect: sa.Dialect) -> str:
    statements: list[object] = []
    for table in schema.metadata.sorted_tables:
        statements.append(CreateTable(table).compile(dialect=dialect))
        statements += [
            CreateIndex(index).compile(dialect=dialect)
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        ]
    statements.append("INSERT INTO call_ledger_version (version, migrated_at) VALUES (1, '2026-11-03 15:00:00.000000')")
    texts = [re.sub(r"\s+\n", "\n", str(statement)).strip() for statement in statements]
    return "".join(text + ";\n" for text in texts)


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
        monkeypatch.setattr(schema, "SCHEMA_VERSION", 3)
        monkeypatch.setattr(schema, "MIGRATIONS", {1: add_a_column, 2: add_a_table})

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
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(3,)]


async def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    ledger_url: str, next_release: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Ledger(ledger_url) as ledger:
        await claimed(ledger)
    before = tables(ledger_url)
    next_release()
    monkeypatch.setitem(schema.MIGRATIONS, 2, lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere"))
    with pytest.raises(LedgerError, match="cannot be opened"):
        await Ledger(ledger_url).open()
    assert tables(ledger_url) == before
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(1,)]


async def test_two_programs_that_migrate_at_once_migrate_once(
    ledger_url: str, next_release: Callable[[], None]
) -> None:
    async with Ledger(ledger_url) as ledger:
        await claimed(ledger)
    next_release()
    ledgers = [Ledger(ledger_url) for _ in range(4)]
    await asyncio.gather(*[ledger.open() for ledger in ledgers])
    await asyncio.gather(*[ledger.close() for ledger in ledgers])
    assert run(ledger_url, "SELECT version FROM call_ledger_version") == [(3,)]


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
