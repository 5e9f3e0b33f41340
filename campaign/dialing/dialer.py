"""The dialer: takes recipients, keeps the lines busy, and places a call whenever one is free and the rules allow it.

Promises that a line is never idle while somebody may be called, that the rules are asked again in the moment of the
claim, and that a run which must stop (a bad key, a budget, a hold) stops dialing at once and says why.
All batches of a run share one dialer: its lines, its pauses, its budget. Calls in progress are for `CallFollower`.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

from campaign.agent import CallingAgent
from campaign.attempts import Attempt, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.clock import Clock, SystemClock
from campaign.dialing.claiming import Claimant, Claimer, LastLook, Permit, Recheck, SlowAnswer
from campaign.dialing.lines import Lines, LinesClosed
from campaign.dialing.placer import Placer
from campaign.dialing.placing import lease_seconds
from campaign.dialing.safeguards import Canary, Refusals, Stopping
from campaign.errors import LedgerError
from campaign.following import CANNOT_NOTE, CallEvent, CallFollower, Denials, EndedCall, EventEmitter, Settler
from campaign.intake import PeopleShown, Recipient
from campaign.ledger import Ledger, Limits
from campaign.reporting import Batch, Result, Stop
from campaign.rules import DialSettings, Rules
from campaign.wording import counted, span
from hamsa import HamsaClient, NotPlaced, Refused, Uncertain

logger = logging.getLogger(__name__)


class Dialer:
    """Used as `async with Dialer(...) as dialer`, then `await dialer.run(batch)` for any number of batches at once.

    Args:
        account: Whose key it is: Hamsa's project id. Only the same account can settle what it placed.
        agent_updated_at: When the agent was last changed, to be kept with each claim.
        settler: Finds the calls of uncertain attempts; one by the settings if none is given.
        on_event: Called with each event once the ledger has it; must be quick.
        recheck: Asked just before each claim whether the recipient is still to be called; gives the reason if not.
        permit: Entered around each call: a limit that is shared with other flows and machines.
    """

    def __init__(
        self,
        *,
        client: HamsaClient,
        ledger: Ledger,
        agent: CallingAgent,
        rules: Rules,
        campaign: str,
        run_id: str,
        account: str | None = None,
        agent_updated_at: datetime | None = None,
        settings: DialSettings | None = None,
        settler: Settler | None = None,
        clock: Clock | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
        recheck: Recheck | None = None,
        permit: Permit = nullcontext,
        rng: random.Random | None = None,
    ) -> None:
        self.campaign = campaign
        self.run_id = run_id
        self.settings = settings or DialSettings()
        self._ledger = ledger
        self._whose = account, agent.voice_agent_id
        self._clock = clock or SystemClock()
        rng = rng or random.Random()
        self.lines = Lines(self.settings.lines, clock=self._clock, calls_per_minute=self.settings.calls_per_minute)
        self.settler = settler or Settler(client, ledger, self.settings)
        self._canary = Canary(self.settings.canary or None, self.settings.canary_max_failed_share)
        self._refusals = Refusals(self.settings, clock=self._clock, most_unanswered=max(1, client.max_connections // 2))
        self._stopping = Stopping(self._dial_no_more)
        emitter = EventEmitter(on_event or (lambda _event: None), run_id=run_id, agent_id=agent.voice_agent_id)
        self._placer = Placer(
            client,
            ledger,
            agent,
            denials=Denials(client, ledger, self.settings),
            lines=self.lines,
            refusals=self._refusals,
            stopping=self._stopping,
            emitter=emitter,
            clock=self._clock,
            rng=rng,
        )
        self._follower = CallFollower(
            client,
            ledger,
            rules=rules,
            emitter=emitter,
            agent=agent,
            account=account,
            settings=self.settings,
            settler=self.settler,
            clock=self._clock,
            on_unauthorized=self._stopping.unauthorized,
            rng=rng,
        )
        self._approved: PeopleShown | None = None
        self._queued: set[int] = set()
        self._room = asyncio.Event()
        self._claimer = Claimer(
            ledger,
            Claimant(
                campaign=campaign,
                run_id=run_id,
                rules=rules,
                account=account,
                agent_id=agent.voice_agent_id,
                route=agent.number_source,
                lease_seconds=lease_seconds(client),
                agent_updated_at=agent_updated_at,
            ),
            limits=Limits.of(self.settings),
            lines=self.lines,
            stopping=self._stopping,
            clock=self._clock,
            permit=permit,
            recheck=recheck,
        )

    async def __aenter__(self) -> Self:
        self._claimer.begin()
        with suppress(LinesClosed):
            await self._claimer.ask_hold()
        await self._remember_uncertain()
        await self._follower.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.lines.close()
        await self._follower.__aexit__()

    async def _remember_uncertain(self) -> None:
        most = self.settings.stop_after_uncertain
        count, answer = await self._ledger.uncertain_in_a_row(*self._whose, at_most=most)
        if count >= most:
            logger.warning(
                "The last %s of this agent ended uncertain (%s): one call goes first, and if it ends so as well, the "
                "run stops",
                counted(count, "call"),
                answer,
            )
            self._refusals.remember(count)

    @property
    def stopped(self) -> Stop | None:
        """Why no more calls are dialed, if so."""
        return self._stopping.stopped

    def stop(self, stop: Stop) -> None:
        """Dial no more. Calls in progress are followed to their end. The first reason stays."""
        self._stopping.stop(stop)

    def agent_changed(self, at: datetime) -> None:
        """The agent was changed while people are called: claims from now on say so."""
        self._claimer.agent_changed(at)

    def _dial_no_more(self) -> None:
        self.lines.close()
        self._canary.close()
        self._claimer.close()
        self._room.set()

    def allow(self, most: int, words: str) -> None:
        """Make no more calls than this in this run, however often it is resumed; `words` says why no more."""
        limits = self._claimer.limits
        if limits.approved_calls is None or most < limits.approved_calls:
            self._claimer.limits = replace(limits, approved_calls=most, approved_words=words)

    def approve(self, people: PeopleShown, *, at_most: int, cost: float | None) -> None:
        """Call none but these in this run, however often it is resumed; `cost` is None if no price was shown."""
        self._approved = people
        self._claimer.limits = replace(
            self._claimer.limits, approved_calls=at_most, approved_words="as many as were approved", approved_cost=cost
        )

    async def room(self, batch: Batch) -> None:
        """Wait until the lines could soon run short of recipients, then count `batch` among those who wait.

        Whoever starts a batch after this keeps every line busy, and never has more waiting than the lines and one
        batch need: that is what keeps memory flat, however long the list.
        """
        while len(self._queued) >= self.settings.lines and self.stopped is None:
            self._room.clear()
            await self._room.wait()
        self._queued.update(recipient.row for recipient in batch.recipients)

    # -- batches -------------------------------------------------------------------------------------------------

    async def run(self, batch: Batch) -> list[Result]:
        """Call everybody in a batch who has no result yet, as lines come free, and wait for all their ends.

        Returns:
            One result per recipient, in their order.

        Raises:
            NotPlaced: There was no connection, or 429s went on too long. Run the same batch again: who has a result
                is not dialed again.
            CampaignError: The ledger failed, so dialing stopped. Calls already made are followed by the next run.
        """
        todo = [recipient for recipient in batch.recipients if recipient.row not in batch.results]
        calls = [asyncio.create_task(self._call_into(batch, recipient)) for recipient in todo]
        try:
            done = await asyncio.gather(*calls, return_exceptions=True)
        except asyncio.CancelledError:
            for call in calls:
                call.cancel()
            # Claims are given back or marked uncertain before the cancellation goes on: none is orphaned.
            await asyncio.gather(*calls, return_exceptions=True)
            raise
        errors = [error for error in done if isinstance(error, BaseException)]
        for error in sorted(errors, key=lambda error: isinstance(error, NotPlaced)):
            raise error
        return [batch.results[recipient.row] for recipient in batch.recipients]

    async def _call_into(self, batch: Batch, recipient: Recipient) -> None:
        batch.results[recipient.row] = await self.call(recipient)

    # -- one recipient -------------------------------------------------------------------------------------------

    async def call(self, recipient: Recipient) -> Result:
        """Call one recipient when a line is free and the rules allow it, and wait for the end.

        Raises:
            NotPlaced: As for `run`.
            CampaignError: As for `run`.
        """
        if self._approved is not None and recipient not in self._approved:
            self._queued.discard(recipient.row)
            self._room.set()
            return Result.of(recipient, Bucket.NOT_APPROVED, "was not shown when this run was approved")
        try:
            progress = await self._dial_when_free(recipient)
        except LinesClosed:
            why = self.stopped.message if self.stopped else "the run ended"
            return Result.of(recipient, Bucket.NOT_REACHED, why)
        # From here on somebody else has the line.
        return progress if isinstance(progress, Result) else await self._finish(recipient, progress)

    async def _dial_when_free(self, recipient: Recipient) -> Result | EndedCall:
        first = False
        look = self._claimer.last_look(recipient)
        try:
            while True:
                try:
                    async with self._line(recipient, first=first):
                        return await self._dial(recipient, look)
                except SlowAnswer:
                    await look.answered()  # meanwhile somebody else has the line
                except NotPlaced as error:
                    if error.status_code != 429 or not self._refusals.may_wait(error):
                        raise
                first = True  # the same recipient goes on with it, before those who wait for their first turn
        finally:
            await look.close()

    @asynccontextmanager
    async def _line(self, recipient: Recipient, *, first: bool) -> AsyncIterator[None]:
        try:
            await self.lines.acquire(first=first)
        finally:
            self._queued.discard(recipient.row)
            self._room.set()
        try:
            yield
        finally:
            self.lines.release()

    async def _dial(self, recipient: Recipient, look: LastLook) -> Result | EndedCall:
        """Everything that needs the line: from the last look at the rules to the moment the call is over."""
        if (failed := await self._canary.admit()) is not None:
            self.stop(failed)
            raise LinesClosed
        made = False
        try:
            async with AsyncExitStack() as held:
                async with self._refusals.unanswered():
                    claim = await self._claimer.claim(recipient, look, held)
                    if isinstance(claim, Result):
                        return claim
                    placed = await self._placer.place(recipient, claim)
                made = True
                if isinstance(placed, Refused):
                    self._canary.report("refused")
                    return Result.of(recipient, Bucket.REFUSED, str(placed), call_key=claim.call_key)
                if isinstance(placed, Exception):
                    found = await self._look_for(claim) if isinstance(placed, Uncertain) else None
                    if found is None:
                        self._canary.report("uncertain")
                        return Result.of(recipient, Bucket.UNCERTAIN, _unknown(placed), call_key=claim.call_key)
                    placed = found
                ended = await self._follower.wait_for_end(claim, *placed)
            return ended or await self._give_up(recipient, claim)
        finally:
            if not made:
                self._canary.report(None)
            self._claimer.wake()

    # -- calls that were placed ----------------------------------------------------------------------------------

    async def _look_for(self, claim: Claim) -> tuple[str, datetime] | None:
        """See for a while whether an uncertain attempt's call turns up: its job and since when."""
        try:
            with self._stopping.stop_on_ledger_error():
                attempt = await self._follower.look_for(claim.call_key)
        except LedgerError:
            return None  # it stays uncertain, and is reported as such
        return (attempt.job_id, attempt.placed_at or attempt.claimed_at) if attempt.job_id else None

    async def _give_up(self, recipient: Recipient, claim: Claim) -> Result:
        """The result of a call that did not end while this run could follow it."""
        self._canary.report("unended")
        reason = f"{await self._noted(claim) or self._why_given_up()}; settling follows it"
        return Result.of(recipient, Bucket.IN_PROGRESS, reason, call_key=claim.call_key)

    async def _noted(self, claim: Claim) -> str | None:
        """What was noted of a call while it was followed: that Hamsa does not know it, or shows an odd status."""
        with suppress(LedgerError):
            for attempt in await self._ledger.attempts(call_keys=[claim.call_key]):
                return attempt.error
        return None

    def _why_given_up(self) -> str:
        if self.stopped is not None and self.stopped.kind == "unauthorized":
            return "Hamsa does not accept the API key, so nobody can say how the call ended"
        return f"no end after {span(self.settings.give_up_after_seconds)}"

    async def _finish(self, recipient: Recipient, ended: EndedCall) -> Result:
        """Write the end of a call down. Needs no line any more."""
        call_key = ended.attempt.call_key
        try:
            with self._stopping.stop_on_ledger_error():
                end = await self._follower.note(ended)
        except CANNOT_NOTE as error:
            self._canary.report("unended")
            reason = f"the call is over, but its end could not be noted ({error}); settling does"
            return Result.of(recipient, Bucket.IN_PROGRESS, reason, call_key=call_key)
        self._canary.report("failed" if end.state is AttemptState.FAILED else "well")
        self._claimer.wake()
        return Result.of(recipient, Bucket[end.state.name], end.error or end.state.label, call_key=call_key)

    async def follow(self, attempt: Attempt) -> Attempt:
        """Follow a call that an earlier run placed to its end; it takes a line.

        Returns:
            The attempt as the ledger has it afterwards; still `placed` if it was given up, or if the ledger failed.
        """
        try:
            return await self._follower.follow(
                attempt, line=self.lines.taken(), noting=self._stopping.stop_on_ledger_error()
            )
        finally:
            self._claimer.wake()

    async def follow_all(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """`follow` for many at once. What cannot be followed stays as it was, for the next run."""
        return list(await asyncio.gather(*(self.follow(attempt) for attempt in attempts)))


def _unknown(error: Exception) -> str:
    """Why nobody knows whether a phone rang."""
    return f"{str(error).rstrip('.')}; settling finds out" if isinstance(error, Uncertain) else str(error)
