"""Where a ledger is kept: its file, its connections, and the time that all its users agree on.

Promises that what was committed is on the disk, that a SQLite file is readable by its owner only, and that one
transaction writes at a time or locks what it reads. Whatever SQLite and PostgreSQL do differently is in here.
"""

import asyncio
import contextlib
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import (
    ARRAY,
    URL,
    Column,
    ColumnElement,
    Connection,
    Executable,
    Row,
    Table,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from campaign.clock import Clock, SystemClock
from campaign.database_logs import keep_rows_out_of_logs
from campaign.errors import LedgerError
from campaign.ledger.database.errors import ledger_error, was_cut
from campaign.ledger.database.tls import tls_of
from campaign.ledger.database.urls import ledger_url
from campaign.private_files import create_private, identity

keep_rows_out_of_logs()

T = TypeVar("T")

AnyRow: TypeAlias = Row[*tuple[Any, ...]]

CONNECTIONS = 4
"""Kept open to a ledger by one process, twice as many when it is busy: one writes, the others read."""

CONNECT_SECONDS = 10.0
"""How long PostgreSQL may take to answer a new connection."""

LARGEST_VACUUMED = 512 * 1024 * 1024
"""Bytes of a SQLite file that is rewritten after an erasure, which keeps others from writing for some seconds."""

CHECKPOINTS = 20
"""How often it is tried to empty the journal."""

ASK_TIME_SECONDS = 60.0
"""How long the difference between the database's clock and this machine's is trusted."""

_BEGIN_ON_POSTGRES = text(
    # A commit that is not on the disk when it returns would let a claim be forgotten; a run that hangs in the middle
    # of a transaction must not keep its locks forever. Stronger settings than these are left alone.
    "SELECT clock_timestamp(), CASE WHEN current_setting('synchronous_commit') = 'off'"
    " THEN set_config('synchronous_commit', 'on', true) END,"
    " set_config('idle_in_transaction_session_timeout', CAST(:patience AS text), true)"
)


class Database:
    """A ledger's database: opened once, read by anybody, written by one transaction at a time.

    Args:
        url: SQLAlchemy URL; the driver may be left out.
        patience_seconds: How long a read or a write may wait for the database or for another program's lock.

    Raises:
        LedgerError: The URL names no database this program can use.
    """

    def __init__(self, url: str, *, clock: Clock, patience_seconds: float) -> None:
        self._url = ledger_url(url)
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._offset = timedelta()
        self._asked_at: float | None = None
        self._engine: AsyncEngine | None = None
        self._file: tuple[int, int] | None = None
        self._kept: set[asyncio.Task[Any]] = set()
        self.erasure_key: bytes | None = None
        """By which those who were erased are recognized, once it was read; see `campaign.ledger.erasure.pseudonyms`."""

    @property
    def name(self) -> str:
        """The URL as it may be shown: without its password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for another database."""
        return Path(self._url.database or "") if self.is_file else None

    @property
    def is_open(self) -> bool:
        """Whether it may be read and written."""
        return self._engine is not None

    def now(self) -> datetime:
        """The time for whoever shares this database: PostgreSQL's, where the clock is this machine's own."""
        return self._clock.now() + self._offset

    async def open(self) -> None:
        """Connect.

        Raises:
            LedgerError: It cannot be reached, or its file cannot be made.
        """
        if self._engine is not None:
            return
        path = Path(self._url.database or "")
        if self.is_file:
            _make_private(path)
        self._engine = _engine(self._url, self._patience_seconds)
        try:
            if self.is_file:
                await self._write_ahead()
                self._file = identity(path)
        except BaseException:
            await self.close()
            raise

    def keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start some work that is finished whatever becomes of who asked for it: to be awaited in a shield.

        A driver that is cancelled between question and answer has to throw its connection away.
        """
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    async def finish(self) -> None:
        """Wait for everything that is kept."""
        while self._kept:
            await asyncio.wait(self._kept)

    async def close(self) -> None:
        """Disconnect. What is on its way fails."""
        engine, self._engine, self._file, self.erasure_key = self._engine, None, None, None
        if engine is not None:
            await engine.dispose()

    async def fetch(self, query: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[AnyRow]:
        """Run one query on its own.

        Raises:
            LedgerError: It cannot be read.
        """
        return await asyncio.shield(self.keep(self._fetch(query, parameters)))

    async def _fetch(self, query: Executable, parameters: Mapping[str, Any] | None) -> Sequence[AnyRow]:
        options = {"ledger_begin": None} if self.is_file else {"isolation_level": "AUTOCOMMIT"}
        for last in (False, True):
            async with self.reporting("read"):
                try:
                    async with self._ready().connect() as plain:
                        connection = await plain.execution_options(**options)
                        return (await connection.execute(query, parameters)).all()
                except DBAPIError as error:
                    # A connection that went stale while it was idle is no reason to fail.
                    if last or not was_cut(error):
                        raise
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, taken back if that raises.

        Raises:
            LedgerError: The ledger is not open, or its file was taken away.
            SQLAlchemyError: As the database says; see `campaign.ledger.database.errors`.
        """
        engine = self._ready()
        self._check_file()
        async with engine.connect() as plain:
            connection = await plain.execution_options(ledger_begin="BEGIN IMMEDIATE")
            async with connection.begin():
                if not self.is_file:
                    await self._begin_on_postgres(connection)
                yield connection

    @asynccontextmanager
    async def reporting(self, verb: str) -> AsyncIterator[None]:
        """Turn whatever the database says into one sentence for the person who runs the campaign."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            # Without its cause: that quotes the statement and the values of a row.
            raise ledger_error(error, ledger=self.name, verb=verb) from None

    def among(self, column: Column[str], values: Collection[str]) -> ColumnElement[bool]:
        """A condition: the column holds one of the values. One statement whatever their number, and one parameter."""
        if self.is_file:
            listed = func.json_each(bindparam(None, json.dumps(list(values)), type_=Text)).table_valued("value")
            return column.in_(select(listed.c.value))
        return column == any_(bindparam(None, list(values), type_=ARRAY(Text)))

    def as_parameter(self, values: Collection[str]) -> str | list[str]:
        """Values for `named_among` and `named_list`."""
        return json.dumps(list(values)) if self.is_file else list(values)

    def _ready(self) -> AsyncEngine:
        if self._engine is None:
            raise LedgerError(f"The ledger {self.name} is not open.")
        return self._engine

    async def _begin_on_postgres(self, connection: AsyncConnection) -> None:
        """Begin a transaction on PostgreSQL, and look at its clock now and then."""
        asked, before = time.monotonic(), self._clock.now()
        milliseconds = str(int(self._patience_seconds * 1000))
        theirs = (await connection.execute(_BEGIN_ON_POSTGRES, {"patience": milliseconds})).scalar_one()
        # A clock that a test turns, or that runs faster, is nobody's to correct.
        if not isinstance(self._clock, SystemClock):
            return
        if self._asked_at is None or asked - self._asked_at >= ASK_TIME_SECONDS:
            self._asked_at = asked
            self._offset = theirs.astimezone(UTC) - (before + (self._clock.now() - before) / 2)

    async def _write_ahead(self) -> None:
        """Set the file's journal to WAL, once for all who ever open it."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                async with self._ready().connect() as plain:
                    connection = await plain.execution_options(ledger_begin=None)
                    await connection.execute(text("PRAGMA journal_mode=WAL"))
                return
            except DBAPIError as error:
                # SQLite does not wait here when two programs open a new file at once.
                if "locked" not in str(error.orig) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.02)

    async def clean_file(self) -> bool:
        """Leave nothing in a SQLite file and its journal of what was taken out of the tables. True if that was done.

        Raises:
            LedgerError: The file cannot be written, or another program holds it for too long.
        """
        path = self.path
        if path is None:
            return True
        async with self.reporting("written"), self._ready().connect() as plain:
            connection = await plain.execution_options(ledger_begin=None)
            if path.stat().st_size <= LARGEST_VACUUMED:
                await connection.execute(text("VACUUM"))
            # Who reads an older state of the file, such as a copy that is being made, holds this up.
            for _ in range(CHECKPOINTS):
                if not (await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))).one()[0]:
                    return True
                await asyncio.sleep(0.1)
        return False

    def _check_file(self) -> None:
        """See that the open file is still the one that others would open: SQLite writes into a deleted one forever."""
        if self._file is not None and identity(Path(self._url.database or "")) != self._file:
            raise LedgerError(
                f"The ledger {self.name} cannot be written: its file was moved, deleted or replaced while it was "
                "open. Nobody is called without it; bring the file back, and run again."
            )


def named_list(name: str, is_file: bool) -> TableValuedAlias:
    """The values of a parameter as a table with a column `value`; see `Database.as_parameter`."""
    if is_file:
        return func.json_each(bindparam(name, type_=Text)).table_valued("value")
    return func.unnest(bindparam(name, type_=ARRAY(Text))).table_valued("value").render_derived()


def named_among(column: Column[str], name: str, is_file: bool) -> ColumnElement[bool]:
    """A condition: the column holds one of the values of a parameter."""
    if is_file:
        return column.in_(select(named_list(name, is_file).c.value))
    return column == any_(bindparam(name, type_=ARRAY(Text)))


def upsert(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what to do with a row that is there already: `on_conflict_do_nothing` or `…_do_update`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _make_private(path: Path) -> None:
    """Make the SQLite file and what SQLite keeps beside it readable by their owner only."""
    try:
        create_private(path)
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            with contextlib.suppress(FileNotFoundError):
                found = file.stat()
                # Another owner's file is theirs to open to a group.
                if found.st_uid == os.geteuid() and found.st_mode & 0o077:
                    file.chmod(found.st_mode & 0o700)
    except OSError as error:
        raise LedgerError(
            f"The ledger file {path} cannot be opened: {error.strerror or error}. Nobody is called without it; "
            "name a file that this user may write, and run again."
        ) from None


def _engine(url: URL, patience_seconds: float) -> AsyncEngine:
    shared: dict[str, Any] = {
        "pool_size": CONNECTIONS,
        "max_overflow": CONNECTIONS,
        "pool_timeout": patience_seconds,
        "hide_parameters": True,  # they are names and phone numbers
        "json_serializer": _as_json,
    }
    if url.get_backend_name() == "postgresql":
        engine = create_async_engine(
            url.set(query={}),
            isolation_level="READ COMMITTED",  # a snapshot taken before the locks would miss what they waited for
            connect_args={
                "timeout": min(CONNECT_SECONDS, patience_seconds),
                "command_timeout": patience_seconds,
                "server_settings": {"application_name": "hamsa-calls"},
                **(
                    {}
                    if (tls := tls_of({name: str(value) for name, value in url.query.items()})) is None
                    else {"ssl": tls}
                ),
            },
            **shared,
        )
        # A plan made while the table was empty would read all of it forever.
        _say_on_connect(engine, "SET plan_cache_mode = force_custom_plan")
        return engine
    engine = create_async_engine(url, connect_args={"timeout": patience_seconds}, **shared)
    # What is deleted is overwritten. The last one is macOS's word for the first.
    _say_on_connect(engine, "PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON", "PRAGMA fullfsync=ON")

    @event.listens_for(engine.sync_engine, "connect")
    def _leave_transactions_alone(dbapi_connection: Any, _record: Any) -> None:
        # They begin where the listener below says; the driver would begin them later, and deferred.
        dbapi_connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("ledger_begin")
        if statement is not None:
            connection.exec_driver_sql(statement)

    return engine


def _say_on_connect(engine: AsyncEngine, *statements: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _say(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        dbapi_connection.commit()


def _as_json(value: Any) -> str:
    """Write what Hamsa sent, whatever it is: one odd value must not lose the record of a call."""
    try:
        return json.dumps(value, allow_nan=False, default=str)
    except ValueError:  # infinity and not-a-number, which PostgreSQL does not take
        return json.dumps(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))
