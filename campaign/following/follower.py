"""Following a placed call: its end is noticed, its record read, and the end written into the ledger.

Promises that no end is noted before what the callee may have said was read, that of two who report an end the first one
stands, and that a call of which this process does not learn the end is left as it is, for settling to follow.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, STATE_OF_STATUS, Attempt, AttemptState, Claim
from campaign.clock import Clock, SystemClock
from campaign.errors import LedgerError
from campaign.following.call_events import EventEmitter
from campaign.following.keys import shown_keys
from campaign.following.outcomes import end_of_call
from campaign.following.settling import Settler
from campaign.following.watched import EndSeen
from campaign.following.watcher import Watcher
from campaign.intake import mask
from campaign.ledger import CallEnd, Ledger
from campaign.rules import CONVERSATION, DialSettings, Rules
from hamsa import HamsaClient, HamsaError, Refused, Unauthorized
from hamsa.models import CallSummary, JobRecord, JobStatus

logger = logging.getLogger(__name__)

OUTCOME_FETCHES = 8
LINES_PER_OUTCOME_FETCH = 50
"""How many records of ended calls are read at once: behind the dialing, never in its way, and with many lines as fast
as their calls end."""

OUTCOME_TRIES = 6
"""How often the record of an ended call is asked for before it is left to a later run, or its end noted without it."""

CALLS_WITHOUT_OUTCOME = 3
"""After so many conversations whose records stayed without an outcome, and none with one, outcomes are not waited for:
the agent extracts nothing."""


IN_PROGRESS = frozenset({JobStatus.PENDING, JobStatus.IN_PROGRESS})


class RecordUnread(Exception):
    """The record of a call in which somebody may have talked could not be read for now: a later run reads it."""


CANNOT_NOTE = (LedgerError, Unauthorized, RecordUnread)
"""Why the end of a call may stay unwritten; the attempt stays `placed`, for settling or the next run."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call whose end was noticed and is still to be written down."""

    attempt: Attempt | Claim
    job_id: str
    seen: EndSeen
    at: datetime


class CallFollower:
    """Follows calls of one account to their ends: `async with CallFollower(...) as follower`.

    The dialer, single calls and settling share it. It knows no lines and no budget.

    Args:
        rules: Name the fields in which somebody asks for no more calls.
        agent: Whose calls they are; every agent's if it has no id. With a webhook, the list is read but rarely.
        account: Whose calls they are, as the ledger files them.
        settings: How to look for ends; where there is a `max_cost`, the cost of each call has to be known.
        settler: Finds the calls of uncertain attempts; one by the settings if none is given.
        on_unauthorized: Called when Hamsa does not accept the key.
    """

    def __init__(
        self,
        client: HamsaClient,
        ledger: Ledger,
        *,
        rules: Rules,
        emitter: EventEmitter,
        agent: CallingAgent,
        account: str | None,
        settings: DialSettings,
        settler: Settler | None = None,
        clock: Clock | None = None,
        on_unauthorized: Callable[[Unauthorized], None] = lambda _error: None,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._rules = rules
        self._emitter = emitter
        self._needs_cost = settings.max_cost is not None
        self._clock = clock or SystemClock()
        self._on_unauthorized = on_unauthorized
        self._rng = rng or random.Random()
        self._outcomes_come, self._without_outcome = False, 0
        self._fetching = asyncio.Semaphore(max(OUTCOME_FETCHES, settings.lines // LINES_PER_OUTCOME_FETCH))
        self._watcher = Watcher(
            client,
            ledger,
            settler or Settler(client, ledger, settings),
            clock=self._clock,
            agent_id=agent.voice_agent_id,
            account=account,
            by_webhook=agent.webhook_url is not None,
            settings=settings,
            on_unauthorized=on_unauthorized,
        )

    async def __aenter__(self) -> Self:
        await self._ledger.name_opt_out_fields(self._rules.opt_out_fields)
        self._watcher.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Look no more. Calls still followed stay as the ledger has them."""
        await self._watcher.stop()

    # -- step by step --------------------------------------------------------------------------------------------

    async def wait_for_end(self, attempt: Attempt | Claim, job_id: str, since: datetime) -> EndedCall | None:
        """Wait until a call is over.

        Returns:
            What is known of its end, or None if it was given up.
        """
        seen = await self._watcher.end_of(attempt.call_key, job_id, since)
        return EndedCall(attempt, job_id, seen, self._clock.now()) if seen is not None else None

    async def look_for(self, call_key: str) -> Attempt:
        """Look for a while for the call of an uncertain attempt.

        Returns:
            The attempt as the ledger has it afterwards: `placed` if its call turned up.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        attempt = await self._attempt(call_key)
        if attempt.state is not AttemptState.UNCERTAIN:
            return attempt
        await self._watcher.adopted(attempt)
        return await self._attempt(call_key)

    async def note(self, ended: EndedCall) -> CallEnd:
        """Read the record of an ended call, and write the end into the ledger.

        Raises:
            LedgerError: The ledger cannot be read or written.
            RecordUnread: Hamsa did not give the record for now, and somebody may have talked.
            Unauthorized: The key is not valid.
        """
        if ended.seen.in_ledger:
            return await self._complete_from_record(ended)
        attempt = ended.attempt
        record, error = ended.seen.record, None
        needed = _may_have_talked(ended.seen.row or record)
        if record is None or (needed and not self._is_complete(record)):
            later, error = await self._read_record(ended.job_id, needed=needed)
            record = later or record
        end = end_of_call(
            record,
            ended.seen.row,
            opt_out_fields=(*self._rules.opt_out_fields, *(attempt.opt_out_fields or ())),
            ended_at=ended.at,
            error=error,
        )
        # Learned from the same question that settling asks: what the answer to a POST gives back proves less.
        end = replace(end, echoed=record is not None and shown_keys(record).hold(attempt.call_key))
        first = await self._ledger.end(end, call_key=attempt.call_key, job_id=ended.job_id)
        if not first:  # somebody else noted an end before: that one stands, and is reported
            row = await self._attempt(attempt.call_key)
            end = replace(end, state=row.state) if row.state in ENDED else end
        if first:
            logger.debug("%s: %s", mask(attempt.phone), _words(end))
            self._emitter.emit("ended", attempt, job_id=ended.job_id, end=end)
        return end

    # -- all of it -----------------------------------------------------------------------------------------------

    async def follow(
        self,
        attempt: Attempt,
        *,
        line: AbstractContextManager[None] | None = None,
        noting: AbstractContextManager[None] | None = None,
    ) -> Attempt:
        """Follow a placed call to its end.

        Args:
            line: Is held until the call is over.
            noting: Stands around the use of the ledger after that.

        Returns:
            The attempt as the ledger has it afterwards; still `placed` if it was given up or its end cannot be noted.
        """
        if attempt.job_id is None:
            raise ValueError("only a placed attempt can be followed")
        try:
            with line or nullcontext():
                ended = await self.wait_for_end(attempt, attempt.job_id, attempt.placed_at or attempt.claimed_at)
            with noting or nullcontext():
                if ended is not None:
                    await self.note(ended)
                return await self._attempt(attempt.call_key)
        except CANNOT_NOTE:
            return attempt

    async def follow_all(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """`follow` for many at once. What cannot be followed stays as it was, for the next run."""
        return list(await asyncio.gather(*(self.follow(attempt) for attempt in attempts)))

    async def _complete_from_record(self, ended: EndedCall) -> CallEnd:
        """A webhook or another run noted the end first: add what it could not know and this follower needs."""
        call_key = ended.attempt.call_key
        row = await self._attempt(call_key)
        end = CallEnd(state=row.state, status=row.status, cost=row.cost, duration_seconds=row.duration_seconds)
        outcome = row.outcome
        if (outcome is None and row.state in CONVERSATION) or (row.cost is None and self._needs_cost):
            record, _ = await self._read_record(ended.job_id, needed=outcome is None and row.state in CONVERSATION)
            if record is not None:
                fields = (*self._rules.opt_out_fields, *(row.opt_out_fields or ()))
                read = end_of_call(record, None, opt_out_fields=fields, ended_at=ended.at)
                outcome = outcome if outcome is not None else read.outcome
                cost = row.cost if row.cost is not None else read.cost
                end = replace(end, cost=cost, outcome=outcome, opted_out=read.opted_out)
        if end.cost != row.cost or outcome != row.outcome or end.opted_out:
            await self._ledger.end(end, call_key=call_key)
        return end

    async def _read_record(self, job_id: str, *, needed: bool) -> tuple[JobRecord | None, str | None]:
        """The record of an ended call, or why its end is noted without it. Needed if somebody may have talked.

        What is needed is asked for again while it is behind: no such job yet, still in progress, without an outcome.

        Raises:
            RecordUnread: Hamsa did not give it for now, and it is needed. The end is not noted: a later run reads it.
            Unauthorized: The key is not valid. The end is not noted: what the callee said is read with a good key.
        """
        record: JobRecord | None = None
        problem, refused = "", False
        for look in range(OUTCOME_TRIES):
            hint = 0.0
            try:
                async with self._fetching:
                    record = await self._client.get_job(job_id)
            except Unauthorized as error:
                self._on_unauthorized(error)
                raise
            except HamsaError as error:
                problem, refused, hint = str(error), isinstance(error, Refused), error.retry_after or 0.0
                if refused and not needed:
                    break
            else:
                if not needed or self._is_complete(record):
                    return record, None
            # Spread out, so that many calls that ended together do not ask together again.
            pause = max(min(hint, 60.0), 0.5 * 2**look)
            await self._clock.sleep(pause * (0.5 + self._rng.random()))
        if record is not None:
            if record.status in IN_PROGRESS:
                return record, f"the call's record still says {record.status}, so what was said may be missing"
            self._without_outcome += 1
            return record, None
        if needed and not refused:
            raise RecordUnread(f"its record could not be read: {problem}")
        return None, f"the call's record could not be read: {problem}"

    def _is_complete(self, record: JobRecord) -> bool:
        """Whether a record holds what it will hold, as far as one can tell."""
        # Assumed: a record whose status is final, and that has a `jobResponse`, holds what was said.
        if record.status in IN_PROGRESS:
            return False
        if record.job_response is not None:
            self._outcomes_come = True
            return True
        return not self._outcomes_come and self._without_outcome >= CALLS_WITHOUT_OUTCOME

    async def _attempt(self, call_key: str) -> Attempt:
        found = await self._ledger.attempts(call_keys=[call_key])
        if not found:
            raise LedgerError(
                f"The ledger has lost the attempt {call_key}: was another file or database put in its place? Bring it "
                "back, and run again."
            )
        return found[0]


def _may_have_talked(seen: CallSummary | JobRecord | None) -> bool:
    """Whether somebody may have talked, by what Hamsa says of a call that is over."""
    return seen is None or seen.status is None or STATE_OF_STATUS.get(seen.status, AttemptState.FAILED) in CONVERSATION


def _words(end: CallEnd) -> str:
    words = end.state.label
    return f"{words} after {end.duration_seconds:.0f} s" if end.duration_seconds else words
