"""Load: every row of every kind of source arrives once, and what is wrong with a source is one sentence."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect_sqlalchemy import AsyncSqlAlchemyConnector, SqlAlchemyConnector
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from campaign.buckets import Bucket
from campaign.intake.recipients import (
    BadRow,
    ColumnMapping,
    CsvFile,
    Recipient,
    Source,
    SourceError,
    SourceUnavailable,
    SqlQuery,
)
from campaign.intake.row_spool import Row
from campaign.intake.screening import DueFilter, Screen
from runtime.sources.queries import Connector, load_connector, read_query
from runtime.sources.rows import Rows
from tasks.load import load
from tests.servers.program import Port

CUSTOMERS = 2_500


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Customers, more than two pages of them, in SQLite."""
    path = tmp_path / "receivables.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE customers (customer_id TEXT, name TEXT, phone TEXT, amount REAL, due_date TEXT)"
        )
        connection.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?)",
            ((f"c{n}", f"Customer {n}", f"020 7946 {n:04}", n + 0.5, "2012-09-08") for n in range(CUSTOMERS)),
        )
    connection.close()
    return path


def connected(block: Any) -> Callable[[str], Awaitable[Connector]]:
    async def connect(name: str) -> Connector:
        connector: Connector = block
        return connector

    return connect


def in_sqlite(path: Path | str, *, driver: str = "") -> Callable[[str], Awaitable[Connector]]:
    kind = AsyncSqlAlchemyConnector if driver else SqlAlchemyConnector
    return connected(kind(connection_info=f"sqlite{driver}:///{path}"))


DRIVERS = pytest.mark.parametrize("driver", ["", "+aiosqlite"], ids=["sync", "async"])
EVERYBODY = SqlQuery(connector="warehouse", query="SELECT * FROM customers ORDER BY rowid")


async def all_of(rows: Rows, size: int = 1000) -> list[tuple[int, Row]]:
    return [row async for page in rows.pages(size) for row in page]


async def read(source: Any, **options: Any) -> list[tuple[int, Row]]:
    with Rows(source, **options) as rows:
        await rows.read()
        read = await all_of(rows)
        assert len(read) == rows.count
    return read


async def error_of(source: Any, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        await read(source, **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


# -- databases --------------------------------------------------------------------------------------------------------


@DRIVERS
async def test_every_row_of_a_query_arrives_once_and_in_order(database: Path, driver: str) -> None:
    rows = await read(EVERYBODY, connect=in_sqlite(database, driver=driver))
    assert [number for number, _ in rows] == list(range(1, CUSTOMERS + 1))
    assert [row["customer_id"] for _, row in rows if isinstance(row, Mapping)] == [f"c{n}" for n in range(CUSTOMERS)]


@DRIVERS
async def test_a_query_with_parameters_gives_no_page_twice(database: Path, driver: str) -> None:
    """The trap of the blocks' own `fetch_many`."""
    query = SqlQuery(
        connector="warehouse",
        query="SELECT * FROM customers WHERE amount < :most AND due_date = :day",
        parameters={"most": 1_050, "day": "2012-09-08"},
    )
    rows = await read(query, connect=in_sqlite(database, driver=driver))
    assert len(rows) == 1_050
    assert len({row["customer_id"] for _, row in rows if isinstance(row, Mapping)}) == 1_050


class Pages:
    """Receives rows and remembers how many came at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def take_columns(self, names: Sequence[str]) -> None:
        assert not self.sizes

    def take_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.sizes.append(len(rows))


@DRIVERS
async def test_rows_come_a_page_at_a_time(database: Path, driver: str) -> None:
    pages = Pages()
    await read_query(EVERYBODY, pages, page_rows=700, connect=in_sqlite(database, driver=driver))
    assert pages.sizes == [700, 700, 700, 400]


@DRIVERS
async def test_no_connection_is_held_once_the_rows_are_read(database: Path, driver: str) -> None:
    kind = AsyncSqlAlchemyConnector if driver else SqlAlchemyConnector
    block = kind(connection_info=f"sqlite{driver}:///{database}")
    with Rows(EVERYBODY, connect=connected(block)) as rows:
        await rows.read()
        assert block.get_engine().pool.checkedout() == 0
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM customers")
        connection.close()
        assert len(await all_of(rows)) == CUSTOMERS


@DRIVERS
async def test_a_query_that_finds_nobody_is_no_error(database: Path, driver: str) -> None:
    nobody = SqlQuery(connector="warehouse", query="SELECT * FROM customers WHERE false")
    assert await read(nobody, connect=in_sqlite(database, driver=driver)) == []


async def test_reading_lets_the_event_loop_go_on(database: Path) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    heart = asyncio.create_task(beat())
    slow = SqlQuery(
        connector="warehouse",
        query="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
        "SELECT max(i) AS id, 'n/a' AS phone FROM n",
    )
    await read(slow, connect=in_sqlite(database))
    heart.cancel()
    assert beats > 50


@DRIVERS
@pytest.mark.parametrize(
    ("query", "parameters", "message"),
    [
        ("SELECT * FORM customers", {}, "does not accept the query on warehouse: near"),
        ("SELECT * FROM custommers", {}, "no such table: custommers; correct the query"),
        ("SELECT customer_id, name FROM customers", {}, "no column phone (found: customer_id, name)"),
        ("SELECT phone FROM customers", {}, "query on warehouse: there is no column id or customer_id (found: phone)"),
        ("SELECT a.*, b.* FROM customers a, customers b", {}, "more than one column is called amount, customer_id"),
        ("SELECT * FROM customers WHERE due_date < :day", {}, "needs a value for :day"),
        ("SELECT * FROM customers WHERE due_date < :dya", {"day": 1}, "needs a value for :dya"),
        ("SELECT * FROM customers", {"day": 1}, "the query on warehouse has no :day"),
        ("DELETE FROM customers", {}, "has to be a SELECT"),
        ("-- all\n/* of\nthem */ DROP TABLE customers", {}, "has to be a SELECT"),
        ("WITH c AS (SELECT 1) DELETE FROM customers", {}, "attempt to write a readonly database"),
        ("", {}, "has to be a SELECT"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
async def test_a_query_that_cannot_work_is_one_sentence(
    database: Path, driver: str, query: str, parameters: dict[str, Any], message: str
) -> None:
    source = SqlQuery.model_construct(
        connector="warehouse", query=query, parameters=parameters, columns=ColumnMapping(), default_region=None
    )
    assert message in await error_of(source, connect=in_sqlite(database, driver=driver))
    with closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (CUSTOMERS,)
    connection.close()


@DRIVERS
async def test_a_misspelled_database_file_is_named_and_not_made(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "recievables.sqlite"
    message = await error_of(EVERYBODY, connect=in_sqlite(path, driver=driver))
    assert message == f"the connector block warehouse names a database file that is not there: {path}"
    assert not path.exists()


@pytest.mark.parametrize(
    "block",
    [
        lambda: SqlAlchemyConnector(connection_info="postgresql+psycopg://collector:hush-hush@127.0.0.1:1/receivables"),
        lambda: AsyncSqlAlchemyConnector(
            connection_info="postgresql+asyncpg://collector:hush-hush@127.0.0.1:1/receivables"
        ),
    ],
    ids=["sync", "async"],
)
async def test_an_unreachable_database_is_named_without_its_password(block: Callable[[], Any]) -> None:
    with Rows(EVERYBODY, connect=connected(block())) as rows, pytest.raises(SourceUnavailable) as caught:
        await rows.read()
    assert "the database of the connector block warehouse cannot be reached" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_missing_driver_is_named() -> None:
    block = SqlAlchemyConnector(connection_info="mssql+pyodbc://collector@127.0.0.1/receivables")
    assert "cannot be used: No module named" in await error_of(EVERYBODY, connect=connected(block))


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_postgres_gives_the_same_rows_whatever_the_driver(postgres_database: str, driver: str) -> None:
    engine = create_async_engine(postgres_database)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE TABLE overdue (id bigint, phone text, amount numeric(12,2), due date, photo bytea, notes jsonb)"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO overdue SELECT n, '020 7946 ' || lpad(n::text, 4, '0'), 120.50, '2012-09-08', "
                "CASE WHEN n = 7 THEN '\\x89'::bytea END, '{\"a\": [1]}' FROM generate_series(1, 1500) n"
            )
        )
    await engine.dispose()
    url = make_url(postgres_database).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)
    kind = AsyncSqlAlchemyConnector if driver == "asyncpg" else SqlAlchemyConnector
    query = SqlQuery(
        connector="warehouse",
        query="SELECT * FROM overdue WHERE id <= :most ORDER BY id",
        parameters={"most": 1200},
        default_region="GB",
    )
    with Rows(query, connect=connected(kind(connection_info=url))) as rows:
        await rows.read()
        assert rows.count == 1200
        screen = Screen(default_region=rows.default_region)
        screened = [screen.screen(number, row) for number, row in await all_of(rows)]
    called = [result for result in screened if isinstance(result, Recipient)]
    assert len(called) == 1199
    assert called[0].params == {"amount": "120.50", "due": "2012-09-08", "notes": {"a": [1]}}
    photo = screened[6]
    assert not isinstance(photo, Recipient)
    assert photo.bucket is Bucket.BAD_ROW
    assert "'photo' holds binary data" in photo.reason
    bad = SqlQuery(connector="warehouse", query="SELECT 1 / (id - 1100) AS id, phone FROM overdue")
    assert "division by zero" in await error_of(bad, connect=connected(kind(connection_info=url)))


async def test_a_source_that_breaks_off_gives_no_rows_at_all(database: Path) -> None:
    block = SqlAlchemyConnector(connection_info=f"sqlite:///{database}")
    broken = SqlQuery(
        connector="warehouse",
        query="SELECT *, CASE WHEN rowid > 2200 THEN json('{') END AS notes FROM customers",
    )
    assert "malformed JSON" in await error_of(broken, connect=connected(block))


async def test_a_second_try_begins_from_the_first_row(database: Path) -> None:
    block = SqlAlchemyConnector(connection_info=f"sqlite:///{database}")
    tries = 0

    async def connect(name: str) -> Connector:
        nonlocal tries
        tries += 1
        connector: Connector = block
        return connector

    with Rows(EVERYBODY, connect=connect) as rows:
        await rows.read()
        await rows.read()
        assert tries == 2
        assert rows.count == CUSTOMERS == len(await all_of(rows))


# -- files ------------------------------------------------------------------------------------------------------------


async def test_a_file_streams_in_pages(tmp_path: Path) -> None:
    path = tmp_path / "overdue.csv"
    path.write_text("id;phone;name\n" + "".join(f"{n};+4420794{60000 + n};a\n" for n in range(2_345)), "utf-8-sig")
    with Rows(CsvFile(path=path, default_region="GB")) as rows:
        await rows.read()
        assert [len(page) async for page in rows.pages(1000)] == [1000, 1000, 345]
        assert [len(page) async for page in rows.pages(700)] == [700, 700, 700, 245]
        assert (await all_of(rows, 7))[-1] == (2_345, {"id": "2344", "phone": "+442079462344", "name": "a"})
        assert rows.default_region == "GB"


async def test_a_bad_row_of_a_file_is_one_row_of_many(tmp_path: Path) -> None:
    path = tmp_path / "overdue.csv"
    path.write_text("id,phone\n1,+12125550100\n2\n3,+12125550101\n")
    rows = await read(CsvFile(path=path))
    assert [isinstance(row, BadRow) for _, row in rows] == [False, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "the file is empty"),
        (b"id,name\n1,a\n", "overdue.csv: there is no column phone (found: id, name)"),
        (b"id,phone,phone\n", "overdue.csv: more than one column is called phone"),
        (b"id,phone\n1,+12125550100\n2,Zo\xeb\n", "line 3 is not UTF-8"),
        (b'id,phone\n1,"+12125550100\n', "a quotation mark that opens in line 2 is not closed"),
    ],
)
async def test_a_file_that_cannot_work_is_one_sentence(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "overdue.csv"
    if content is not None:
        path.write_bytes(content)
    assert message in await error_of(CsvFile(path=path))


# -- mappings ---------------------------------------------------------------------------------------------------------


def made(count: int) -> Iterator[dict[str, Any]]:
    return (
        {"id": n, "phone": f"+4420794{60000 + n}", "due": date(2012, 9, 8), "amount": Decimal("9.90")}
        for n in range(count)
    )


async def made_later(count: int) -> AsyncIterator[dict[str, Any]]:
    for row in made(count):
        await asyncio.sleep(0)
        yield row


@pytest.mark.parametrize("make", [made, made_later, lambda count: list(made(count))], ids=["sync", "async", "list"])
@pytest.mark.parametrize("count", [0, 1, 1000, 2_001])
async def test_rows_of_an_upstream_task_take_the_same_path(
    make: Callable[[int], Iterable[Mapping[str, Any]]], count: int
) -> None:
    rows = await read(make(count))
    assert rows == list(enumerate(made(count), 1))


async def test_mappings_may_differ_in_their_keys() -> None:
    rows = await read([{"phone": "+12125550100"}, {"id": 2}, 7, {"id": 3, "phone": "+12125550101"}])
    assert [type(row).__name__ for _, row in rows] == ["dict", "dict", "BadRow", "dict"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": 1, "telephone": "+12125550100"}], "the rows: there is no column phone (found: id, telephone)"),
        ("rows.csv", "not a str"),
        ({"id": 1, "phone": "+12125550100"}, "not a dict"),
        (7, "not a int"),
    ],
)
async def test_what_is_not_rows_is_one_sentence(rows: Any, message: str) -> None:
    assert message in await error_of(rows)


async def test_mappings_bring_their_own_names_for_things() -> None:
    rows = Rows([{"account": 1, "mobile": "020 7946 0001"}], columns=ColumnMapping(id="account", phone="mobile"))
    with rows:
        await rows.read()
        screen = Screen(mapping=rows.columns, default_region="GB")
        await rows.prepare(screen)
        assert isinstance(screen.screen(*(await all_of(rows))[0]), Recipient)


# -- what a screen is told before the first row -----------------------------------------------------------------------


async def test_who_is_marked_further_down_is_not_called_further_up() -> None:
    people = [{"id": n, "phone": f"+4420794{60000 + n}", "do_not_call": False} for n in range(1_600)]
    people[1_500] |= {"phone": people[0]["phone"], "do_not_call": True}
    with Rows(people) as rows:
        await rows.read()
        screen = Screen()
        await rows.prepare(screen)
        first = screen.screen(*(await all_of(rows))[0])
    assert not isinstance(first, Recipient)
    assert (first.bucket, first.reason) == (Bucket.DO_NOT_CALL, "row 1501 marks the same number do-not-call")


async def test_a_filter_without_its_column_is_one_sentence() -> None:
    with Rows(made(3)) as rows:
        await rows.read()
        with pytest.raises(SourceError, match="rows: there is no column due_date"):
            await rows.prepare(Screen(due_filter=DueFilter(as_of=date(2012, 9, 8), min_days_overdue=1)))


async def test_a_screen_can_be_prepared_for_nobody() -> None:
    with Rows([]) as rows:
        await rows.read()
        await rows.prepare(Screen())


# -- as Prefect runs it -----------------------------------------------------------------------------------------------


async def run_load(source: Source | list[dict[str, Any]]) -> int:
    @flow(name="load something")
    async def load_something() -> int:
        with await load(source) as rows:
            return len(await all_of(rows))

    return await load_something()


@pytest.mark.prefect
@DRIVERS
async def test_a_query_is_run_by_the_connector_block_of_its_name(
    prefect_server: Any, database: Path, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = "warehouse-async" if driver else "warehouse-sync"
    kind = AsyncSqlAlchemyConnector if driver else SqlAlchemyConnector
    await kind(connection_info=f"sqlite{driver}:///{database}").save(name, overwrite=True)
    with caplog.at_level(logging.INFO, "runtime.sources.rows"):
        assert await run_load(EVERYBODY.model_copy(update={"connector": name})) == CUSTOMERS
    assert f"{CUSTOMERS:,} rows read from query on {name}" in caplog.text


@pytest.mark.prefect
async def test_a_block_that_is_not_there_is_named_with_the_way_to_make_it(prefect_server: Any) -> None:
    with pytest.raises(SourceError) as caught:
        await load_connector("wharehouse")
    assert str(caught.value) == (
        "there is no SQLAlchemy Connector block called wharehouse; create one in Prefect's UI under Blocks, or by "
        "`SqlAlchemyConnector(connection_info=...).save('wharehouse')`"
    )


async def test_a_prefect_that_is_away_is_a_source_that_cannot_be_reached() -> None:
    nobody = f"http://127.0.0.1:{Port().hand_over()}/api"
    away = r"^Prefect's API cannot be asked for the connector block warehouse"
    with (
        temporary_settings({PREFECT_API_URL: nobody, PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(SourceUnavailable, match=away),
    ):
        await load_connector("warehouse")


@pytest.mark.parametrize(("status", "kind"), [(503, SourceUnavailable), (401, SourceError)])
async def test_what_prefect_answers_instead_of_a_block_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, status: int, kind: type[SourceError]
) -> None:
    request = httpx.Request("POST", "http://127.0.0.1/api")
    response = httpx.Response(status, json={"detail": "no"}, request=request)
    error = PrefectHTTPStatusError.from_httpx_error(
        httpx.HTTPStatusError("no\nmore", request=request, response=response)
    )

    async def aload(name: str) -> None:
        raise error

    monkeypatch.setattr(SqlAlchemyConnector, "aload", aload)
    with pytest.raises(SourceError) as caught:
        await load_connector("warehouse")
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.prefect
async def test_a_source_that_cannot_work_fails_its_task_run_with_the_sentence(
    prefect_server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(SourceError, match="there is no such file"):
        await run_load(CsvFile(path=tmp_path / "nobody.csv"))
    shown = [record for record in caplog.records if record.name == "prefect.task_runs"]
    assert any("nobody.csv: there is no such file" in record.getMessage() for record in shown)
    assert not any(record.exc_info for record in shown)


@pytest.mark.prefect
async def test_a_database_that_was_away_for_a_moment_is_asked_again(
    prefect_server: Any, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [True, True, False]

    async def aload(name: str) -> object:
        if away.pop(0):
            raise RuntimeError("Failed to reach API at http://127.0.0.1")
        return SqlAlchemyConnector(connection_info=f"sqlite:///{database}")

    monkeypatch.setattr(SqlAlchemyConnector, "aload", aload)

    @flow(name="load after all")
    async def load_after_all() -> int:
        with await load.with_options(retry_delay_seconds=0)(EVERYBODY) as rows:
            return rows.count

    assert await load_after_all() == CUSTOMERS
    assert away == []
