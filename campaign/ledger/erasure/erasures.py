"""Erasures of a ledger: ordered by a person, logged beside it, and done again when an older copy of it comes back.

Promises that an erasure is whole or not begun in the tables, whatever happens to the process; and that what is to
follow it, the line in the log and the cleaning of the file, is made up for by whoever opens the ledger next.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar, cast

from sqlalchemy import Column, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.errors import LedgerError
from campaign.intake import PSEUDONYM
from campaign.ledger.database.connections import Database
from campaign.ledger.database.locks import lock_erasures
from campaign.ledger.erasure.erasing import Erased, Erasing, Named, Order, erase, find_person
from campaign.ledger.erasure.log import Entry, Log, append_to_log, read_log
from campaign.ledger.erasure.pseudonyms import erasure_key, id_pseudonym, make_key, phone_pseudonym, pseudonyms_among
from campaign.ledger.schema import call_attempts, erasures, opt_outs, refusals
from campaign.wording import counted

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ENTRY = tuple(erasures.c[name] for name in Entry.__dataclass_fields__)

_CALLS = call_attempts.c

NAMES_AT_ONCE = 5000
"""Names that are read together when those of an older copy are compared with the log."""


class Transact(Protocol):
    """Does some work in one transaction."""

    def __call__(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> Awaitable[T]:
        """Do it."""
        ...


@dataclass(frozen=True, slots=True)
class Erasure:
    """That somebody was erased: when, by whom and why."""

    erased_at: datetime
    erased_by: str
    reason: str


class Erasures:
    """The erasures of one ledger.

    Args:
        log: The file next to the ledger; by default the SQLite file's own, and none for another database.
    """

    def __init__(self, database: Database, transact: Transact, log: Path | None) -> None:
        self._database = database
        self._transact = transact
        path = database.path
        self.log = log or (None if path is None else path.with_name(f"{path.name}.erasures"))

    async def erase(self, phone: str | None, person: str | None, order: Order) -> Erased:
        """Erase a person by a number or an id; see `campaign.ledger.erasure.erasing`.

        Returns:
            What was found; without entries if the ledger names nobody by it.

        Raises:
            LedgerError: It could not be written, or the number or id belongs to several people and the order does not
                say that all are meant. Nothing was erased.
        """
        named = await find_person(self._database, phone, person, everyone=order.everyone)
        found = Erased()
        if named is not None:
            who = named
            found = await self._transact(
                lambda connection: erase(connection, self._database, who, order, self._database.now())
            )
        await self._finish()
        return found

    async def of(self, phone: str | None, person: str | None) -> list[Erasure]:
        """When the person with this number or id was erased, the last time first.

        Raises:
            LedgerError: It cannot be read.
        """
        phones, persons = [phone] if phone else [], [person] if person else []
        known = await pseudonyms_among(self._database, phones, persons)
        columns = (erasures.c.erased_at, erasures.c.erased_by, erasures.c.reason)
        query = select(*columns).where(self._database.among(erasures.c.pseudonym, known)).distinct()
        rows = await self._database.fetch(query.order_by(erasures.c.erased_at.desc())) if known else ()
        return [Erasure(*row) for row in rows]

    async def last(self) -> datetime | None:
        """When somebody was erased last; None if nobody was.

        Raises:
            LedgerError: It cannot be read.
        """
        ((last,),) = await self._database.fetch(select(func.max(erasures.c.erased_at)))
        return cast("datetime | None", last)

    async def are_done(self) -> bool:
        """Whether the file holds nothing any more of whoever was erased, and the log beside it names all.

        Raises:
            LedgerError: It cannot be read.
        """
        query = select(erasures.c.erasure).where(erasures.c.done_at.is_(None)).limit(1)
        return not await self._database.fetch(query)

    async def begin(self) -> None:
        """Make up for whatever an erasure that was broken off, or a copy from before one, left to be done.

        Raises:
            LedgerError: It cannot be: the ledger must not be used, since people who were erased may be in it.
        """
        log = Log() if self.log is None else await asyncio.to_thread(read_log, self.log)
        key = await erasure_key(self._database)
        if log.key is not None and key not in (None, log.key):
            raise LedgerError(
                f"The log of erasures {self.log} belongs to another ledger than {self._database.name}: nobody is "
                "called. Name the log that belongs to this ledger."
            )
        if key is None and log.key is None:
            return
        missing = {each: log.erasures[each] for each in log.erasures.keys() - await self._known()}
        if missing and log.key is not None:
            log_key = log.key
            count = await self._transact(lambda connection: self._repeat(connection, log_key, missing))
            logger.warning(
                "The ledger %s is older than its log of erasures: %s repeated, %s erased again",
                self._database.name,
                counted(len(missing), "entry was", "entries were"),
                counted(count, "call was", "calls were"),
            )
        if not await self.are_done() or await self._known() - log.erasures.keys():
            await self._finish()

    # -- an older copy that came back ------------------------------------------------------------------------------

    async def _known(self) -> set[str]:
        return {row.erasure for row in await self._database.fetch(select(erasures.c.erasure).distinct())}

    async def _repeat(self, connection: AsyncConnection, key: bytes, missing: dict[str, list[Entry]]) -> int:
        """Erase whom the log names. Returns how many calls it were."""
        await lock_erasures(connection)
        key = await make_key(connection, self._database.now(), key)
        wanted = {each.pseudonym for entries in missing.values() for each in entries if each.theirs_alone}
        persons: dict[str, str] = {}
        phones: dict[str, str] = {}
        for column, pseudonym, found in (
            (_CALLS.phone, phone_pseudonym, phones),
            (opt_outs.c.phone, phone_pseudonym, phones),
            (refusals.c.phone, phone_pseudonym, phones),
            (_CALLS.person, id_pseudonym, persons),
            (_CALLS.recipient_id, id_pseudonym, persons),
            (opt_outs.c.person, id_pseudonym, persons),
            (refusals.c.recipient_id, id_pseudonym, persons),
        ):
            async for name in _names(connection, column):
                if (stands_for := pseudonym(key, name)) in wanted:
                    found[stands_for] = name
        calls = 0
        erasing = Erasing(connection, self._database, key, self._database.now())
        for erasure, entries in missing.items():
            alone = {each.pseudonym for each in entries if each.theirs_alone}
            named = Named(
                frozenset(name for stands_for, name in persons.items() if stands_for in alone),
                frozenset(name for stands_for, name in phones.items() if stands_for in alone),
            )
            found_now, _ = await erasing.empty(named, erasure)
            await erasing.log(entries)
            calls += found_now.calls
        return calls

    # -- what follows an erasure -----------------------------------------------------------------------------------

    async def _finish(self) -> None:
        """Write the log next to the ledger, and leave nothing in the file. What fails is tried at the next opening."""
        if await erasure_key(self._database) is None:
            return
        try:
            await self._write_log()
            if await self._database.clean_file():
                now = self._database.now()
                done = update(erasures).where(erasures.c.done_at.is_(None)).values(done_at=now)
                await self._transact(lambda connection: connection.execute(done))
        except (LedgerError, OSError) as error:
            logger.warning("What follows an erasure is tried again when the ledger is next opened: %s", error)

    async def _write_log(self) -> None:
        key = await erasure_key(self._database)
        if self.log is None or key is None:
            return
        written = await asyncio.to_thread(read_log, self.log)
        rows = await self._database.fetch(select(*_ENTRY).order_by(erasures.c.erased_at, erasures.c.pseudonym))
        by_erasure: defaultdict[str, list[Entry]] = defaultdict(list)
        for row in rows:
            by_erasure[row.erasure].append(Entry(*row))
        new = [each for erasure, entries in by_erasure.items() if erasure not in written.erasures for each in entries]
        if new:
            await asyncio.to_thread(append_to_log, self.log, key, new, is_new=written.key is None)


async def _names(connection: AsyncConnection, column: Column[str]) -> AsyncIterator[str]:
    """Each number or id in a column that is no pseudonym, once."""
    query = select(column).where(column.is_not(None), ~column.startswith(PSEUDONYM)).distinct()
    result = await connection.stream(query.execution_options(yield_per=NAMES_AT_ONCE))
    async for rows in result.partitions():
        for (name,) in rows:
            yield name
