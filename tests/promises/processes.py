"""Processes that can be killed, all in one event loop: what the world sees of them is the same as of real ones.

Whatever a process does to the world is an effect: a statement to the ledger's file or a request to Hamsa. A kill (as
by SIGKILL) lets no further effect happen: open transactions are rolled back as the system would, requests that were
not sent are never sent, those that were sent live on at Hamsa. Python code of a killed process may still run its
`finally` blocks, but it cannot reach anything any more. A process can be told to die just before or just after its
n-th effect, which are all the moments that the world can tell apart.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Protocol
from unittest import mock
from weakref import WeakSet

import aiosqlite.core
import httpx

from sandbox import Sandbox
from tests.sandbox_transport import SandboxTransport

_CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)

LOCK_PATIENCE_SECONDS = 30.0
"""How long a statement waits for another process that writes to the same file."""


class Belonging(Protocol):
    """What a process holds open, and what ends with it."""

    def cut(self) -> None:
        """End it as the system does."""


class Process:
    """Something that runs and may be killed.

    Args:
        name: For messages; also the run's id.
        seed: Decides how long its effects take, and with that how processes interleave.
        dies_at: It dies at its n-th effect, counted from 1; never if None.
        dies_before: Whether before that effect happens, or after, without learning of it.
        cancelled_at: It is cancelled, as by a person, when its n-th effect is about to happen.
    """

    def __init__(
        self,
        name: str,
        *,
        seed: int = 0,
        dies_at: int | None = None,
        dies_before: bool = True,
        cancelled_at: int | None = None,
    ) -> None:
        self.name = name
        self.dead = False
        self.effects = 0
        self.task: asyncio.Task[Any] | None = None
        self.connections: list[Any] = []
        self.belongings: list[Belonging] = []
        self.most_pages: int | None = None
        self._rng = random.Random(seed)
        self._dies_at = dies_at
        self._dies_before = dies_before
        self._cancelled_at = cancelled_at
        self._tasks: set[asyncio.Task[Any]] = set()
        self._buried: dict[asyncio.Task[Any], int] = {}

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin to run `work` in the present event loop."""
        context = copy_context()
        context.run(_CURRENT.set, self)
        self.task = asyncio.get_running_loop().create_task(work, name=self.name, context=context)

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.task is not None and self.task.done() and not self._tasks

    def fill_disk(self) -> None:
        """Let SQLite find no room for another page of any file, as on a full disk."""
        for connection in self.connections:
            if (raw := connection._connection) is not None:  # noqa: SLF001 - as above
                (self.most_pages,) = raw.execute("PRAGMA page_count").fetchone()
                raw.execute(f"PRAGMA max_page_count={self.most_pages}")

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Count a task as part of this process."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def kill(self) -> None:
        """End it now, as SIGKILL does."""
        if self.dead:
            return
        self.dead = True
        for connection in self.connections:
            raw, connection._connection = connection._connection, None  # noqa: SLF001 - it has no end so sudden
            if raw is None:
                continue
            with suppress(sqlite3.ProgrammingError):  # it was just being closed
                _close_all(connection.cursors)
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
                raw.close()
        for belonging in self.belongings:
            belonging.cut()
        asyncio.get_running_loop().call_soon(self._bury, 0, context=Context())

    def _bury(self, rounds: int) -> None:
        """Take what still waits off the event loop: it waits for what a dead process does not get."""
        for task in list(self._tasks):
            # What was begun for the sake of an orderly end gets a moment for it, or it would leave a mess in memory.
            since = self._buried.setdefault(task, rounds - 10 if rounds == 0 else rounds)
            if rounds - since >= 10:
                self._buried[task] = rounds
                task.cancel()
        if self._tasks and rounds < 1000:
            asyncio.get_running_loop().call_later(0.001, self._bury, rounds + 1, context=Context())

    def before_effect(self) -> None:
        """Count an effect that is about to happen. It does not if the process is dead: this raises then."""
        self._stop_if_dead()
        self.effects += 1
        if self.effects == self._cancelled_at and self.task is not None:
            self.task.cancel()
        if self._dies_before and self.effects == self._dies_at:
            self.kill()
            self._stop_if_dead()

    def after_effect(self) -> None:
        """The effect happened; whether the process learns of it is another matter."""
        if not self._dies_before and self.effects == self._dies_at:
            self.kill()
        self._stop_if_dead()

    async def pause(self) -> None:
        """Let others work: for no time, or for a little."""
        await asyncio.sleep(self._rng.choice((0.0, 0.0, 0.0, 0.002, 0.03, 0.4)))
        self._stop_if_dead()

    def _stop_if_dead(self) -> None:
        if self.dead:
            raise asyncio.CancelledError


def present_process() -> Process | None:
    """The process in which this is asked."""
    return _CURRENT.get()


def count_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let each process know the tasks that are made in it, also by others' code."""

    def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        context: Context | None = options.get("context")
        process = context.get(_CURRENT) if context is not None else _CURRENT.get()
        if process is not None:
            process.adopt(task)
        return task

    loop.set_task_factory(make)


class MortalTransport(httpx.AsyncBaseTransport):
    """Requests of one process to a sandbox: they take a moment there and back, and end with the process.

    Args:
        process: Whose requests these are.
        sandbox: Whom they reach.
    """

    def __init__(self, process: Process, sandbox: Sandbox) -> None:
        self._process = process
        self._inner = SandboxTransport(sandbox)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._process.pause()
        self._process.before_effect()
        try:
            return await self._inner.handle_async_request(request)
        finally:
            self._process.after_effect()
            await self._process.pause()


class _Inline:
    """Stands in for aiosqlite's queue to its thread: what is put in is done at once."""

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, work = item
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            if future is not None:
                future.set_exception(error)
        else:
            if future is not None and not future.done():
                future.set_result(result)


class _NoThread:
    daemon = True

    def start(self) -> None:
        """Nothing is to be started."""


@contextmanager
def sqlite_without_threads() -> Iterator[None]:
    """Within this, aiosqlite works in the event loop itself: no thread, so the same order of events every time.

    Statements are effects of the process that opened the connection. As with a thread, a statement that was asked for
    is carried out in its turn, even if whoever asked does not wait for it any more; what waits for another process's
    lock waits in the event loop, since the other one has to go on meanwhile.
    """
    made = aiosqlite.core.Connection.__init__

    def make(self: Any, connector: Callable[[], sqlite3.Connection], *args: Any, **options: Any) -> None:
        made(self, partial(_connect, connector), *args, **options)
        self._tx = _Inline()
        self._thread = _NoThread()
        self.turn = asyncio.Lock()
        self.cursors = WeakSet()
        self.process = _CURRENT.get()
        if self.process is not None:
            self.process.connections.append(self)

    async def execute(self: Any, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        process: Process | None = self.process
        if process is not None:
            process.before_effect()
        if self._connection is None:
            raise ValueError("Connection closed")
        if args and isinstance(args[0], str) and args[0].startswith("PRAGMA synchronous"):
            args = ("PRAGMA synchronous=OFF",)  # a killed process loses nothing that the system has
        if work == self._conn.close:
            # The processes here share one interpreter: what an ended one left lying about must not hold its locks.
            _close_all(self.cursors)
        result = await asyncio.shield(asyncio.ensure_future(_in_turn(self.turn, partial(work, *args, **options))))
        if isinstance(result, sqlite3.Cursor):
            self.cursors.add(result)
        if process is not None:
            process.after_effect()
            await process.pause()
        return result

    with (
        mock.patch.object(aiosqlite.core.Connection, "__init__", make),
        mock.patch.object(aiosqlite.core.Connection, "_execute", execute),
    ):
        yield


def _connect(connector: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    connection = connector()
    connection.execute("PRAGMA busy_timeout=0")
    if (process := _CURRENT.get()) is not None and process.most_pages is not None:
        connection.execute(f"PRAGMA max_page_count={process.most_pages}")
    return connection


def _close_all(cursors: "WeakSet[sqlite3.Cursor]") -> None:
    """Close cursors. One that is still known to somebody would keep its connection's locks, closed or not."""
    for cursor in list(cursors):
        cursor.close()


async def _in_turn(turn: asyncio.Lock, work: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LOCK_PATIENCE_SECONDS
    async with turn:
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or loop.time() > deadline:
                    raise
            await asyncio.sleep(0.01)
