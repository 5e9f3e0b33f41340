"""The dialer: takes recipients, keeps the lines busy, and places a call whenever one is free and the rules allow it.

Promises that a line is never idle while somebody may be called, that the rules are asked again in the moment of the
claim, and that a run which must stop (a bad key, a budget, a hold) stops dialing at once and says why.
All batches of a run share one dialer: its lines, its pauses, its budget. What becomes of a call is for `CallFollower`.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from campaign.agent import CallingAgent
from campaign.attempts import COUNTS, Attempt, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.clock import Clock, SystemClock
from campaign.dialing.budget import Budget
from campaign.dialing.claiming import claim_request
from campaign.dialing.lines import Lines, LinesClosed
from campaign.dialing.placing import lease_seconds, place_call
from campaign.dialing.refusals import Refusals
from campaign.dialing.settings import DialSettings
from campaign.dialing.stopping import Stopping
from campaign.errors import CampaignError, LedgerError
from campaign.following.call_events import CallEvent, EventEmitter
from campaign.following.follower import CANNOT_NOTE, CallFollower, EndedCall
from campaign.following.settling import Settler
from campaign.intake.numbers import mask
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import Ledger
from campaign.reporting.results import Batch, Result
from campaign.reporting.stops import Stop
from campaign.rules.decision import Never, NotNow, Rules
from hamsa import CallRequest, HamsaClient, NotPlaced, Refused, Unauthorized, Uncertain
from hamsa.models import JobRecord

logger = logging.getLogger(__name__)

HOLD_ASKED_EVERY = timedelta(seconds=5)
"""How soon a running campaign notices that it was put on hold."""


def _nobody_objects() -> AbstractAsyncContextManager[None]:
    return nullcontext()


class Dialer:
    """Used as `async with Dialer(...) as dialer`, then `await dialer.run(batch)` for any number of batches at once.

    Args:
        client: Where calls are made.
        ledger: Open.
        agent: Who talks.
        rules: Asked inside each claim.
        campaign: Its name.
        run_id: Who claims.
        account: Whose key it is: Hamsa's project id. Only the same account can settle what it placed.
        settings: How to dial.
        settler: Finds the calls of uncertain attempts; one by the settings if none is given.
        clock: Time for pauses, pace and looks.
        on_event: Called with each event once the ledger has it; must be quick.
        recheck: Asked just before each claim whether the recipient is still to be called; gives the reason if not.
        permit: Entered around each call: a limit that is shared with other flows and machines.
        rng: Spreads repeated looks.
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
        settings: DialSettings | None = None,
        settler: Settler | None = None,
        clock: Clock | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
        recheck: Callable[[Recipient], Awaitable[Never | NotNow | None]] | None = None,
        permit: Callable[[], AbstractAsyncContextManager[Any]] = _nobody_objects,
        rng: random.Random | None = None,
    ) -> None:
        self.campaign = campaign
        self.run_id = run_id
        self.settings = settings or DialSettings()
        self._client = client
        self._ledger = ledger
        self._agent = agent
        self._rules = rules
        self._account = account
        self._clock = clock or SystemClock()
        self.recheck = recheck
        self._permit = permit
        self._rng = rng or random.Random()
        self.lines = Lines(self.settings.lines, clock=self._clock, calls_per_minute=self.settings.calls_per_minute)
        self.settler = settler or Settler(client, ledger, self.settings.settle)
        self._budget = Budget(self.settings)
        self._refusals = Refusals(self.settings, clock=self._clock)
        self._stopping = Stopping(self._dial_no_more)
        self._emitter = EventEmitter(on_event or (lambda _event: None), run_id=run_id, agent_id=agent.voice_agent_id)
        self._follower = CallFollower(
            client,
            ledger,
            rules=rules,
            emitter=self._emitter,
            settler=self.settler,
            agent_id=agent.voice_agent_id,
            by_webhook=agent.webhook_url is not None,
            needs_cost=self.settings.max_cost is not None,
            watch=self.settings.watch,
            clock=self._clock,
            on_unauthorized=self._stopping.unauthorized,
            rng=self._rng,
        )
        self._queued: set[int] = set()
        self._room = asyncio.Event()
        self._at_the_limit: set[asyncio.Timeout] = set()
        self._hold_asked: datetime | None = None

    async def __aenter__(self) -> Self:
        totals = await self._ledger.totals(self.campaign)
        mine = await self._ledger.count_attempts(campaign=self.campaign, run_id=self.run_id, states=COUNTS)
        self._budget.begin(spent=totals.cost, max_call_cost=totals.max_call_cost, made=mine)
        with suppress(LinesClosed):
            await self._ask_hold()
        await self._follower.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.lines.close()
        await self._follower.__aexit__()

    @property
    def stopped(self) -> Stop | None:
        """Why nobody more is dialed, if so."""
        return self._stopping.stopped

    def stop(self, stop: Stop) -> None:
        """Dial no more. Calls in progress are followed to their end. The first reason stays."""
        self._stopping.stop(stop)

    def _dial_no_more(self) -> None:
        self.lines.close()
        self._budget.close()
        self._room.set()
        now = asyncio.get_running_loop().time()
        for wait in self._at_the_limit:
            wait.reschedule(now)

    def allow(self, most: int, whose: str) -> None:
        """Make no more than so many calls in this run, however often it begins anew.

        Args:
            most: So many.
            whose: Ends the sentence "This run made the … calls".
        """
        self._budget.allow(most, whose)

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
        try:
            progress = await self._dial_when_free(recipient)
        except LinesClosed:
            why = self.stopped.message if self.stopped else "the run ended"
            return Result.of(recipient, Bucket.NOT_REACHED, why)
        # From here on somebody else has the line.
        return progress if isinstance(progress, Result) else await self._finish(recipient, progress)

    async def _dial_when_free(self, recipient: Recipient) -> Result | EndedCall:
        first = False
        while True:
            try:
                async with self._line(recipient, first=first):
                    return await self._dial(recipient)
            except NotPlaced as error:
                if error.status_code != 429 or not self._refusals.may_wait(error):
                    raise
                first = True  # the same recipient goes on with it, before those who wait for their first turn

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

    async def _dial(self, recipient: Recipient) -> Result | EndedCall:
        """Everything that needs the line: from the last look at the rules to the moment the call is over."""
        if (spent := await self._budget.admit()) is not None:
            self.stop(spent)
            raise LinesClosed
        placed = False
        try:
            if self.stopped is not None:
                raise LinesClosed
            await self._ask_hold()
            async with self._permitted():
                if self.recheck is not None and (verdict := await self._recheck(recipient)) is not None:
                    return Result.of(recipient, verdict.bucket, verdict.reason, until=_until(verdict))
                await self.lines.start()
                claim = await self._claim(recipient)
                if isinstance(claim, NotNow) and claim.bucket is Bucket.NOT_REACHED:
                    self._hold_asked = None  # the claim met a hold first: stop, and say so
                    await self._ask_hold()
                if isinstance(claim, NotNow | Never):
                    return Result.of(recipient, claim.bucket, claim.reason, until=_until(claim))
                try:
                    job_id, since = (await self._place(recipient, claim)).id, self._clock.now()
                    placed = True
                except Refused as error:
                    self._budget.refused()
                    return Result.of(recipient, Bucket.REFUSED, str(error), call_key=claim.call_key)
                except (Uncertain, LedgerError) as error:
                    placed = True
                    found = await self._look_for(claim) if isinstance(error, Uncertain) else None
                    if found is None:
                        self._budget.unknown()
                        return Result.of(recipient, Bucket.UNCERTAIN, _unknown(error), call_key=claim.call_key)
                    job_id, since = found
                ended = await self._follower.wait_for_end(claim, job_id, since)
            return ended or self._give_up(recipient, claim)
        finally:
            self._budget.leave(placed=placed)

    @asynccontextmanager
    async def _permitted(self) -> AsyncIterator[None]:
        """Within the limit that is shared with others. A run that stops waits for it no more."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(None) as wait:
                    self._at_the_limit.add(wait)
                    try:
                        await stack.enter_async_context(self._permit())
                    finally:
                        self._at_the_limit.discard(wait)
            except TimeoutError as stopped:
                raise LinesClosed from stopped
            except CampaignError as error:
                self._stopping.failed(error)
                raise
            yield

    async def _recheck(self, recipient: Recipient) -> Never | NotNow | None:
        """Whether somebody became one who is not to be called. Whoever cannot be asked about is not called."""
        try:
            return await self.recheck(recipient) if self.recheck is not None else None
        except CampaignError as error:
            self._stopping.failed(error)
            raise

    async def _ask_hold(self) -> None:
        """Stop when somebody put the campaign on hold; asked every few seconds, in the midst of dialing."""
        now = self._clock.now()
        if self._hold_asked is not None and now - self._hold_asked < HOLD_ASKED_EVERY:
            return
        self._hold_asked = now
        with self._stopping.stop_on_ledger_error():
            note = await self._ledger.on_hold(self.campaign)
        if note is not None:
            message = (
                f"The campaign {self.campaign} is on hold ({note}): nobody is called until somebody resumes it, by the "
                "flow resume-campaign."
            )
            self.stop(Stop("hold", message, failed=False))
            raise LinesClosed

    async def _claim(self, recipient: Recipient) -> Claim | NotNow | Never:
        with self._stopping.stop_on_ledger_error():
            return await self._ledger.claim(
                claim_request(
                    recipient,
                    campaign=self.campaign,
                    run_id=self.run_id,
                    rules=self._rules,
                    lease_seconds=lease_seconds(self._client),
                    account=self._account,
                    agent_id=self._agent.voice_agent_id,
                )
            )

    async def _place(self, recipient: Recipient, claim: Claim) -> JobRecord:
        try:
            with self._stopping.stop_on_ledger_error():
                request = await self._request(recipient, claim)
                placed = await place_call(self._client, self._ledger, claim, request)
        except NotPlaced as error:
            if error.status_code == 429:
                self.lines.refused(error.retry_after)
            else:
                # Nobody else need find out the same way: a short breath for all lines, then the task's own back-off.
                self.lines.pause(1.0 + self._rng.random())
            raise
        except Unauthorized as error:
            self._stopping.unauthorized(error)
            raise LinesClosed from error
        except Refused as error:
            if (stop := self._refusals.refused(error)) is not None:
                self.stop(stop)
            raise
        except Uncertain as error:
            logger.warning("%s: nobody knows whether the phone rang; settling finds out (%s)", mask(claim.phone), error)
            self._emitter.emit("uncertain", claim, reason=str(error))
            raise
        self._refusals.accepted()
        self.lines.accepted()
        logger.debug("%s: calling (job %s)", mask(claim.phone), placed.job.id)
        if placed.first:
            self._emitter.emit("placed", claim, job_id=placed.job.id)
        return placed.job

    async def _request(self, recipient: Recipient, claim: Claim) -> CallRequest:
        try:
            return self._agent.request(recipient.phone, recipient.params, claim.call_key)
        except ValueError as error:
            # Nothing was sent: as good as a refusal, and not left for settling to find out.
            refused = Refused(f"the call cannot be asked for: {error}")
            await self._ledger.refuse(claim, error=str(refused))
            raise refused from error

    # -- calls that were placed ----------------------------------------------------------------------------------

    async def _look_for(self, claim: Claim) -> tuple[str, datetime] | None:
        """See for a while whether an uncertain attempt's call turns up: its job and since when."""
        try:
            with self._stopping.stop_on_ledger_error():
                attempt = await self._follower.look_for(claim.call_key)
        except LedgerError:
            return None  # it stays uncertain, and is reported as such
        return (attempt.job_id, attempt.placed_at or attempt.claimed_at) if attempt.job_id else None

    def _give_up(self, recipient: Recipient, claim: Claim) -> Result:
        """The result of a call that did not end while this run could follow it."""
        self._budget.unknown()
        reason = f"{self._why_given_up()}; settling follows it"
        return Result.of(recipient, Bucket.IN_PROGRESS, reason, call_key=claim.call_key)

    def _why_given_up(self) -> str:
        if self.stopped is not None and self.stopped.kind == "unauthorized":
            return "Hamsa does not accept the API key, so nobody can say how the call ended"
        minutes = self.settings.watch.give_up_after / 60
        return f"no end after {minutes / 60:.1f} h" if minutes >= 60 else f"no end after {minutes:.1f} minutes"

    async def _finish(self, recipient: Recipient, ended: EndedCall) -> Result:
        """Write the end of a call down. Needs no line any more."""
        call_key = ended.attempt.call_key
        try:
            with self._stopping.stop_on_ledger_error():
                end = await self._follower.note(ended)
        except CANNOT_NOTE as error:
            self._budget.unknown()
            reason = f"the call is over, but its end could not be noted ({error}); settling does"
            return Result.of(recipient, Bucket.IN_PROGRESS, reason, call_key=call_key)
        self._budget.ended(failed=end.state is AttemptState.FAILED, cost=end.cost)
        return Result.of(recipient, Bucket[end.state.name], end.error or end.state.label, call_key=call_key)

    async def follow(self, attempt: Attempt) -> Attempt:
        """Follow a call that an earlier run placed to its end: it takes a line, and what it costs counts.

        Returns:
            The attempt as the ledger has it afterwards; still `placed` if it was given up, or if the ledger failed.
        """
        if attempt.job_id is None:
            raise ValueError("only a placed attempt can be followed")
        cost: float | None = None
        self.lines.take()
        self._budget.follows()
        try:
            try:
                since = attempt.placed_at or attempt.claimed_at
                ended = await self._follower.wait_for_end(attempt, attempt.job_id, since)
            finally:
                self.lines.release()
            with self._stopping.stop_on_ledger_error():
                if ended is not None:
                    cost = (await self._follower.note(ended)).cost
                return next(iter(await self._ledger.attempts(call_keys=[attempt.call_key])), attempt)
        except CANNOT_NOTE:
            return attempt
        finally:
            self._budget.follows_no_more(cost)

    async def follow_all(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """`follow` for many at once. What cannot be followed stays as it was, for the next run."""
        return list(await asyncio.gather(*(self.follow(attempt) for attempt in attempts)))


def _until(verdict: NotNow | Never) -> datetime | None:
    return verdict.until if isinstance(verdict, NotNow) else None


def _unknown(error: Exception) -> str:
    """Why nobody knows whether a phone rang."""
    return f"{error}; settling finds out" if isinstance(error, Uncertain) else str(error)
