"""The dialer: takes recipients, keeps the lines busy, and follows each call to its end.

Promises that a line is never idle while somebody may be called, that the rules are asked again in the moment of the
claim, and that a run which must stop (a bad key, a budget, a hold) stops dialing at once and says why.
All batches of a run share one dialer: its lines, its pauses, its watcher.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self

from campaign.agent import CallingAgent
from campaign.attempts import COUNTS, ENDED, STATE_OF_STATUS, Attempt, AttemptState, Claim
from campaign.batches import Batch, Result
from campaign.buckets import Bucket
from campaign.budget import Budget
from campaign.claiming import claim_request
from campaign.clock import Clock, SystemClock
from campaign.dial_settings import DialSettings
from campaign.errors import CampaignError, JobConflict, LedgerError
from campaign.facts import Fact
from campaign.ledger import CallEnd, Ledger
from campaign.lines import Lines, LinesClosed
from campaign.numbers import mask
from campaign.outcomes import end_of_call
from campaign.placing import lease_seconds, place_call
from campaign.recipients import Recipient
from campaign.rules import Never, NotNow, Rules, asks_for_no_more_calls
from campaign.settling import Settler
from campaign.stops import Stop, stop_kind
from campaign.watcher import Over, Watcher
from hamsa import CallRequest, HamsaClient, HamsaError, NotPlaced, Refused, Unauthorized, Uncertain
from hamsa.models import CallSummary, JobRecord

logger = logging.getLogger(__name__)

OUTCOME_FETCHES = 8
"""How many records of ended calls are read at once: behind the dialing, never in its way."""

HOLD_ASKED_EVERY = timedelta(seconds=5)
"""How soon a running campaign notices that it was put on hold."""

OUTCOME_TRIES = 6
"""How often the record of an ended call is asked for before it is left to a later run, or its end noted without it."""


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
        clock: Time for pauses, pace and looks.
        on_fact: Told of each fact once the ledger has it; must be quick.
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
        clock: Clock | None = None,
        on_fact: Callable[[Fact], None] | None = None,
        recheck: Callable[[Recipient], Awaitable[Never | NotNow | None]] | None = None,
        permit: Callable[[], AbstractAsyncContextManager[Any]] = _nobody_objects,
        rng: random.Random | None = None,
    ) -> None:
        self.campaign = campaign
        self.run_id = run_id
        self.settings = settings or DialSettings()
        self.stopped: Stop | None = None
        self._client = client
        self._ledger = ledger
        self._agent = agent
        self._rules = rules
        self._account = account
        self._clock = clock or SystemClock()
        self._on_fact = on_fact or (lambda _fact: None)
        self.recheck = recheck
        self._permit = permit
        self._rng = rng or random.Random()
        self.lines = Lines(self.settings.lines, clock=self._clock, calls_per_minute=self.settings.calls_per_minute)
        self.settler = Settler(client, ledger, self.settings.settle)
        self._watcher = Watcher(
            client,
            ledger,
            self.settler,
            clock=self._clock,
            agent_id=agent.voice_agent_id,
            by_webhook=agent.webhook_url is not None,
            settings=self.settings.watch,
            on_unauthorized=self._unauthorized,
        )
        self._fetching = asyncio.Semaphore(OUTCOME_FETCHES)
        self._queued: set[int] = set()
        self._room = asyncio.Event()
        self._at_the_limit: set[asyncio.Timeout] = set()
        self._hold_asked: datetime | None = None
        self._budget = Budget(self.settings)
        self._same_refusals = 0
        self._last_refusal: str | None = None
        self._refused_since: datetime | None = None

    async def __aenter__(self) -> Self:
        totals = await self._ledger.totals(self.campaign)
        mine = await self._ledger.count_attempts(campaign=self.campaign, run_id=self.run_id, states=COUNTS)
        self._budget.begin(spent=totals.cost, dearest=totals.dearest, made=mine)
        with suppress(LinesClosed):
            await self._ask_hold()
        self._watcher.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.lines.close()
        await self._watcher.stop()

    def stop(self, stop: Stop) -> None:
        """Dial no more. Calls in progress are followed to their end. The first reason stays."""
        if self.stopped is None:
            self.stopped = stop
            (logger.error if stop.failed else logger.info)("Dialing stops: %s", stop.message)
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
            return _result(recipient, Bucket.NOT_REACHED, why)
        # From here on somebody else has the line.
        return progress if isinstance(progress, Result) else await self._finish(recipient, progress)

    async def _dial_when_free(self, recipient: Recipient) -> "Result | _Ended":
        first = False
        while True:
            try:
                async with self._line(recipient, first=first):
                    return await self._dial(recipient)
            except NotPlaced as error:
                if error.status_code != 429 or not self._may_wait(error):
                    raise
                first = True  # the same recipient goes on with it, before those who wait for their first turn

    def _may_wait(self, error: NotPlaced) -> bool:
        """Whether a 429 is still flow control, rather than a reason to give the task back to its retries."""
        now = self._clock.now()
        if self._refused_since is None:
            self._refused_since = now
        return (now - self._refused_since).total_seconds() + (error.retry_after or 0.0) <= self.settings.longest_refusal

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

    async def _dial(self, recipient: Recipient) -> "Result | _Ended":
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
                    return _result(recipient, verdict.bucket, verdict.reason, until=_until(verdict))
                await self.lines.start()
                claim = await self._claim(recipient)
                if isinstance(claim, NotNow) and claim.bucket is Bucket.NOT_REACHED:
                    self._hold_asked = None  # the claim met a hold first: stop, and say so
                    await self._ask_hold()
                if isinstance(claim, NotNow | Never):
                    return _result(recipient, claim.bucket, claim.reason, until=_until(claim))
                try:
                    job_id, since = (await self._place(recipient, claim)).id, self._clock.now()
                    placed = True
                except Refused as error:
                    self._budget.refused()
                    return _result(recipient, Bucket.REFUSED, str(error), call_key=claim.call_key)
                except (Uncertain, LedgerError) as error:
                    placed = True
                    found = await self._look_for(claim) if isinstance(error, Uncertain) else None
                    if found is None:
                        self._budget.unknown()
                        return _result(recipient, Bucket.UNCERTAIN, _unknown(error), call_key=claim.call_key)
                    job_id, since = found
                over = await self._watcher.end_of(claim.call_key, job_id, since)
            if over is None:
                self._budget.unknown()
                reason = f"{self._why_given_up()}; settling follows it"
                return _result(recipient, Bucket.IN_PROGRESS, reason, call_key=claim.call_key)
            return _Ended(claim, job_id, over, self._clock.now())
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
                self.stop(Stop(stop_kind(error), str(error), failed=True))
                raise
            yield

    async def _recheck(self, recipient: Recipient) -> Never | NotNow | None:
        """Whether somebody became one who is not to be called. Whoever cannot be asked about is not called."""
        try:
            return await self.recheck(recipient) if self.recheck is not None else None
        except CampaignError as error:
            self.stop(Stop(stop_kind(error), str(error), failed=True))
            raise

    @contextmanager
    def _stopping_without_ledger(self) -> Iterator[None]:
        """Whoever cannot read or write the ledger dials nobody more."""
        try:
            yield
        except JobConflict as conflict:
            # One fact that contradicts the others: the ledger itself is well, and the others may be called.
            logger.error("%s", conflict)
            raise
        except LedgerError as error:
            self.stop(Stop("ledger", str(error), failed=True))
            raise

    async def _ask_hold(self) -> None:
        """Stop when somebody put the campaign on hold; asked every few seconds, in the midst of dialing."""
        now = self._clock.now()
        if self._hold_asked is not None and now - self._hold_asked < HOLD_ASKED_EVERY:
            return
        self._hold_asked = now
        with self._stopping_without_ledger():
            note = await self._ledger.on_hold(self.campaign)
        if note is not None:
            message = f"The campaign {self.campaign} is on hold ({note}): nobody is called until it is let go on."
            self.stop(Stop("hold", message, failed=False))
            raise LinesClosed

    async def _claim(self, recipient: Recipient) -> Claim | NotNow | Never:
        with self._stopping_without_ledger():
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
            with self._stopping_without_ledger():
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
            self._unauthorized(error)
            raise LinesClosed from error
        except Refused as error:
            self._refused(error)
            raise
        except Uncertain as error:
            logger.warning("%s: nobody knows whether the phone rang; settling finds out (%s)", mask(claim.phone), error)
            self._tell("uncertain", claim, reason=str(error))
            raise
        self._same_refusals = 0
        self._refused_since = None
        self.lines.accepted()
        logger.debug("%s: calling (job %s)", mask(claim.phone), placed.job.id)
        if placed.first:
            self._tell("placed", claim, job_id=placed.job.id)
        return placed.job

    async def _request(self, recipient: Recipient, claim: Claim) -> CallRequest:
        try:
            return self._agent.request(recipient.phone, recipient.params, claim.call_key)
        except ValueError as error:
            # Nothing was sent: as good as a refusal, and not left for settling to find out.
            refused = Refused(f"the call cannot be asked for: {error}")
            await self._ledger.refuse(claim, error=str(refused))
            raise refused from error

    def _unauthorized(self, error: Unauthorized) -> None:
        said = str(error).rstrip(".")
        message = (
            f"Hamsa does not accept the API key: {said}. Put a valid key into the credentials block and run again."
        )
        self.stop(Stop("unauthorized", message, failed=True))

    def _why_given_up(self) -> str:
        if self.stopped is not None and self.stopped.kind == "unauthorized":
            return "Hamsa does not accept the API key, so nobody can say how the call ended"
        minutes = self.settings.watch.give_up_after / 60
        return f"no end after {minutes / 60:.1f} h" if minutes >= 60 else f"no end after {minutes:.1f} minutes"

    def _refused(self, error: Refused) -> None:
        key = error.message_key or str(error.status_code)
        self._same_refusals = self._same_refusals + 1 if key == self._last_refusal else 1
        self._last_refusal = key
        if self._same_refusals >= self.settings.stop_after_same_refusals:
            said = str(error).rstrip(".")
            message = f"Hamsa refused {self._same_refusals} calls in a row alike: {said}. Mend it and run again."
            self.stop(Stop("refusals", message, failed=True))

    async def _attempt(self, call_key: str) -> Attempt:
        found = await self._ledger.attempts(call_keys=[call_key])
        if not found:
            raise LedgerError(
                f"The ledger has lost the attempt {call_key}: was another file or database put in its place? Bring it "
                "back, and run again."
            )
        return found[0]

    async def _look_for(self, claim: Claim) -> tuple[str, datetime] | None:
        """Keep the line for a while and see whether an uncertain attempt's call turns up: its job and since when."""
        try:
            with self._stopping_without_ledger():
                attempt = await self._attempt(claim.call_key)
            if attempt.state is AttemptState.UNCERTAIN and not await self._watcher.adopted(attempt):
                return None
            with self._stopping_without_ledger():
                attempt = await self._attempt(claim.call_key)
        except LedgerError:
            return None  # it stays uncertain, and is told as such
        return (attempt.job_id, attempt.placed_at or attempt.claimed_at) if attempt.job_id else None

    # -- ends ----------------------------------------------------------------------------------------------------

    async def follow(self, attempt: Attempt) -> Attempt:
        """Follow a call that an earlier run placed, on a line of its own, to its end.

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
                over = await self._watcher.end_of(attempt.call_key, attempt.job_id, since)
            finally:
                self.lines.release()
            with self._stopping_without_ledger():
                if over is not None:
                    ended = _Ended(attempt, attempt.job_id, over, self._clock.now())
                    cost = (await self._note_end(attempt, ended)).cost
                return await self._attempt(attempt.call_key)
        except (LedgerError, Unauthorized, _Unread):
            return attempt
        finally:
            self._budget.follows_no_more(cost)

    async def follow_all(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """`follow` for many at once. What cannot be followed stays as it was, for the next run."""
        return list(await asyncio.gather(*(self.follow(attempt) for attempt in attempts)))

    async def _finish(self, recipient: Recipient, ended: "_Ended") -> Result:
        try:
            with self._stopping_without_ledger():
                end = await self._note_end(ended.attempt, ended)
        except (LedgerError, Unauthorized, _Unread) as error:
            self._budget.unknown()
            reason = f"the call is over, but its end could not be noted ({error}); settling does"
            return _result(recipient, Bucket.IN_PROGRESS, reason, call_key=ended.attempt.call_key)
        self._budget.ended(failed=end.state is AttemptState.FAILED, cost=end.cost)
        reason = end.error or end.state.value.replace("_", " ")
        return _result(recipient, Bucket[end.state.name], reason, call_key=ended.attempt.call_key)

    async def _note_end(self, attempt: Attempt | Claim, ended: "_Ended") -> CallEnd:
        """Read the record of an ended call, and write the end into the ledger."""
        if ended.over.in_ledger:
            return await self._take_end_from_ledger(attempt, ended)
        record, error = ended.over.record, None
        if record is None:
            async with self._fetching:
                record, error = await self._read_record(ended.job_id, needed=_talked(ended.over.row))
        end = end_of_call(
            record,
            ended.over.row,
            opt_out_fields=self._rules.opt_out_fields,
            ended_at=ended.at,
            error=error,
        )
        # Learned from the same question that settling asks: what the answer to a POST gives back proves less.
        end = replace(end, echoed=record is not None and record.call_key == attempt.call_key)
        first = await self._ledger.end(end, call_key=attempt.call_key, job_id=ended.job_id)
        if not first:  # somebody else noted an end before: that one stands, and is reported
            row = await self._attempt(attempt.call_key)
            end = replace(end, state=row.state) if row.state in ENDED else end
        if first:
            logger.debug("%s: %s", mask(attempt.phone), _words(end))
            self._tell("ended", attempt, job_id=ended.job_id, end=end)
        return end

    async def _take_end_from_ledger(self, attempt: Attempt | Claim, ended: "_Ended") -> CallEnd:
        """A webhook or another run was quicker: add what it could not know and this run needs."""
        row = await self._attempt(attempt.call_key)
        end = CallEnd(state=row.state, status=row.status, cost=row.cost, duration_seconds=row.duration_seconds)
        # The door has opt-out fields of its own; this policy's count as well: who refused is never called again.
        outcome = row.outcome
        if (outcome is None and row.state in _TALKED) or (row.cost is None and self.settings.max_cost is not None):
            async with self._fetching:
                record, _ = await self._read_record(ended.job_id, needed=outcome is None and row.state in _TALKED)
            if record is not None:
                read = end_of_call(
                    record, None, opt_out_fields=self._rules.opt_out_fields, ended_at=ended.at, error=None
                )
                outcome = outcome if outcome is not None else read.outcome
                end = replace(end, cost=row.cost if row.cost is not None else read.cost, outcome=outcome)
        refuses = not row.opted_out and asks_for_no_more_calls(outcome, self._rules.opt_out_fields)
        if refuses or end.cost != row.cost or outcome != row.outcome:
            await self._ledger.end(replace(end, opted_out=refuses), call_key=attempt.call_key)
        return end

    async def _read_record(self, job_id: str, *, needed: bool) -> tuple[JobRecord | None, str | None]:
        """The record of an ended call, or why its end is noted without it.

        Args:
            job_id: Whose.
            needed: Whether somebody may have talked: what they said, that they want no more calls perhaps, is in there.

        Raises:
            _Unread: Hamsa did not give it for now, and it is needed. The end is not noted: a later run reads it.
            Unauthorized: The key is no good. The end is not noted: what the callee said is read with a good key.
        """
        problem = ""
        for look in range(OUTCOME_TRIES):
            try:
                return await self._client.get_job(job_id), None
            except Unauthorized as error:
                self._unauthorized(error)
                raise
            except Refused as error:
                return None, f"the call's record cannot be read: {error}"
            except HamsaError as error:
                problem = str(error)
                # Spread out, so that many calls that ended together do not ask together again.
                pause = max(min(error.retry_after or 0.0, 60.0), 0.5 * 2**look)
                await self._clock.sleep(pause * (0.5 + self._rng.random()))
        if needed:
            raise _Unread(f"its record could not be read: {problem}")
        return None, f"the call's record could not be read: {problem}"

    def _tell(
        self,
        kind: Literal["placed", "ended", "uncertain"],
        attempt: Attempt | Claim,
        *,
        job_id: str | None = None,
        end: CallEnd | None = None,
        reason: str | None = None,
    ) -> None:
        fact = Fact(
            kind=kind,
            campaign=attempt.campaign,
            recipient_id=attempt.recipient_id,
            call_key=attempt.call_key,
            attempt=attempt.attempt,
            phone=attempt.phone,
            run_id=self.run_id,
            # A call of an earlier run, or one that settling found, may be another agent's.
            agent_id=attempt.agent_id if isinstance(attempt, Attempt) else self._agent.voice_agent_id,
            job_id=job_id,
            end=end,
            reason=reason,
        )
        try:
            self._on_fact(fact)
        except Exception:
            # The ledger has it; whoever did not hear of it must not take the call down with them.
            logger.exception("The event of attempt %s (%s) could not be told", attempt.call_key, kind)


_TALKED = frozenset({AttemptState.COMPLETED, AttemptState.FORWARDED, AttemptState.TERMINATED})
"""Ends before which somebody may have talked to the agent."""


class _Unread(Exception):
    """The record of a call in which somebody may have talked could not be read for now."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A call whose end was noticed and is still to be written down."""

    attempt: Attempt | Claim
    job_id: str
    over: Over
    at: datetime


def _until(verdict: NotNow | Never) -> datetime | None:
    return verdict.until if isinstance(verdict, NotNow) else None


def _unknown(error: Exception) -> str:
    """Why nobody knows whether a phone rang."""
    return f"{error}; settling finds out" if isinstance(error, Uncertain) else str(error)


def _talked(row: CallSummary | None) -> bool:
    """Whether somebody may have talked, by what the list says of a call that is over."""
    return row is None or row.status is None or STATE_OF_STATUS.get(row.status, AttemptState.FAILED) in _TALKED


def _words(end: CallEnd) -> str:
    words = end.state.value.replace("_", " ")
    return f"{words} after {end.duration_seconds:.0f} s" if end.duration_seconds else words


def _result(
    recipient: Recipient, bucket: Bucket, reason: str, *, call_key: str | None = None, until: datetime | None = None
) -> Result:
    return Result(
        row=recipient.row,
        recipient_id=recipient.id,
        phone=recipient.phone,
        bucket=bucket,
        reason=reason,
        call_key=call_key,
        until=until,
    )
