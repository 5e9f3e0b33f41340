"""Queries on a real PostgreSQL with each driver, and on SQLite: they read, in time, and say what their columns say."""

import asyncio
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prefect_sqlalchemy import AsyncSqlAlchemyConnector, SqlAlchemyConnector
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from campaign.intake.cells import json_value, kept
from campaign.intake.recipients import SourceError, SourceUnavailable, SqlQuery
from runtime.sources.queries import Connector, read_query

DRIVERS = pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
pytestmark = pytest.mark.postgres


class Received:
    """Keeps the rows."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []

    def take_columns(self, names: Sequence[str]) -> None:
        """Any will do."""

    def take_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows += rows


class Warehouse:
    """A database with a table of customers, and connectors for it.

    Attributes:
        url: Its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    async def read(self, driver: str, query: str, **given: Any) -> list[Mapping[str, Any]]:
        url = make_url(self.url).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)
        kind = SqlAlchemyConnector if driver == "psycopg" else AsyncSqlAlchemyConnector
        received = Received()

        async def connect(name: str) -> Connector:
            connector: Connector = kind(connection_info=url)
            return connector

        source = SqlQuery(connector="warehouse", query=query, **given)
        await read_query(source, received, page_rows=100, connect=connect)
        return received.rows

    async def error(self, driver: str, query: str, **given: Any) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await self.read(driver, query, **given)
        assert "\n" not in str(caught.value)
        return caught.value

    async def ask(self, *statements: str) -> Any:
        engine = create_async_engine(self.url)
        async with engine.begin() as connection:
            results = [await connection.execute(text(statement)) for statement in statements]
        await engine.dispose()
        return results[-1].scalar() if results[-1].returns_rows else None


@pytest.fixture
async def warehouse(postgres_database: str) -> Warehouse:
    """Two customers, and what a query must leave alone."""
    made = Warehouse(postgres_database)
    await made.ask(
        "CREATE TABLE customers (id bigint, code text, phone text, amount real, owed numeric(12,2), due date, "
        "called timestamptz, seen timestamp, active boolean)",
        "INSERT INTO customers VALUES (17, '17', '+12125550100', 120.1, 120.50, '2026-11-01', '2026-11-01 10:00+00', "
        "'2026-11-01 10:00', true), (18, '18', '+12125550101', 16777217, 80, '2026-12-01', now(), now(), false)",
        "CREATE SEQUENCE counter",
        "CREATE FUNCTION pay(n bigint) RETURNS bigint LANGUAGE sql AS "
        "'UPDATE customers SET amount = 0 WHERE id = n RETURNING id'",
    )
    return made


@DRIVERS
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT setval('counter', 7) AS id", "read-only transaction"),
        ("SELECT nextval('counter') AS id", "read-only transaction"),
        ("SELECT pay(17) AS id", "read-only transaction"),
        ("WITH d AS (DELETE FROM customers RETURNING id) SELECT id FROM d", "read-only transaction|data-modifying"),
        ("SELECT * FROM customers FOR UPDATE", "read-only transaction"),
        ("SELECT set_config('transaction_read_only', 'off', true), pay(17)", "read-only|read-write mode"),
        ("SELECT 1; DELETE FROM customers; COMMIT", "one statement"),
        ("SELECT * INTO copy FROM customers", "INTO"),
        ("CALL pay(17)", "has to be a SELECT"),
    ],
    ids=["setval", "nextval", "function", "with", "lock", "switch", "two", "into", "call"],
)
async def test_a_query_changes_nothing(warehouse: Warehouse, driver: str, query: str, says: str) -> None:
    error = await warehouse.error(driver, query)
    assert re.search(says, str(error)), error
    assert await warehouse.ask("SELECT count(*) FROM customers WHERE amount > 0") == 2
    assert await warehouse.ask("SELECT is_called FROM counter") is False


@DRIVERS
async def test_a_connector_that_commits_by_itself_changes_nothing_either(warehouse: Warehouse, driver: str) -> None:
    url = make_url(warehouse.url).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)
    kind = SqlAlchemyConnector if driver == "psycopg" else AsyncSqlAlchemyConnector

    async def connect(name: str) -> Connector:
        connector: Any = kind(connection_info=url)
        engine = connector.get_engine()

        class Committing:
            def get_engine(self) -> Any:
                return engine.execution_options(isolation_level="AUTOCOMMIT")

        return Committing()

    source = SqlQuery(connector="warehouse", query="SELECT pay(17) AS id")
    with pytest.raises(SourceError, match="read-only transaction"):
        await read_query(source, Received(), page_rows=10, connect=connect)
    assert await warehouse.ask("SELECT count(*) FROM customers WHERE amount > 0") == 2


@DRIVERS
@pytest.mark.parametrize(
    ("where", "parameters", "found"),
    [
        ("due < :day", {"day": "2026-11-22"}, [17]),
        ("id = :id", {"id": "17"}, [17]),
        ("id = :id AND due < :day AND id < :id + 1", {"id": 17, "day": "2026-11-22"}, [17]),
        ("code = :id", {"id": "17"}, [17]),
        ("owed > :least", {"least": "100"}, [17]),
        ("owed > :least", {"least": 100.5}, [17]),
        ("amount > :least", {"least": "1000"}, [18]),
        ("called < :moment", {"moment": "2026-11-02T00:00:00+00:00"}, [17]),
        ("called < :moment", {"moment": "2026-11-02"}, [17]),
        ("seen < :moment", {"moment": "2026-11-02 00:00"}, [17]),
        ("active = :active", {"active": True}, [17]),
        ("due < CAST(:day AS date) - CAST(:days AS integer)", {"day": "2026-11-22", "days": 7}, [17]),
        ("id = ANY(:ids)", {"ids": [17, 19]}, [17]),
        ("due < :day", {"day": None}, []),
    ],
    ids=lambda value: repr(value) if isinstance(value, dict) else value if isinstance(value, str) else "",
)
async def test_parameters_are_read_as_what_they_are_compared_with(
    warehouse: Warehouse, driver: str, where: str, parameters: dict[str, Any], found: list[int]
) -> None:
    rows = await warehouse.read(driver, f"SELECT id, phone FROM customers WHERE {where}", parameters=parameters)  # noqa: S608
    assert [row["id"] for row in rows] == found


async def test_a_number_against_a_text_is_that_text(warehouse: Warehouse) -> None:
    rows = await warehouse.read("asyncpg", "SELECT id FROM customers WHERE code = :id", parameters={"id": 17.0})
    assert [row["id"] for row in rows] == [17]


@DRIVERS
@pytest.mark.parametrize(
    ("where", "value"),
    [("due < :p", "soon"), ("id = :p", "C-17"), ("id = :p", "+12125550100 x"), ("called < :p", "2026-13-01")],
)
async def test_a_parameter_that_cannot_be_meant_is_one_sentence(
    warehouse: Warehouse, driver: str, where: str, value: str
) -> None:
    error = await warehouse.error(driver, f"SELECT id FROM customers WHERE {where}", parameters={"p": value})  # noqa: S608
    assert "query on warehouse" in str(error)
    assert "5550100" not in str(error)


@DRIVERS
async def test_a_real_column_says_what_was_written(warehouse: Warehouse, driver: str) -> None:
    rows = await warehouse.read(driver, "SELECT amount, owed FROM customers ORDER BY id")
    assert json_value(kept(rows[0]["amount"])) == 120.1
    assert json_value(kept(rows[0]["owed"])) == "120.50"


@DRIVERS
async def test_a_query_that_takes_too_long_is_ended(warehouse: Warehouse, driver: str) -> None:
    error = await warehouse.error(driver, "SELECT pg_sleep(30) AS id", timeout_seconds=1)
    assert "took longer than 1 seconds" in str(error)
    assert not isinstance(error, SourceUnavailable)


@pytest.mark.parametrize("driver", ["", "+aiosqlite"], ids=["sync", "async"])
async def test_sqlite_is_ended_and_kept_from_writing_too(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "receivables.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    connection.close()
    kind = AsyncSqlAlchemyConnector if driver else SqlAlchemyConnector

    async def connect(name: str) -> Connector:
        connector: Connector = kind(connection_info=f"sqlite{driver}:///{path}")
        return connector

    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS id FROM n"
    for query, says in (
        (endless, "took longer than 1 seconds"),
        ("WITH c AS (SELECT 1) INSERT INTO customers SELECT 1", "INTO"),
        ("WITH c AS (SELECT 1) DELETE FROM customers", "readonly"),
        ("SELECT 1; DELETE FROM customers", "one statement"),
    ):
        source = SqlQuery(connector="warehouse", query=query, timeout_seconds=1)
        with pytest.raises(SourceError, match=says):
            await asyncio.wait_for(read_query(source, Received(), page_rows=10, connect=connect), 20)


async def test_a_database_that_is_locked_is_away_for_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "receivables.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE customers (id INTEGER)")
    holder.execute("BEGIN EXCLUSIVE")

    async def connect(name: str) -> Connector:
        connector: Connector = SqlAlchemyConnector(connection_info=f"sqlite:///{path}?timeout=0.1")
        return connector

    source = SqlQuery(connector="warehouse", query="SELECT id FROM customers")
    with pytest.raises(SourceUnavailable, match="cannot answer now: database is locked"):
        await read_query(source, Received(), page_rows=10, connect=connect)
    holder.close()
