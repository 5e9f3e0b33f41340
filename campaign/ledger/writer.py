"""The one writer of a ledger in this process: writes that arrive together share a transaction.

Promises that each caller is answered once, by what is then on the disk; that one write which cannot be done takes no
other down; and that whatever happens to the writer, nobody waits for it in vain.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.errors import LedgerError
from campaign.finishing import finish
from campaign.ledger.claims.judging import ClaimRequest
from campaign.ledger.database.connections import Database
from campaign.ledger.database.errors import Blame, blame, was_cut
from campaign.ledger.transaction import Transaction
from campaign.ledger.transitions import Move

logger = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WRITES = 256
"""In one transaction: enough that a disk flush costs little per call, few enough to stay quick."""

MOST_TRIES = 8
"""How often a transaction is tried that met another one."""


@dataclass(slots=True, eq=False)
class Pending:
    """A write that waits for its transaction."""

    write: ClaimRequest | Move
    answer: asyncio.Future[Any]
    taken: bool = False

    def withdraw(self) -> bool:
        """Take the write back, if it is still waiting. Returns whether it was."""
        return not self.taken and self.answer.cancel()


class Writer:
    """Takes writes and answers them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Pending] = deque()
        self._in_hand: Sequence[Pending] = ()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._finishing = False
        self._rng = random.Random()

    def submit(self, write: ClaimRequest | Move) -> Pending:
        """Take a write. Its answer comes when it is committed; several that are taken at once are committed at once."""
        pending = Pending(write, asyncio.get_running_loop().create_future())
        self._waiting.append(pending)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="ledger-writer")
            self._task.add_done_callback(self._stopped)
        return pending

    async def finish(self) -> None:
        """Wait until nothing waits any more. If the database fails meanwhile, the rest is not tried one by one."""
        self._finishing = True
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])
        self._finishing = False

    async def run(self, work: Callable[[AsyncConnection], Awaitable[T]], *, alone: bool = True) -> T:
        """Do some work in one transaction, and do it again if it met another transaction.

        Args:
            work: Everything it does must be in the database: it may run several times.
            alone: Whether a row that somebody else just wrote is a reason to do it again; if not, it is raised.

        Raises:
            LedgerError: The ledger is not open, or its file was taken away.
            Exception: Whatever `work` or the database raises. Nothing was written; if the connection was lost in the
                moment of the commit, nobody knows.
        """
        reconnected = False
        tries = 0
        while True:
            tries += 1
            committing = False
            try:
                async with self._turn, self._database.writing() as connection:
                    answer = await work(connection)
                    committing = True
            except LedgerError:
                raise
            except Exception as error:
                if was_cut(error) and not committing and not reconnected:
                    reconnected = True
                    continue
                met = blame(error) is Blame.MOMENT or (alone and isinstance(error, IntegrityError))
                if not met or tries >= MOST_TRIES:
                    raise
                logger.debug("The ledger's transaction met another one, trying again")
                await asyncio.sleep(self._rng.random() * 0.01 * tries)
            else:
                return answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_WRITES))]
                self._in_hand = [pending for pending in group if not pending.answer.cancelled()]
                for pending in self._in_hand:
                    pending.taken = True
                if self._in_hand:
                    # One that is broken off could hold its lock for long.
                    await finish(self._commit(self._in_hand))
                self._in_hand = ()
        except BaseException as problem:
            self._give_up(type(problem).__name__)
            raise

    async def _commit(self, group: Sequence[Pending]) -> None:
        """Write a group in one transaction and answer each."""
        writes = [pending.write for pending in group]
        try:
            answers = await self.run(
                lambda connection: Transaction(connection, self._database, writes).apply(), alone=len(group) == 1
            )
        except LedgerError as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the callers must have it; the writer goes on
            await self._divide(group, error)
        else:
            for pending, answer in zip(group, answers, strict=True):
                if isinstance(answer, Exception):
                    _fail([pending], answer)
                elif not pending.answer.done():
                    pending.answer.set_result(answer)

    async def _divide(self, group: Sequence[Pending], error: Exception) -> None:
        """After a failure: if it may be the fault of one write, let each show whether it was its own."""
        if len(group) > 1 and blame(error) is Blame.WRITE:
            for pending in group:
                await self._commit([pending])
            return
        try:
            async with self._database.reporting("written"):
                raise error
        except Exception as failure:  # noqa: BLE001  # as above
            _fail(group, failure)
            if self._finishing and isinstance(failure, LedgerError):
                self._give_up("it is being closed and cannot be written")

    def _stopped(self, task: asyncio.Task[None]) -> None:
        if task is self._task and self._waiting:  # it was cancelled before it began
            self._give_up("cancelled")

    def _give_up(self, why: str) -> None:
        """Answer everybody who still waits. The next write starts the writer again."""
        left = [*self._in_hand, *self._waiting]
        self._in_hand = ()
        self._waiting.clear()
        _fail(left, LedgerError(f"The ledger {self._database.name} stopped writing ({why}). Run again."))


def _fail(group: Sequence[Pending], error: Exception) -> None:
    for pending in group:
        if not pending.answer.done():
            pending.answer.set_exception(error)
            pending.answer.exception()  # a caller that was cancelled will not fetch it; that alone is no fault
