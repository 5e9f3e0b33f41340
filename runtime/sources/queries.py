"""Rows of a database, through the connector blocks of prefect-sqlalchemy, sync or async, of any dialect.

Promises that all rows arrive, each once (the blocks' own `fetch_many` gives the first page twice when the query has
parameters, so it is not used), a page at a time; that the query only reads; that no connection is left open behind the
last row; and that whatever goes wrong is a sentence without a password or a phone number.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect_sqlalchemy import AsyncSqlAlchemyConnector, SqlAlchemyConnector
from sqlalchemy import Connection, Engine, Result, text
from sqlalchemy.exc import ResourceClosedError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncResult

from campaign.database_logs import keep_rows_out_of_logs, keep_values_out_of_logs
from campaign.intake import SourceError, SourceUnavailable, SqlQuery, without_numbers
from runtime.sources.query_parameters import typed_parameters
from runtime.sources.read_only import session_options, session_setup, why_not_reading

_LONGEST_SENTENCE = 300
_GRACE_SECONDS = 5
# SQLSTATE classes and codes of a database in trouble, not of a query that is wrong: the connection, resources, somebody
# who shut it down; and of a transaction that got in the way of another, or of a standby that had to catch up.
_PASSING = ("08", "53", "57P", "40001", "40P01", "55P03")
_CANCELLED = "57014"


class Connector(Protocol):
    """What is needed of a connector block."""

    def get_engine(self) -> Engine | AsyncEngine:
        """The engine of its database."""
        ...


Connect = Callable[[str], Awaitable[Connector]]
"""Gives the connector of a name."""


class Receiver(Protocol):
    """Where rows go. Called from one thread at a time, not always the same one."""

    def take_columns(self, names: Sequence[str]) -> None:
        """First the names of the columns; may raise `SourceError`."""
        ...

    def take_rows(self, rows: Sequence[Mapping[str, Any]]) -> object:
        """Then a page of rows, again and again."""
        ...


async def load_connector(name: str) -> Connector:
    """Load the SQLAlchemy Connector block of this name, or else the Async SQLAlchemy Connector block.

    Raises:
        SourceUnavailable: Prefect does not answer.
        SourceError: There is none, or what is saved in it makes no connector.
    """
    for kind in (SqlAlchemyConnector, AsyncSqlAlchemyConnector):
        try:
            block: Connector = await kind.aload(name)
        except (ValueError, RuntimeError) as error:
            if isinstance(error.__cause__, ObjectNotFound):
                continue
            if str(error).startswith("Failed to reach API"):
                raise _prefect_away(name, error) from error
            raise SourceError(f"the connector block {name} cannot be used: {_sentence(error)}") from error
        except PrefectHTTPStatusError as error:
            if error.response.status_code >= 500:
                raise _prefect_away(name, error) from error
            raise SourceError(f"Prefect does not give the connector block {name}: {_sentence(error)}") from error
        except Exception as error:  # what Prefect's HTTP client raises when nobody answers has no name of Prefect's
            raise _prefect_away(name, error) from error
        return block
    raise SourceError(
        f"there is no SQLAlchemy Connector block called {name}; create one in Prefect's UI under Blocks, or by "
        f"`SqlAlchemyConnector(connection_info=...).save({name!r})`"
    )


def _prefect_away(name: str, error: Exception) -> SourceUnavailable:
    return SourceUnavailable(
        f"Prefect's API cannot be asked for the connector block {name}: {_sentence(error)}; run again when it answers"
    )


async def read_query(
    source: SqlQuery, receiver: Receiver, *, page_rows: int, connect: Connect = load_connector
) -> None:
    """Run a query and hand its rows over, page by page.

    Raises:
        SourceUnavailable: The database cannot be reached.
        SourceError: Something else is wrong with connector, query or parameters.
    """
    engine = await open_engine(source, connect)
    try:
        await read_with(engine, source, receiver, page_rows=page_rows)
    finally:
        await close_engine(engine)


async def open_engine(source: SqlQuery, connect: Connect = load_connector) -> Engine | AsyncEngine:
    """The engine of a query's database, for one query or for many. Whoever opened it closes it.

    Raises:
        SourceUnavailable: Prefect does not answer.
        SourceError: Something is wrong with connector, query or parameters.
    """
    _check_query(source)
    engine = _engine_of(await connect(source.connector), source)
    keep_rows_out_of_logs()
    keep_values_out_of_logs(engine)
    if why := why_not_reading(source.query, engine.dialect.name):
        await close_engine(engine)
        raise SourceError(f"the {source} {why}")
    return engine


async def close_engine(engine: Engine | AsyncEngine) -> None:
    """Close all connections of an engine."""
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        await asyncio.to_thread(engine.dispose)


async def read_with(engine: Engine | AsyncEngine, source: SqlQuery, receiver: Receiver, *, page_rows: int) -> None:
    """Run a query on an open engine; see `read_query`.

    Raises:
        SourceUnavailable: The database cannot be reached.
        SourceError: Something else is wrong, or the query takes longer than it may.
    """
    try:
        # The database ends its own statement first, where it can: then it says so itself.
        async with asyncio.timeout(source.timeout_seconds + _GRACE_SECONDS):
            if isinstance(engine, AsyncEngine):
                async with aclosing(_pages_async(engine, source, page_rows)) as pages:
                    receiver.take_columns(await anext(pages))
                    async for page in pages:
                        receiver.take_rows(page)
            else:
                await _read_in_thread(engine, source, receiver, page_rows)
    except TimeoutError:
        raise _too_slow(source) from None


async def _read_in_thread(engine: Engine, source: SqlQuery, receiver: Receiver, page_rows: int) -> None:
    given_up = threading.Event()

    def read() -> None:
        with closing(_pages(engine, source, page_rows)) as pages:
            receiver.take_columns(next(pages))
            for page in pages:
                if given_up.is_set():
                    return
                receiver.take_rows(page)

    try:
        await asyncio.to_thread(read)
    except asyncio.CancelledError:
        given_up.set()  # a thread cannot be cancelled: it ends with the page that it is at
        raise


def _pages(engine: Engine, source: SqlQuery, page_rows: int) -> Generator[Any]:
    """The names of the columns, and then page after page of rows. Blocks."""
    try:
        connection = engine.connect().execution_options(**session_options(engine))
    except Exception as error:
        raise _unreachable(source, error, engine) from error
    with connection, _interrupted_after(source.timeout_seconds, connection):
        try:
            for setup in session_setup(engine, source.timeout_seconds):
                connection.exec_driver_sql(setup)
            result = connection.execute(text(source.query), source.parameters, execution_options=_by_page(page_rows))
            yield (names := _columns(result, source))
            for rows in result.partitions(page_rows):
                yield [dict(zip(names, row, strict=True)) for row in rows]
        except SourceError:
            raise
        except Exception as error:  # drivers raise what they like while rows are fetched
            raise _failed(source, error, engine) from error


async def _pages_async(engine: AsyncEngine, source: SqlQuery, page_rows: int) -> AsyncGenerator[Any]:
    """The same, for drivers that do not block."""
    try:
        connection = await (await engine.connect()).execution_options(**session_options(engine))
    except Exception as error:
        raise _unreachable(source, error, engine) from error
    async with aclosing(connection), _interrupted_later(source.timeout_seconds, connection):
        try:
            for setup in session_setup(engine, source.timeout_seconds):
                await connection.exec_driver_sql(setup)
            parameters = await typed_parameters(connection, source)
            result = await connection.stream(text(source.query), parameters, execution_options=_by_page(page_rows))
            yield (names := _columns(result, source))
            async for rows in result.partitions(page_rows):
                yield [dict(zip(names, row, strict=True)) for row in rows]
        except SourceError:
            raise
        except Exception as error:  # drivers raise what they like while rows are fetched
            raise _failed(source, error, engine) from error


@contextmanager
def _interrupted_after(seconds: int, connection: Connection) -> Generator[None]:
    """Have SQLite, which knows no time-out, end what it does after so long."""
    if connection.dialect.name != "sqlite":
        yield
        return
    timer = threading.Timer(seconds, connection.connection.dbapi_connection.interrupt)  # type: ignore[union-attr]
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@asynccontextmanager
async def _interrupted_later(seconds: int, connection: AsyncConnection) -> AsyncGenerator[None]:
    """The same for a driver that does not block."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection

    async def interrupt() -> None:
        await asyncio.sleep(seconds)
        await driver.interrupt()

    waiting = asyncio.create_task(interrupt())
    try:
        yield
    finally:
        waiting.cancel()


def _by_page(page_rows: int) -> dict[str, int]:
    # Has the driver keep its cursor on the server and fetch so many rows at a time, where it can.
    return {"yield_per": page_rows}


def _columns(result: Result[Any] | AsyncResult[Any], source: SqlQuery) -> list[str]:
    try:
        return list(result.keys())
    except ResourceClosedError:
        raise SourceError(f"the {source} gives no rows; it has to be a SELECT") from None


def _check_query(source: SqlQuery) -> None:
    wanted = text(source.query).compile().params.keys()
    missing = sorted(wanted - source.parameters.keys())
    if missing:
        raise SourceError(
            f"the {source} needs a value for {_listed(missing)}; give it in the parameters, or write \\: for a plain :"
        )
    unused = sorted(source.parameters.keys() - wanted)
    if unused:
        raise SourceError(f"the {source} has no {_listed(unused)}; correct the name in the query or in the parameters")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f":{name}" for name in names)


def _engine_of(connector: Connector, source: SqlQuery) -> Engine | AsyncEngine:
    try:
        engine = connector.get_engine()
    except (ImportError, SQLAlchemyError) as error:
        raise SourceError(f"the connector block {source.connector} cannot be used: {_sentence(error)}") from error
    file = engine.url.database or ""
    is_file = (
        engine.url.get_backend_name() == "sqlite" and file not in ("", ":memory:") and not file.startswith("file:")
    )
    if is_file and not Path(file).is_file():
        # SQLite would make an empty one.
        raise SourceError(f"the connector block {source.connector} names a database file that is not there: {file}")
    return engine


def _unreachable(source: SqlQuery, error: Exception, engine: Engine | AsyncEngine) -> SourceUnavailable:
    return SourceUnavailable(
        f"the database of the connector block {source.connector} cannot be reached: {_sentence(error, engine)}; check "
        "its address and its user, and that it runs"
    )


def _failed(source: SqlQuery, error: Exception, engine: Engine | AsyncEngine) -> SourceError:
    driver_error = getattr(error, "orig", None) or error
    state = str(getattr(driver_error, "sqlstate", None) or getattr(driver_error, "pgcode", None) or "")
    said = _sentence(error, engine)
    if (state == _CANCELLED and "timeout" in said) or said == "interrupted":
        return _too_slow(source)
    if isinstance(error, OSError) or getattr(error, "connection_invalidated", False):
        return SourceUnavailable(
            f"the connection to the database of the connector block {source.connector} was lost: {said}; run again "
            "when it is back"
        )
    if state.startswith(_PASSING) or "database is locked" in said or "database table is locked" in said:
        return SourceUnavailable(
            f"the database of the connector block {source.connector} cannot answer now: {said}; run again later"
        )
    return SourceError(f"the database does not accept the {source}: {said}; correct the query")


def _too_slow(source: SqlQuery) -> SourceError:
    return SourceError(
        f"the {source} took longer than {source.timeout_seconds} seconds (timeout_seconds); make it quicker, or give "
        "it more time"
    )


def _sentence(error: Exception, engine: Engine | AsyncEngine | None = None) -> str:
    """What a driver says, in one line, without the query, its values, or the password."""
    text = str(getattr(error, "orig", None) or error).partition("(Background on this error")[0].strip()
    line = " ".join((text or type(error).__name__).splitlines()[0].split()).rstrip(".;")
    if engine is not None and engine.url.password:
        line = line.replace(str(engine.url.password), "•••")
    line = without_numbers(line)
    return line if len(line) <= _LONGEST_SENTENCE else line[:_LONGEST_SENTENCE] + "…"
