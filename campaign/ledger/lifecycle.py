"""A ledger from its opening to its end, and the one way in which anything is written to it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.clock import Clock, SystemClock
from campaign.errors import LedgerError
from campaign.finishing import finish
from campaign.ledger.claims.judging import ClaimRequest
from campaign.ledger.claims.totals import rebuild
from campaign.ledger.cleaner import Cleaner, Keep
from campaign.ledger.database.connections import Database
from campaign.ledger.erasure import Erasures
from campaign.ledger.reader import LedgerReader
from campaign.ledger.schema import prepare
from campaign.ledger.transitions import Move
from campaign.ledger.writer import Pending, Writer

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
"""How long a read or a write waits for the database, or for another program that writes to it."""


class LedgerLifecycle(LedgerReader):
    """Opens, writes, closes. See `campaign.ledger.ledger.Ledger`."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        erasure_log: Path | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._keep = keep or Keep()
        clock = clock or SystemClock()
        super().__init__(Database(url, clock=clock, patience_seconds=patience_seconds))
        self._writer = Writer(self._database)
        self._closing = False
        self._naming = asyncio.Lock()
        self._named: set[str] = set()
        self._known_policies: set[str] = set()
        self._cleaner = Cleaner(self._keep, self._transact, clock=clock, now=self.now)
        self.erasures = Erasures(self._database, self._transact, erasure_log)

    # -- opening and closing -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and create or migrate the tables.

        Raises:
            LedgerTooNew: A newer program wrote it.
            LedgerError: It cannot be reached or created.
        """
        if self._database.is_open:
            return
        self._writer = Writer(self._database)  # a fresh one: it belongs to the event loop that opens the ledger
        self._closing = False
        self._naming, self._named, self._known_policies = asyncio.Lock(), set(), set()
        async with self._database.reporting("opened"):
            await self._database.open()
            try:
                await self._writer.run(self._prepare)
                await self.erasures.begin()
                if self._keep.records is not None:
                    self._cleaner.start()
            except BaseException:
                await finish(self._close())  # a read that is still on its way would leave its connection open
                raise

    async def _prepare(self, connection: AsyncConnection) -> None:
        if await connection.run_sync(prepare, self._database.now, self.name):
            await rebuild(connection)

    async def close(self) -> None:
        """Finish the writes that wait, then disconnect. A cancellation is let through when that is done."""
        await finish(self._close())

    async def _close(self) -> None:
        await self._cleaner.stop()
        self._closing = True
        await self._database.finish()
        await self._writer.finish()
        await self._database.close()

    # -- writing -------------------------------------------------------------------------------------------------

    def _submit(self, write: ClaimRequest | Move) -> Pending:
        self._check_open()
        return self._writer.submit(write)

    async def _report(self, move: Move) -> bool:
        # A report is a fact: it is written even if whoever brought it is cancelled meanwhile.
        return bool(await asyncio.shield(self._submit(move).answer))

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        self._check_open()

        async def run() -> T:
            async with self._database.reporting("written"):
                return await self._writer.run(work)

        return await asyncio.shield(self._database.keep(run()))

    def _check_open(self) -> None:
        if self._closing or not self._database.is_open:
            raise LedgerError(f"The ledger {self.name} is not open.")
