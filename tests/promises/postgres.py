"""PostgreSQL under processes that can be killed: the real server, while time is turned.

What a process asks of the server is an effect of it, as a statement to SQLite's file is: a killed process asks nothing
more, and the server rolls back what it had begun. While somebody waits for an answer, time waits a moment too.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import asyncpg
import asyncpg.protocol
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.promises.processes import Process, present_process
from tests.promises.turned_time import TurnedLoop

_QUESTIONS = ("prepare", "bind_execute", "bind_execute_many", "bind", "execute", "query", "close_statement")


class _Connection:
    """What a process has open to the server: killed with it."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def cut(self) -> None:
        """Let the server know nothing but that the connection is gone."""
        with suppress(Exception):
            self._protocol.abort()


@contextmanager
def postgres_of_processes(loop: TurnedLoop) -> Iterator[None]:
    """Within this, connections by asyncpg belong to the process that opens them, and to this loop's time."""
    real = asyncpg.protocol.Protocol

    class Protocol(real):  # type: ignore[misc, valid-type]
        process: Process | None = None

        async def close(self, timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncpg's own
            with loop.asking():
                return await super().close(timeout)

    def asked(name: str) -> Any:
        async def ask(self: Any, *args: Any, **options: Any) -> Any:
            process = self.process
            if process is not None:
                process.before_effect()
            with loop.asking():
                answer = await getattr(super(Protocol, self), name)(*args, **options)
            if process is not None:
                process.after_effect()
                await process.pause()
            return answer

        return ask

    for name in _QUESTIONS:
        setattr(Protocol, name, asked(name))

    connect = asyncpg.connect

    async def connecting(*args: Any, **options: Any) -> Any:
        with loop.asking():
            connection = await connect(*args, **options)
        process = present_process()
        connection._protocol.process = process  # noqa: SLF001 - there is no other way to it
        if process is not None:
            process.belongings.append(_Connection(connection._protocol))  # noqa: SLF001 - as above
        return connection

    with (
        mock.patch.object(asyncpg.protocol, "Protocol", Protocol),
        mock.patch.object(asyncpg, "connect", connecting),
    ):
        yield


def postgres_rows(url: str) -> list[dict[str, Any]]:
    """The ledger's rows, as whoever connects reads them."""
    with psycopg.connect(url.replace("+asyncpg", ""), row_factory=dict_row) as connection:
        try:
            return connection.execute("SELECT * FROM call_attempts").fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def empty(url: str) -> None:
    """Empty a ledger, as if it were new, and keep its tables."""
    with psycopg.connect(url.replace("+asyncpg", ""), autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        kept = [sql.Identifier(name) for (name,) in tables if "version" not in name]
        if kept:
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(kept)))
