"""The dialer: takes recipients, keeps the lines busy, and follows each call to its end.

Promises that a line is never idle while somebody may be called, that the rules are asked again in the moment of the
claim, and that a run which must stop (a bad key, a budget, a hold) stops dialing at once and says why.
All batches of a run share one dialer: its lines, its pauses, its watcher.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, Attempt, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.claiming import claim_request
from campaign.clock import Clock, SystemClock
from campaign.errors import JobConflict, LedgerError
from campaign.ledger import CallEnd, Ledger
from campaign.lines import Lines, LinesClosed
from campaign.numbers import mask
from campaign.outcomes import end_of_call
from campaign.placing import lease_seconds, place_call
from campaign.policy import Policy
from campaign.recipients import Recipient
from campaign.rules import Never, NotNow, Rules, asks_for_no_more_calls
from campaign.settling import Settler, SettleSettings
from campaign.watcher import Over, Watcher, WatchSettings
from hamsa import CallRequest, HamsaClient, HamsaError, NotPlaced, Refused, Unauthorized, Uncertain
from hamsa.models import JobRecord

logger = logging.getLogger(__name__)

OUTCOME_FETCHES = 8
"""How many records of ended calls are read at once: behind the dialing, never in its way."""

HOLD_ASKED_EVERY = timedelta(seconds=5)
"""How soon a running campaign notices that it was put on hold."""

OUTCOME_TRIES = 6
"""How often the record of an ended call is asked for before its end is noted without it."""


@dataclass(frozen=True, slots=True)
class DialSettings:
    """How a run dials. Times in seconds, money in Hamsa's currency.

    Attributes:
        lines: The most calls in progress at once.
        calls_per_minute: The most calls started in a minute.
        max_calls: The most calls of this run.
        max_cost: The most that the campaign may cost, over all its runs.
        canary: How many calls are made alone before the rest.
        canary_max_failed_share: The share of them that may fail.
        stop_after_same_refusals: Refusals in a row with one message key that end the run.
        longest_refusal: How long 429s may go on without one accepted call.
        watch: How the watcher looks.
        settle: When settling believes what.
    """

    lines: int = 5
    calls_per_minute: float | None = None
    max_calls: int | None = None
    max_cost: float | None = None
    canary: int | None = None
    canary_max_failed_share: float = 0.5
    stop_after_same_refusals: int = 30
    longest_refusal: float = 900.0
    watch: WatchSettings = field(default_factory=WatchSettings)
    settle: SettleSettings = field(default_factory=SettleSettings)


def settings_of(policy: Policy) -> DialSettings:
    """How a policy says to dial."""
    return DialSettings(
        lines=policy.lines,
        calls_per_minute=policy.calls_per_minute,
        max_calls=policy.max_calls,
        max_cost=policy.max_cost,
        canary=policy.canary or None,
        canary_max_failed_share=policy.canary_max_failed_share,
        stop_after_same_refusals=policy.stop_after_same_refusals,
        watch=WatchSettings(
            shortest_interval=policy.poll_min_seconds,
            longest_interval=policy.poll_max_seconds,
            give_up_after=float(policy.give_up_after_seconds),
        ),
        settle=SettleSettings(grace_seconds=float(policy.settle_grace_seconds)),
    )


StopKind: TypeAlias = Literal[
    "unauthorized",
    "refusals",
    "max_calls",
    "max_cost",
    "canary",
    "hold",
    "ledger",
    "source",
    "hamsa",
    "prefect",
    "cancelled",
]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run dials no more.

    Attributes:
        kind: For programs and events.
        message: For people: what happened and what to do.
        failed: Whether the run is to be shown as failed, or merely as finished early, as it was told to.
    """

    kind: Literal[
        "unauthorized",
        "refusals",
        "max_calls",
        "max_cost",
        "canary",
        "hold",
        "ledger",
        "source",
        "hamsa",
        "prefect",
        "cancelled",
    ]
    message: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Result:
    """Where one row ended.

    Attributes:
        row: The row's number upstream, from 1.
        recipient_id: The recipient's id, if the row had one.
        phone: E.164, if the row had a number. Never shown unmasked.
        bucket: Exactly one.
        reason: A clause that says why, without a phone number.
        call_key: The attempt, if this run made one.
        until: When the recipient may be called, if that is known.
    """

    row: int
    recipient_id: str | None
    phone: str | None
    bucket: Bucket
    reason: str
    call_key: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something happened to a call, and the ledger has it. Told once."""

    kind: Literal["placed", "ended", "uncertain"]
    campaign: str
    recipient_id: str
    call_key: str
    attempt: int
    phone: str
    run_id: str | None
    agent_id: str | None = None
    job_id: str | None = None
    end: CallEnd | None = None
    reason: str | None = None


class Batch:
    """Recipients that share one task run, and what became of each so far: a repeated task run goes on where it was."""

    __slots__ = ("number", "recipients", "results")

    def __init__(self, number: int, recipients: Sequence[Recipient]) -> None:
        self.number = number
        self.recipients = list(recipients)
        self.results: dict[int, Result] = {}

    def __str__(self) -> str:
        """What a task run that makes these calls is called."""
        if len(self.recipients) == 1:
            return f"recipient {self.recipients[0].id}"
        return f"batch {self.number} ({len(self.recipients)} recipients)"


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
        )
        self._fetching = asyncio.Semaphore(OUTCOME_FETCHES)
        self._queued: set[int] = set()
        self._room = asyncio.Event()
        self._hold_asked: datetime | None = None
        self._budget = _Budget(self.settings)
        self._same_refusals = 0
        self._last_refusal: str | None = None
        self._refused_since: datetime | None = None

    async def __aenter__(self) -> Self:
        self._budget.spent = (await self._ledger.totals(self.campaign)).cost
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

    def allow(self, most: int) -> None:
        """Make no more than so many calls in this run. To be said before the first."""
        own = self.settings.max_calls
        self.settings = replace(self.settings, max_calls=max(0, most if own is None else min(most, own)))
        self._budget = _Budget(self.settings)

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
            async with self._permit():
                if self.recheck is not None and (verdict := await self.recheck(recipient)) is not None:
                    return _result(recipient, verdict.bucket, verdict.reason, until=_until(verdict))
                claim = await self._claim(recipient)
                if isinstance(claim, NotNow | Never):
                    return _result(recipient, claim.bucket, claim.reason, until=_until(claim))
                try:
                    job_id, since = (await self._place(recipient, claim)).id, self._clock.now()
                    placed = True
                except Refused as error:
                    self._budget.refused()
                    return _result(recipient, Bucket.REFUSED, str(error), call_key=claim.call_key)
                except Uncertain as error:
                    placed = True
                    found = await self._look_for(claim)
                    if found is None:
                        self._budget.unknown()
                        reason = f"{error}; settling finds out"
                        return _result(recipient, Bucket.UNCERTAIN, reason, call_key=claim.call_key)
                    job_id, since = found
                except LedgerError as error:
                    placed = True
                    self._budget.unknown()
                    return _result(recipient, Bucket.UNCERTAIN, str(error), call_key=claim.call_key)
                over = await self._watcher.end_of(claim.call_key, job_id, since)
            if over is None:
                self._budget.unknown()
                reason = f"no end after {self.settings.watch.give_up_after / 3600:.1f} h; settling follows it"
                return _result(recipient, Bucket.IN_PROGRESS, reason, call_key=claim.call_key)
            return _Ended(claim, job_id, over, self._clock.now())
        finally:
            self._budget.leave(placed=placed)

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

    def _refused(self, error: Refused) -> None:
        if isinstance(error, Unauthorized):
            message = (
                f"Hamsa does not accept the API key: {error}. Put a valid key into the credentials block and run again."
            )
            self.stop(Stop("unauthorized", message, failed=True))
            return
        key = error.message_key or str(error.status_code)
        self._same_refusals = self._same_refusals + 1 if key == self._last_refusal else 1
        self._last_refusal = key
        if self._same_refusals >= self.settings.stop_after_same_refusals:
            message = f"Hamsa refused {self._same_refusals} calls in a row alike: {error}. Mend it and run again."
            self.stop(Stop("refusals", message, failed=True))

    async def _look_for(self, claim: Claim) -> tuple[str, datetime] | None:
        """Keep the line for a while and see whether an uncertain attempt's call turns up: its job and since when."""
        with self._stopping_without_ledger():
            (attempt,) = await self._ledger.attempts(call_keys=[claim.call_key])
        if attempt.state is AttemptState.UNCERTAIN and not await self._watcher.adopted(attempt):
            return None
        with self._stopping_without_ledger():
            (attempt,) = await self._ledger.attempts(call_keys=[claim.call_key])
        return (attempt.job_id, attempt.placed_at or attempt.claimed_at) if attempt.job_id else None

    # -- ends ----------------------------------------------------------------------------------------------------

    async def follow(self, attempt: Attempt) -> Attempt:
        """Follow a call that an earlier run placed, on a line of its own, to its end.

        Returns:
            The attempt as the ledger has it afterwards; still `placed` if it was given up, or if the ledger failed.
        """
        if attempt.job_id is None:
            raise ValueError("only a placed attempt can be followed")
        self.lines.take()
        try:
            over = await self._watcher.end_of(attempt.call_key, attempt.job_id, attempt.placed_at or attempt.claimed_at)
        finally:
            self.lines.release()
        try:
            with self._stopping_without_ledger():
                if over is not None:
                    await self._note_end(attempt, _Ended(attempt, attempt.job_id, over, self._clock.now()))
                return (await self._ledger.attempts(call_keys=[attempt.call_key]))[0]
        except LedgerError:
            return attempt

    async def follow_all(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """`follow` for many at once. What cannot be followed stays as it was, for the next run."""
        return list(await asyncio.gather(*(self.follow(attempt) for attempt in attempts)))

    async def _finish(self, recipient: Recipient, ended: "_Ended") -> Result:
        try:
            with self._stopping_without_ledger():
                end = await self._note_end(ended.attempt, ended)
        except LedgerError as error:
            reason = f"the call is over, but its end could not be noted ({error})"
            return _result(recipient, Bucket.IN_PROGRESS, reason, call_key=ended.attempt.call_key)
        reason = end.error or end.state.value.replace("_", " ")
        return _result(recipient, Bucket[end.state.name], reason, call_key=ended.attempt.call_key)

    async def _note_end(self, attempt: Attempt | Claim, ended: "_Ended") -> CallEnd:
        """Read the record of an ended call, and write the end into the ledger."""
        if ended.over.in_ledger:
            return await self._take_end_from_ledger(attempt, ended)
        record, error = ended.over.record, None
        if record is None:
            async with self._fetching:
                record, error = await self._read_record(ended.job_id)
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
            (row,) = await self._ledger.attempts(call_keys=[attempt.call_key])
            end = replace(end, state=row.state) if row.state in ENDED else end
        self._budget.ended(failed=end.state is AttemptState.FAILED, cost=end.cost)
        if first:
            logger.debug("%s: %s", mask(attempt.phone), _words(end))
            self._tell("ended", attempt, job_id=ended.job_id, end=end)
        return end

    async def _take_end_from_ledger(self, attempt: Attempt | Claim, ended: "_Ended") -> CallEnd:
        """A webhook or another run was quicker: add what it could not know and this run needs."""
        (row,) = await self._ledger.attempts(call_keys=[attempt.call_key])
        end = CallEnd(state=row.state, status=row.status, cost=row.cost, duration_seconds=row.duration_seconds)
        # The door has opt-out fields of its own; this policy's count as well: who refused is never called again.
        refuses = not row.opted_out and asks_for_no_more_calls(row.outcome, self._rules.opt_out_fields)
        if row.cost is None and self.settings.max_cost is not None:
            record, _ = await self._read_record(ended.job_id)
            if record is not None:
                end = replace(end, cost=record.total_cost)
        if refuses or end.cost != row.cost:
            await self._ledger.end(replace(end, opted_out=refuses), call_key=attempt.call_key)
        self._budget.ended(failed=row.state is AttemptState.FAILED, cost=end.cost)
        return end

    async def _read_record(self, job_id: str) -> tuple[JobRecord | None, str | None]:
        """The record of an ended call, or why its end is noted without it."""
        problem = ""
        for look in range(OUTCOME_TRIES):
            try:
                return await self._client.get_job(job_id), None
            except Refused as error:
                return None, f"the call's record cannot be read: {error}"
            except HamsaError as error:
                problem = str(error)
                # Spread out, so that many calls that ended together do not ask together again.
                pause = max(min(error.retry_after or 0.0, 60.0), 0.5 * 2**look)
                await self._clock.sleep(pause * (0.5 + self._rng.random()))
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
        self._on_fact(
            Fact(
                kind=kind,
                campaign=attempt.campaign,
                recipient_id=attempt.recipient_id,
                call_key=attempt.call_key,
                attempt=attempt.attempt,
                phone=attempt.phone,
                run_id=self.run_id,
                agent_id=self._agent.voice_agent_id,
                job_id=job_id,
                end=end,
                reason=reason,
            )
        )


@dataclass(frozen=True, slots=True)
class _Ended:
    """A call whose end was noticed and is still to be written down."""

    attempt: Attempt | Claim
    job_id: str
    over: Over
    at: datetime


class _Budget:
    """How many calls and how much money a run may still spend, and whether its canary came back."""

    def __init__(self, settings: DialSettings) -> None:
        self.spent = 0.0
        self._settings = settings
        self._dearest = 0.0
        self._admitted = 0
        self._placed = 0
        self._refused = 0
        self._ended = 0
        self._failed = 0
        self._canary_over = settings.canary is None
        self._closed = False
        self._changed = asyncio.Event()

    async def admit(self) -> Stop | None:
        """Wait until one more call is allowed; the reason if none ever will be."""
        while True:
            verdict = self._verdict()
            if verdict is None:
                self._admitted += 1
                return None
            if isinstance(verdict, Stop):
                return verdict
            self._changed.clear()
            await self._changed.wait()

    def leave(self, *, placed: bool) -> None:
        """An admitted call is out of the air, or it was never made."""
        self._admitted -= 1
        if placed:
            self._placed += 1
        self.wake()

    def ended(self, *, failed: bool, cost: float | None = None) -> None:
        """A call is over and priced."""
        self._ended += 1
        self._failed += failed
        if cost is not None:
            self.spent += cost
            self._dearest = max(self._dearest, cost)
        self.wake()

    def refused(self) -> None:
        """Hamsa said no: that costs nothing, but the canary did not sing."""
        self._refused += 1
        self.wake()

    def unknown(self) -> None:
        """A call whose end this run will not learn: it is taken to cost what the dearest one did."""
        self._ended += 1
        self.spent += self._dearest
        self.wake()

    def wake(self) -> None:
        """Let those who wait for admission look again."""
        self._changed.set()

    def close(self) -> None:
        """The run stops: nobody waits here any more."""
        self._closed = True
        self.wake()

    def _verdict(self) -> Stop | Literal["wait"] | None:
        if self._closed:
            return None
        settings = self._settings
        in_air = self._admitted + self._placed - self._ended
        if settings.max_calls is not None and self._placed + self._admitted >= settings.max_calls:
            if self._placed >= settings.max_calls:
                message = f"This run made the {settings.max_calls} calls it may make (max_calls). Run again to go on."
                return Stop("max_calls", message, failed=False)
            return "wait"
        if settings.max_cost is not None and self.spent + (in_air + 1) * self._dearest > settings.max_cost:
            if in_air:
                return "wait"
            message = (
                f"The campaign has cost {self.spent:.2f}, and another call could bring it over {settings.max_cost:.2f} "
                "(max_cost). Raise max_cost to go on."
            )
            return Stop("max_cost", message, failed=False)
        if not self._canary_over and settings.canary is not None:
            if self._placed + self._refused + self._admitted < settings.canary:
                return None
            known = self._ended + self._refused
            if known < settings.canary:
                return "wait"
            bad = self._failed + self._refused
            if bad / known > settings.canary_max_failed_share:
                message = (
                    f"{bad} of the first {known} calls failed or were refused: the rest were not called. "
                    "Look at their errors, mend the cause and run again."
                )
                return Stop("canary", message, failed=True)
            self._canary_over = True
        return None


def _until(verdict: NotNow | Never) -> datetime | None:
    return verdict.until if isinstance(verdict, NotNow) else None


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
