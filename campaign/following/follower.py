"""Ends: what becomes of a call once it is placed. Each end is noticed, read, written into the ledger and told.

Promises that no end is noted before what the callee may have said was read, that of two who report an end the first one
stands, and that a call of which this run does not learn the end is left as it is, for settling to follow.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, STATE_OF_STATUS, Attempt, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.clock import Clock
from campaign.dialing.budget import Budget
from campaign.dialing.lines import Lines
from campaign.dialing.settings import DialSettings
from campaign.dialing.stopping import Stopping
from campaign.errors import LedgerError
from campaign.following.call_events import EventEmitter
from campaign.following.outcomes import end_of_call
from campaign.following.settling import Settler
from campaign.following.watcher import EndSeen, Watcher
from campaign.intake.numbers import mask
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.reporting.results import Result
from campaign.rules.decision import CONVERSATION, Rules, asks_for_no_more_calls
from hamsa import HamsaClient, HamsaError, Refused, Unauthorized
from hamsa.models import CallSummary, JobRecord

logger = logging.getLogger(__name__)

OUTCOME_FETCHES = 8
"""How many records of ended calls are read at once: behind the dialing, never in its way."""

OUTCOME_TRIES = 6
"""How often the record of an ended call is asked for before it is left to a later run, or its end noted without it."""


class _Unread(Exception):
    """The record of a call in which somebody may have talked could not be read for now."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call whose end was noticed and is still to be written down."""

    attempt: Attempt | Claim
    job_id: str
    over: EndSeen
    at: datetime


class CallFollower:
    """Follows the calls of one run: `ends.start()`, `await ends.stop()`.

    Args:
        client: Of the account that places the calls.
        ledger: Open; the ends are written there.
        settler: Finds the calls of uncertain attempts.
        agent: Who talks.
        rules: Name the fields in which somebody asks for no more calls.
        settings: How to watch, and whether costs must be known.
        lines: Calls of earlier runs have lines, too.
        budget: Told what each call cost.
        stopping: Told of a bad key, and of a ledger that is away.
        teller: Told of each end that this run was the first to note.
        clock: Time for looks.
        rng: Spreads repeated looks.
    """

    def __init__(
        self,
        *,
        client: HamsaClient,
        ledger: Ledger,
        settler: Settler,
        agent: CallingAgent,
        rules: Rules,
        settings: DialSettings,
        lines: Lines,
        budget: Budget,
        stopping: Stopping,
        teller: EventEmitter,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._rules = rules
        self._settings = settings
        self._lines = lines
        self._budget = budget
        self._stopping = stopping
        self._teller = teller
        self._clock = clock
        self._rng = rng
        self._fetching = asyncio.Semaphore(OUTCOME_FETCHES)
        self._watcher = Watcher(
            client,
            ledger,
            settler,
            clock=clock,
            agent_id=agent.voice_agent_id,
            by_webhook=agent.webhook_url is not None,
            settings=settings.watch,
            on_unauthorized=stopping.unauthorized,
        )

    def start(self) -> None:
        """Begin to look for ends."""
        self._watcher.start()

    async def stop(self) -> None:
        """Look no more. Calls still followed stay as the ledger has them."""
        await self._watcher.stop()

    # -- calls of this run ---------------------------------------------------------------------------------------

    async def notice(self, claim: Claim, job_id: str, since: datetime) -> EndSeen | None:
        """Wait until a call is over.

        Args:
            claim: Its attempt.
            job_id: Its job at Hamsa.
            since: When it was placed.

        Returns:
            What is known of its end, or None if it was given up.
        """
        return await self._watcher.end_of(claim.call_key, job_id, since)

    async def look_for(self, claim: Claim) -> tuple[str, datetime] | None:
        """See for a while whether an uncertain attempt's call turns up: its job and since when."""
        try:
            with self._stopping.stop_on_ledger_error():
                attempt = await self._attempt(claim.call_key)
            if attempt.state is AttemptState.UNCERTAIN and not await self._watcher.adopted(attempt):
                return None
            with self._stopping.stop_on_ledger_error():
                attempt = await self._attempt(claim.call_key)
        except LedgerError:
            return None  # it stays uncertain, and is told as such
        return (attempt.job_id, attempt.placed_at or attempt.claimed_at) if attempt.job_id else None

    def give_up(self, recipient: Recipient, claim: Claim) -> Result:
        """The result of a call that did not end while this run could follow it."""
        self._budget.unknown()
        reason = f"{self._why_given_up()}; settling follows it"
        return Result.of(recipient, Bucket.IN_PROGRESS, reason, call_key=claim.call_key)

    def _why_given_up(self) -> str:
        stopped = self._stopping.stopped
        if stopped is not None and stopped.kind == "unauthorized":
            return "Hamsa does not accept the API key, so nobody can say how the call ended"
        minutes = self._settings.watch.give_up_after / 60
        return f"no end after {minutes / 60:.1f} h" if minutes >= 60 else f"no end after {minutes:.1f} minutes"

    async def finish(self, recipient: Recipient, ended: EndedCall) -> Result:
        """Write the end of a call down. Needs no line any more."""
        try:
            with self._stopping.stop_on_ledger_error():
                end = await self._note(ended)
        except (LedgerError, Unauthorized, _Unread) as error:
            self._budget.unknown()
            reason = f"the call is over, but its end could not be noted ({error}); settling does"
            return Result.of(recipient, Bucket.IN_PROGRESS, reason, call_key=ended.attempt.call_key)
        self._budget.ended(failed=end.state is AttemptState.FAILED, cost=end.cost)
        reason = end.error or end.state.value.replace("_", " ")
        return Result.of(recipient, Bucket[end.state.name], reason, call_key=ended.attempt.call_key)

    # -- calls of earlier runs -----------------------------------------------------------------------------------

    async def follow(self, attempt: Attempt) -> Attempt:
        """Follow a call that an earlier run placed, on a line of its own, to its end.

        Returns:
            The attempt as the ledger has it afterwards; still `placed` if it was given up, or if the ledger failed.
        """
        if attempt.job_id is None:
            raise ValueError("only a placed attempt can be followed")
        cost: float | None = None
        self._lines.take()
        self._budget.follows()
        try:
            try:
                since = attempt.placed_at or attempt.claimed_at
                over = await self._watcher.end_of(attempt.call_key, attempt.job_id, since)
            finally:
                self._lines.release()
            with self._stopping.stop_on_ledger_error():
                if over is not None:
                    cost = (await self._note(EndedCall(attempt, attempt.job_id, over, self._clock.now()))).cost
                return await self._attempt(attempt.call_key)
        except (LedgerError, Unauthorized, _Unread):
            return attempt
        finally:
            self._budget.follows_no_more(cost)

    async def follow_all(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """`follow` for many at once. What cannot be followed stays as it was, for the next run."""
        return list(await asyncio.gather(*(self.follow(attempt) for attempt in attempts)))

    # -- writing an end down -------------------------------------------------------------------------------------

    async def _note(self, ended: EndedCall) -> CallEnd:
        """Read the record of an ended call, and write the end into the ledger."""
        if ended.over.in_ledger:
            return await self._take_from_ledger(ended)
        attempt = ended.attempt
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
            self._teller.tell("ended", attempt, job_id=ended.job_id, end=end)
        return end

    async def _take_from_ledger(self, ended: EndedCall) -> CallEnd:
        """A webhook or another run was quicker: add what it could not know and this run needs."""
        call_key = ended.attempt.call_key
        row = await self._attempt(call_key)
        end = CallEnd(state=row.state, status=row.status, cost=row.cost, duration_seconds=row.duration_seconds)
        # the receiver has opt-out fields of its own; this policy's count as well: who refused is never called again.
        outcome = row.outcome
        if (outcome is None and row.state in CONVERSATION) or (
            row.cost is None and self._settings.max_cost is not None
        ):
            async with self._fetching:
                record, _ = await self._read_record(ended.job_id, needed=outcome is None and row.state in CONVERSATION)
            if record is not None:
                read = end_of_call(
                    record, None, opt_out_fields=self._rules.opt_out_fields, ended_at=ended.at, error=None
                )
                outcome = outcome if outcome is not None else read.outcome
                end = replace(end, cost=row.cost if row.cost is not None else read.cost, outcome=outcome)
        refuses = not row.opted_out and asks_for_no_more_calls(outcome, self._rules.opt_out_fields)
        if refuses or end.cost != row.cost or outcome != row.outcome:
            await self._ledger.end(replace(end, opted_out=refuses), call_key=call_key)
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
                self._stopping.unauthorized(error)
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

    async def _attempt(self, call_key: str) -> Attempt:
        found = await self._ledger.attempts(call_keys=[call_key])
        if not found:
            raise LedgerError(
                f"The ledger has lost the attempt {call_key}: was another file or database put in its place? Bring it "
                "back, and run again."
            )
        return found[0]


def _talked(row: CallSummary | None) -> bool:
    """Whether somebody may have talked, by what the list says of a call that is over."""
    return row is None or row.status is None or STATE_OF_STATUS.get(row.status, AttemptState.FAILED) in CONVERSATION


def _words(end: CallEnd) -> str:
    words = end.state.value.replace("_", " ")
    return f"{words} after {end.duration_seconds:.0f} s" if end.duration_seconds else words
