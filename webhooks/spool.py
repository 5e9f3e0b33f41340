"""The spool: a file in which accepted events wait until the ledger has them.

Promises that an event which `add` took is on the disk, once, whatever happens to the process afterwards; that events
which arrive together share a disk flush; and that only this user can read the file. What is recorded is emptied of its
contents at once, and forgotten some days later.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from campaign.clock import Clock
from campaign.private_files import identity
from webhooks.received import ANSWERED, Received
from webhooks.spool_file import SpoolError, open_file

T = TypeVar("T")

MOST_ADDED = 512
"""Events in one transaction."""

MOST_UNWRITTEN = 2048
"""Events in memory that wait for the disk; no more are taken on then."""

MOST_FORGOTTEN = 2000
"""Events that are dropped in one transaction."""

LARGEST_VACUUMED = 64 * 1024 * 1024
"""Bytes of a file that is rewritten after an erasure: events that arrive meanwhile wait for it."""

PROBE_EVERY = timedelta(seconds=5)
"""How long a successful write is taken for proof that the next one will succeed."""

_ADD = (
    "INSERT INTO events (identity, received_at, event_type, call_id, call_key, happened_at, data, due_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO NOTHING"
)
_WAITING = "SELECT count(*), coalesce(sum(length(CAST(data AS BLOB))), 0) FROM events WHERE processed_at IS NULL"
_WAITING_OF = _WAITING + " AND number IN (SELECT value FROM json_each(?))"  # noqa: S608 - both are ours
_DUE = (
    "SELECT number, event_type, call_id, call_key, happened_at, data, received_at, tries FROM events"
    " WHERE processed_at IS NULL AND due_at <= ? ORDER BY due_at, number LIMIT ?"
)
_DONE = "UPDATE events SET processed_at = ?, result = ?, data = NULL WHERE number = ? AND processed_at IS NULL"
_ASIDE = "UPDATE events SET processed_at = ?, result = ? WHERE number = ? AND processed_at IS NULL"
_NAMING_PEOPLE = (
    "SELECT number, call_id, call_key FROM events WHERE processed_at IS NOT NULL"
    " AND (data IS NOT NULL OR result LIKE '% recipient %')"
)
_EMPTY = "UPDATE events SET data = NULL, result = 'erased' WHERE number IN (SELECT value FROM json_each(?))"
_LATER = "UPDATE events SET due_at = ?, result = ?, tries = tries + 1 WHERE number = ? AND processed_at IS NULL"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event in the spool that is still to be recorded."""

    number: int
    event: Received
    received_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more is to be done about an event. `result` says what came of it."""

    number: int
    result: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that cannot be recorded at all. It is kept as it is, for whoever looks; `reason` says why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """An event is to be looked at again at `due_at`; `reason` says why."""

    number: int
    due_at: datetime
    reason: str


@dataclass(slots=True, eq=False)
class _Unwritten:
    row: tuple[Any, ...]
    size: int
    answer: asyncio.Future[bool]


class Spool:
    """Used as `async with Spool(path, clock=clock) as spool`. It belongs to the event loop that opens it.

    Args:
        path: The SQLite file; its folder is made if need be.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self.path = path
        self.waiting = 0
        """Events that are still to be recorded."""
        self.waiting_bytes = 0
        """What these hold, in bytes."""
        self.broken: str | None = None
        """Why the last write failed, until one succeeds."""
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._written_at = datetime.min.replace(tzinfo=UTC)
        self._unwritten: list[_Unwritten] = []
        self._adding: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the file, or make it.

        Raises:
            SpoolError: It cannot be opened, or belongs to something else.
        """
        self.waiting, self.waiting_bytes = await self._run(self._open)

    async def close(self) -> None:
        """Write what was taken on, and close the file."""
        while self._adding is not None and not self._adding.done():
            await asyncio.wait([self._adding])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def add(self, event: Received) -> bool:
        """Keep an event: when this returns, it is on the disk.

        Returns:
            False if it was there already.

        Raises:
            SpoolError: It could not be written, or too many wait for the disk.
        """
        if len(self._unwritten) >= MOST_UNWRITTEN:
            raise SpoolError(
                f"{MOST_UNWRITTEN} events wait to be written to {self.path}: its disk is too slow for them."
            )
        row = _row(event, _text(self._clock.now()))
        unwritten = _Unwritten(row, len((row[6] or "").encode()), asyncio.get_running_loop().create_future())
        self._unwritten.append(unwritten)
        if self._adding is None or self._adding.done():
            self._adding = asyncio.create_task(self._add_all(), name="spool-writer")
        return await asyncio.shield(unwritten.answer)

    async def due(self, limit: int) -> list[Waiting]:
        """The events that are to be recorded now, those first that have waited longest."""
        now = self._clock.now()
        return await self._run(lambda: [_waiting(row) for row in self._db().execute(_DUE, (_text(now), limit))])

    async def next_due(self) -> datetime | None:
        """When the next of the waiting events is due; None if none waits."""
        query = "SELECT min(due_at) FROM events WHERE processed_at IS NULL"
        (found,) = await self._run(lambda: self._db().execute(query).fetchone())
        return None if found is None else datetime.fromisoformat(found)

    async def answered(self, call_ids: Collection[str]) -> frozenset[str]:
        """Which of these calls were answered, as far as their events came."""
        query = (
            "SELECT DISTINCT call_id FROM events WHERE event_type = ? AND call_id IN (SELECT value FROM json_each(?))"
        )
        values = (ANSWERED, json.dumps(sorted(call_ids)))
        return frozenset(row[0] for row in await self._run(lambda: self._db().execute(query, values).fetchall()))

    async def note(self, results: Sequence[Done | SetAside | Later]) -> None:
        """Write down what came of some events.

        Raises:
            SpoolError: It could not be written: they will be looked at again.
        """
        now = _text(self._clock.now())
        done = [(now, result.result, result.number) for result in results if isinstance(result, Done)]
        aside = [(now, result.reason, result.number) for result in results if isinstance(result, SetAside)]
        later = [
            (_text(result.due_at), result.reason, result.number) for result in results if isinstance(result, Later)
        ]
        over = json.dumps([result.number for result in results if not isinstance(result, Later)])

        def write(connection: sqlite3.Connection) -> tuple[int, int]:
            events, size = connection.execute(_WAITING_OF, (over,)).fetchone()
            connection.executemany(_LATER, later)
            connection.executemany(_DONE, done)
            connection.executemany(_ASIDE, aside)
            return int(events), int(size)

        events, size = await self._run(lambda: self._commit(write))
        self.waiting -= events
        self.waiting_bytes -= size

    async def forget(self, *, older_than: timedelta) -> int:
        """Drop what was recorded longer ago than that; so many at once that nobody who adds waits for long.

        Returns:
            How many events it was; call it again if it was `MOST_FORGOTTEN`.
        """
        values = (_text(self._clock.now() - older_than), MOST_FORGOTTEN)
        query = "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE processed_at < ? LIMIT ?)"
        return await self._run(lambda: self._commit(lambda connection: connection.execute(query, values).rowcount))

    async def naming_people(self) -> list[tuple[int, str | None, str | None]]:
        """Events that are over and may still say whom they were about: their numbers, calls and keys of attempts."""
        return await self._run(lambda: self._db().execute(_NAMING_PEOPLE).fetchall())

    async def empty(self, numbers: Collection[int]) -> None:
        """Keep of some events no more than that they came."""
        listed = (json.dumps(list(numbers)),)
        await self._run(lambda: self._commit(lambda connection: connection.execute(_EMPTY, listed)))

    async def clean(self, *, rewrite: bool) -> None:
        """Leave nothing in the journal of what was taken out of the file; with `rewrite`, nothing in its free pages."""

        def clean() -> None:
            if rewrite and self.path.stat().st_size <= LARGEST_VACUUMED:
                self._db().execute("VACUUM")
            self._db().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        await self._run(clean)

    async def probe(self) -> None:
        """Find out whether it can be written; not again if something was in the last seconds.

        Raises:
            SpoolError: It cannot.
        """
        if self.broken is None and self._clock.now() - self._written_at < PROBE_EVERY:
            return
        query, values = "INSERT OR REPLACE INTO probes VALUES (1, ?)", (_text(self._clock.now()),)
        await self._run(lambda: self._commit(lambda connection: connection.execute(query, values)))

    # -- taking on -----------------------------------------------------------------------------------------------

    async def _add_all(self) -> None:
        while self._unwritten:
            batch, self._unwritten = self._unwritten[:MOST_ADDED], self._unwritten[MOST_ADDED:]
            write = partial(_add, [unwritten.row for unwritten in batch])
            try:
                new = await self._run(partial(self._commit, write))
            except SpoolError as error:
                for unwritten in batch:
                    unwritten.answer.set_exception(SpoolError(str(error)))
                    unwritten.answer.exception()  # whoever was cancelled meanwhile does not fetch it
                continue
            self.waiting += sum(new)
            self.waiting_bytes += sum(unwritten.size for unwritten, was_new in zip(batch, new, strict=True) if was_new)
            for unwritten, was_new in zip(batch, new, strict=True):
                unwritten.answer.set_result(was_new)

    # -- in the spool's own thread -------------------------------------------------------------------------------

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.broken = (
                f"The spool {self.path} cannot be used: {said}. Check its disk and the permissions of this user."
            )
            raise SpoolError(self.broken) from None

    def _open(self) -> tuple[int, int]:
        self._connection, self._file = open_file(self.path), identity(self.path)
        events, size = self._connection.execute(_WAITING).fetchone()
        return int(events), int(size)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("it is not open")
        return self._connection

    def _commit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in a transaction that is on the disk afterwards."""
        connection = self._db()
        if identity(self.path) != self._file:  # SQLite would write into a deleted file forever
            raise OSError(None, "its file was moved, deleted or replaced; start the receiver again")
        connection.execute("BEGIN IMMEDIATE")
        try:
            answer = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.broken, self._written_at = None, self._clock.now()
        return answer


def _add(rows: Sequence[tuple[Any, ...]], connection: sqlite3.Connection) -> list[bool]:
    return [connection.execute(_ADD, row).rowcount > 0 for row in rows]


def _row(event: Received, now: str) -> tuple[Any, ...]:
    data = None if event.data is None else json.dumps(event.data, separators=(",", ":"))
    happened_at = None if event.happened_at is None else _text(event.happened_at)
    return (event.identity, now, event.event_type, event.call_id, event.call_key, happened_at, data, now)


def _waiting(row: tuple[Any, ...]) -> Waiting:
    number, event_type, call_id, call_key, happened_at, data, received_at, tries = row
    event = Received(
        event_type=event_type,
        call_id=call_id,
        call_key=call_key,
        happened_at=None if happened_at is None else datetime.fromisoformat(happened_at),
        data=None if data is None else json.loads(data),
    )
    return Waiting(number, event, datetime.fromisoformat(received_at), tries)


def _text(moment: datetime) -> str:
    """A moment as the spool writes it: so that the order of texts is the order of times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
