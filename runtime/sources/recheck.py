"""The last look before each claim: has the customer paid since the list was made, or asked not to be called?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from campaign.buckets import Bucket
from campaign.clock import Clock
from campaign.intake import DoNotCallList, Recipient, SourceError, SourceUnavailable, SqlQuery
from campaign.rules import Never
from runtime.sources.queries import Connect, close_engine, load_connector, open_engine, read_with

logger = logging.getLogger(__name__)

ID_PARAMETER = "id"
"""The parameter of a `still_due` query that stands for the recipient's id."""

LIST_READ_EVERY = timedelta(minutes=10)
"""How old the do-not-call list may get before it is read again. At twice this age nobody is called by it."""


NUMBERS_IN_A_ROW = 5000
"""Numbers taken over before whatever else is due has its turn, some ten milliseconds."""

CONNECTIONS = 5
"""How many connections of the database are used at once; as many as a pool of SQLAlchemy's keeps open."""

TRY_AGAIN_AFTER = (1.0, 5.0)
"""Seconds after which a database that could not be reached is asked again: a dropped connection ends no campaign."""


class Recheck:
    """Asked just before each claim; gives the reason why a recipient is not called after all. A context manager.

    The do-not-call list is read again beside the calls: meanwhile they go by the list of before, whose numbers stay
    blocked for the run. Only a list that is twice as old as it should be holds them up.

    Args:
        clock: Tells how old the do-not-call list is.
        still_due: A query with the parameter `:id`: whoever gives no row is no longer due.
        read_list: Reads the do-not-call list, again and again.
        listed: What it held when the run began.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        still_due: SqlQuery | None,
        read_list: Callable[[], Awaitable[DoNotCallList]] | None,
        listed: DoNotCallList,
        connect: Connect = load_connector,
    ) -> None:
        self._clock = clock
        self._database = _Database(still_due, connect) if still_due is not None else None
        self._read_list = read_list
        self._listed = listed
        self._read_at: datetime = clock.now()
        self._reading: asyncio.Task[DoNotCallList] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._database is not None:
            await self._database.close()

    async def __call__(self, recipient: Recipient) -> Never | None:
        """Look once more.

        Raises:
            SourceError: Nobody can know: the query or the list cannot be read. Nobody is called then.
        """
        await self._refresh()
        if any(each in self._listed for each in (recipient.phone, recipient.id, recipient.person)):
            return Never(Bucket.DO_NOT_CALL, "on the do-not-call list")
        if self._database is not None and not await self._is_due(self._database, recipient):
            return Never(Bucket.NO_LONGER_DUE, "no longer due at the moment of dialing")
        return None

    async def _refresh(self) -> None:
        if self._read_list is None:
            return
        age = self._clock.now() - self._read_at
        if self._reading is None and age >= LIST_READ_EVERY:
            self._reading = asyncio.create_task(self._read_again(self._read_list))
        reading = self._reading
        if reading is None or (not reading.done() and age < 2 * LIST_READ_EVERY):
            return
        listed = await asyncio.shield(reading)
        if self._reading is reading:  # the first of those who waited takes it over
            self._listed = listed
            self._read_at = self._clock.now()
            self._reading = None

    async def _read_again(self, read_list: Callable[[], Awaitable[DoNotCallList]]) -> DoNotCallList:
        listed = await read_list()
        # Whoever was listed stays so for this run: a file that is being written may lack half its rows for a moment.
        for count, number in enumerate(self._listed):
            listed.add(number)
            if count % NUMBERS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return listed

    async def _is_due(self, database: "_Database", recipient: Recipient) -> bool:
        waits = iter(TRY_AGAIN_AFTER)
        while True:
            found = _AnyRow()
            try:
                await database.ask(recipient.id, found)
            except SourceError as error:
                if isinstance(error, SourceUnavailable) and (wait := next(waits, None)) is not None:
                    logger.warning("still_due: %s. It is asked again in %.0f s", error, wait)
                    await self._clock.sleep(wait)
                    continue
                raise type(error)(f"still_due: {error}") from error
            return found.any


class _Database:
    """The database of a query that is asked again and again: one engine, whose pool is never fuller than it may be."""

    def __init__(self, source: SqlQuery, connect: Connect) -> None:
        self._source = source
        self._connect = connect
        self._opening = asyncio.Lock()
        self._turn = asyncio.Semaphore(CONNECTIONS)
        self._engine: Engine | AsyncEngine | None = None

    async def ask(self, recipient_id: str, receiver: "_AnyRow") -> None:
        """Run the query. One that cannot be reached is opened again the next time: its address may have changed."""
        parameters = {**self._source.parameters, ID_PARAMETER: recipient_id}
        asked = self._source.model_copy(update={"parameters": parameters})
        async with self._turn:
            async with self._opening:
                if self._engine is None:
                    self._engine = await open_engine(asked, self._connect)
                engine = self._engine
            try:
                await read_with(engine, asked, receiver, page_rows=1)
            except SourceUnavailable:
                if self._engine is engine:
                    await self.close()
                raise

    async def close(self) -> None:
        """Close its connections."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await close_engine(engine)


class _AnyRow:
    """Takes note of whether there was a row."""

    def __init__(self) -> None:
        self.any = False

    def take_columns(self, names: Sequence[str]) -> None:
        """Any columns will do."""

    def take_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One row is enough."""
        self.any = self.any or bool(rows)
