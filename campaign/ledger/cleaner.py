"""The cleaner: empties what was said in old calls and forgets old reasons for not calling, while others call.

Promises that nobody waits for more than one small batch of it, that a call which is not over is never touched, and that
whatever protects people stays: states, times, costs, opt-outs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import OPEN
from campaign.clock import Clock
from campaign.errors import LedgerError
from campaign.ledger.notes.refusals import forget_refusals
from campaign.ledger.schema import HOLDS_TEXTS, call_attempts, opt_out_fields

logger = logging.getLogger(__name__)

CALLS_AT_ONCE = 500
"""Calls that are emptied in one transaction."""

EVERY = timedelta(hours=1)

PAUSE_SECONDS = 0.05
"""Between two batches, so that other programs get to write."""

TEXTS = ("outcome", "record", "error", "answer", "message_key")
"""Columns of an attempt in which stands what was said."""

_COLUMNS = call_attempts.c


@dataclass(frozen=True, slots=True)
class Keep:
    """How long the ledger keeps what nobody's protection needs.

    Attributes:
        records: What was said in a call, from its claim on; forever if None.
        refusals: Why somebody was not called.
    """

    records: timedelta | None = None
    refusals: timedelta = timedelta(days=90)


class Cleaner:
    """Cleans one ledger in the background: `start()`, `await stop()`."""

    def __init__(
        self,
        keep: Keep,
        transact: Callable[[Callable[[AsyncConnection], Awaitable[int]]], Awaitable[int]],
        *,
        clock: Clock,
        now: Callable[[], datetime],
    ) -> None:
        self._keep = keep
        self._transact = transact
        self._clock = clock
        self._now = now
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin, unless it has begun already."""
        if self._task is None:
            self._stopping = False
            self._task = asyncio.create_task(self._run(), name="ledger-cleaner")

    async def stop(self) -> None:
        """Finish the batch in hand, and leave the rest to whoever opens the ledger next."""
        self._stopping = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.clean()
            except LedgerError as error:
                logger.warning("Old records and reasons are kept for another hour: %s", error)
            if self._keep.records is None:
                return
            await self._clock.sleep(EVERY.total_seconds())

    async def clean(self) -> None:
        """Do one round: all that is old by now.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        before = self._now() - self._keep.refusals
        await self._batches(lambda connection: forget_refusals(connection, before))
        if self._keep.records is not None:
            old = self._now() - self._keep.records
            await self._batches(lambda connection: empty_calls(connection, old))

    async def _batches(self, work: Callable[[AsyncConnection], Awaitable[int]]) -> None:
        while not self._stopping and await self._transact(work):  # noqa: ASYNC110 - a pause, and no wait for anything
            await asyncio.sleep(PAUSE_SECONDS)


async def empty_calls(connection: AsyncConnection, before: datetime) -> int:
    """Empty some calls that are over and were claimed before. Returns how many.

    None is emptied while outcomes are still to be read by a field that means *no more calls* and was just named.
    """
    unread = select(opt_out_fields.c.field).where(opt_out_fields.c.searched_at.is_(None)).limit(1)
    if (await connection.execute(unread)).first() is not None:
        return 0
    old = (
        select(_COLUMNS.call_key)
        .where(_COLUMNS.claimed_at < before, text(f"({HOLDS_TEXTS})"), _COLUMNS.state.not_in(sorted(OPEN)))
        .order_by(_COLUMNS.claimed_at)
        .limit(CALLS_AT_ONCE)
    )
    if connection.dialect.name == "postgresql":
        old = old.with_for_update(skip_locked=True)
    keys = list((await connection.execute(old)).scalars())
    if keys:
        emptied = update(call_attempts).where(_COLUMNS.call_key.in_(keys)).values(dict.fromkeys(TEXTS))
        await connection.execute(emptied)
    return len(keys)
