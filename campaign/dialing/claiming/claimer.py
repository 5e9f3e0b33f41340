"""The last steps before a POST: hold, shared limit, recheck, pace, and the claim by the rules and the limits.

Promises that each of them is asked in the moment of dialing, and that whoever has to wait for a limit holds nothing
that others could use.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from campaign.attempts import Claim
from campaign.buckets import Bucket
from campaign.clock import Clock
from campaign.dialing.claiming.last_look import FRESH, LastLook, Recheck
from campaign.dialing.claiming.limit_queue import LimitQueue
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.dialing.lines import Lines, LinesClosed
from campaign.dialing.safeguards import Stopping
from campaign.errors import CampaignError
from campaign.intake import Recipient
from campaign.ledger import Ledger, LimitReached, Limits
from campaign.reporting import Result, Stop
from campaign.rules import Never, NotNow

HOLD_ASKED_EVERY = timedelta(seconds=5)
"""How soon a running campaign notices that it was put on hold."""

Permit: TypeAlias = Callable[[], AbstractAsyncContextManager[Any]]


class Claimer:
    """Gets claims for a run.

    Args:
        limits: What bounds the run's calls and the campaign's cost.
        permit: Entered around each call: a limit that is shared with other flows and machines.
        recheck: Asked just before each claim whether the recipient is still to be called; gives the reason if not.
    """

    def __init__(
        self,
        ledger: Ledger,
        claimant: Claimant,
        *,
        limits: Limits,
        lines: Lines,
        stopping: Stopping,
        clock: Clock,
        permit: Permit,
        recheck: Recheck | None,
    ) -> None:
        self.limits = limits
        self._ledger = ledger
        self._claimant = claimant
        self._lines = lines
        self._stopping = stopping
        self._clock = clock
        self._permit = permit
        self._recheck = recheck
        self._queue = LimitQueue(clock)
        self._at_the_permit: set[asyncio.Timeout] = set()
        self._hold_asked: datetime | None = None

    def begin(self) -> None:
        """The run begins: runs that call from now on share its `max_calls`."""
        self.limits = replace(self.limits, began_at=self._ledger.now())

    def agent_changed(self, at: datetime) -> None:
        """The agent was changed: claims from now on say so."""
        self._claimant = replace(self._claimant, agent_updated_at=at)

    def wake(self) -> None:
        """A call has ended, or was not made after all: there may be room below a limit."""
        self._queue.wake()

    def close(self) -> None:
        """The run stops: nobody waits here any more."""
        self._queue.close()
        now = asyncio.get_running_loop().time()
        for wait in self._at_the_permit:
            wait.reschedule(now)

    def last_look(self, recipient: Recipient) -> LastLook:
        """What is asked about a recipient before each claim, to be closed when there is no more to claim."""
        return LastLook(self._recheck, recipient, self._clock)

    async def claim(self, recipient: Recipient, look: LastLook, held: AsyncExitStack) -> Claim | Result:
        """Get the right to dial, as soon as the limits leave room, or the result that says why there is none.

        Args:
            look: The last look at whether they are still to be called.
            held: Holds the slot of the shared limit, if there is a claim.

        Raises:
            LinesClosed: The run stops.
            SlowAnswer: The last look takes long: give the line back meanwhile.
            CampaignError: The ledger or the shared limit cannot be asked.
        """
        if self._queue.is_empty:
            answer = await self._ask(recipient, look, held)
            if not isinstance(answer, LimitReached):
                return answer
            self._stop_if_final(answer)
        async with self._queue.turn():
            while True:
                self._queue.about_to_ask()
                answer = await self._ask(recipient, look, held)
                if not isinstance(answer, LimitReached):
                    return answer
                self._stop_if_final(answer)
                await self._queue.change()
                with self._stopping.stop_on_ledger_error():
                    await self._ledger.expire_leases()  # what a lost run claimed is not waited for

    def _stop_if_final(self, reached: LimitReached) -> None:
        if not reached.may_wait:
            self._stopping.stop(Stop(reached.kind, reached.message, failed=False))
            raise LinesClosed

    async def _ask(self, recipient: Recipient, look: LastLook, held: AsyncExitStack) -> Claim | Result | LimitReached:
        if self._stopping.stopped is not None:
            raise LinesClosed
        await self.ask_hold()
        async with AsyncExitStack() as slot:
            await slot.enter_async_context(self._permitted())
            if (verdict := await self._verdict(look)) is not None:
                return _result(recipient, verdict)
            looked = self._clock.now()
            await self._lines.start()
            # All lines may have been paused for minutes: what was true before it may not be true any more.
            if self._clock.now() - looked > FRESH and (verdict := await self._verdict(look)) is not None:
                return _result(recipient, verdict)
            answer = await self._claim(recipient)
            if isinstance(answer, NotNow) and answer.bucket is Bucket.NOT_REACHED:
                self._hold_asked = None  # the claim met a hold first: stop, and say so
                await self.ask_hold()
            if isinstance(answer, NotNow | Never):
                return _result(recipient, answer)
            if isinstance(answer, Claim):
                await held.enter_async_context(slot.pop_all())
            return answer

    async def _claim(self, recipient: Recipient) -> Claim | NotNow | Never | LimitReached:
        with self._stopping.stop_on_ledger_error():
            return await self._ledger.claim(claim_request(recipient, self._claimant, self.limits))

    @asynccontextmanager
    async def _permitted(self) -> AsyncIterator[None]:
        """Within the limit that is shared with others. A run that stops waits for it no more."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(None) as wait:
                    self._at_the_permit.add(wait)
                    try:
                        await stack.enter_async_context(self._permit())
                    finally:
                        self._at_the_permit.discard(wait)
            except TimeoutError as stopped:
                raise LinesClosed from stopped
            except CampaignError as error:
                self._stopping.failed(error)
                raise
            yield

    async def _verdict(self, look: LastLook) -> Never | NotNow | None:
        """Whether somebody became one who is not to be called. Whoever cannot be asked about is not called."""
        try:
            return await look.verdict()
        except CampaignError as error:
            self._stopping.failed(error)
            raise

    async def ask_hold(self) -> None:
        """Stop when somebody put the campaign on hold; asked every few seconds, while dialing.

        Raises:
            LinesClosed: It is on hold.
        """
        now = self._clock.now()
        if self._hold_asked is not None and now - self._hold_asked < HOLD_ASKED_EVERY:
            return
        self._hold_asked = now
        campaign = self._claimant.campaign
        with self._stopping.stop_on_ledger_error():
            note = await self._ledger.on_hold(campaign)
        if note is not None:
            message = (
                f"The campaign {campaign} is on hold ({note}): nobody is called until somebody resumes it, by the flow "
                "resume-campaign."
            )
            self._stopping.stop(Stop("hold", message, failed=False))
            raise LinesClosed


def _result(recipient: Recipient, verdict: NotNow | Never) -> Result:
    until = verdict.until if isinstance(verdict, NotNow) else None
    return Result.of(recipient, verdict.bucket, verdict.reason, until=until)
