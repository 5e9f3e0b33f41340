"""The recorder: takes events from the spool and brings the ledger, and then Prefect, up to date with them.

Promises that each event is emitted only if the ledger did not have it before, so once however many duplicates, runs
and receivers there are; that an event which the ledger cannot take now waits; and that no event holds up another.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from campaign.attempts import Attempt
from campaign.clock import Clock
from campaign.errors import JobConflict, LedgerError
from campaign.following import CallEvent, clock_offset
from campaign.intake import mask
from campaign.ledger import Ledger
from campaign.unexpected import kind_of, log_unexpected
from webhooks.judging import PLACED_STATUS, Contradiction, End, LookAgain, Nothing, Place, judge, judge_unmatched
from webhooks.spool import MOST_FORGOTTEN, Done, Later, SetAside, Spool, Waiting
from webhooks.spool_file import SpoolError

logger = logging.getLogger(__name__)

NOTHING_NEW = "nothing new"
"""The ledger knew it, or the event proves nothing."""

FOREIGN = "foreign"
"""No attempt of the ledger has this call."""

UNCLEAR = "unclear"
"""It did not say how the call ended, so Hamsa's list has to be asked."""

CONFLICT = "conflict"
"""It contradicts what the ledger holds."""

BATCH = 256
"""Events recorded at once: they share the ledger's transactions."""

LOOKS_AFTER = (2.0, 10.0, 60.0, 300.0, 1800.0)
"""Seconds between looks at an event that cannot be decided yet: settling may have found its call by then."""

PUT_ASIDE = "put aside"
"""It cannot be recorded, however often that is tried."""

MOST_FAULTS = 5
"""How often an event is tried that fails for a reason of its own, before it is put aside."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries while the ledger is away."""

LONGEST_LATER = 600.0
"""Seconds after which an event is tried again that the ledger did not take while it took others."""

FORGET_EVERY = timedelta(hours=1)


class Recorder:
    """Works off the spool while it runs: `recorder.start()`, `await recorder.stop()`.

    Args:
        open_ledger: Makes a ledger that is not open yet.
        emit: Called with each event that the ledger learned from an event; must be quick.
        opt_out_fields: Outcome fields in which agents note that somebody wants no more calls.
        keep: How long recorded events are remembered.
    """

    def __init__(
        self,
        spool: Spool,
        open_ledger: Callable[[], Ledger],
        *,
        emit: Callable[[CallEvent], None],
        opt_out_fields: Sequence[str],
        keep: timedelta,
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self.results: Counter[str] = Counter()
        """What came of the events so far, by kind."""
        self.failing_since: datetime | None = None
        """Since when the ledger has not taken events; None while it does."""
        self._spool = spool
        self._open_ledger = open_ledger
        self._emit = emit
        self._opt_out_fields = tuple(opt_out_fields)
        self._keep = keep
        self._clock = clock
        self._rng = rng or random.Random()
        self._news = asyncio.Event()
        self._stopping = False
        self._failures = 0
        self._forgot_at: datetime | None = None
        self._erased_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with whatever an earlier process left."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    async def stop(self) -> None:
        """Finish the batch in hand. The rest stays in the spool for the next start."""
        self._stopping = True
        self._news.set()
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), timeout=5.0)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """There is a new event in the spool."""
        self._news.set()

    async def _run(self) -> None:
        while not self._stopping:
            try:
                async with self._open_ledger() as ledger:
                    await ledger.name_opt_out_fields(self._opt_out_fields)
                    await self._work(ledger)
            except (LedgerError, SpoolError) as error:
                if self.failing_since is None:
                    self.failing_since = self._clock.now()
                logger.warning("Events wait (%s of them): %s", self._spool.waiting, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged below
                # Whatever it is, the events must not be forgotten.
                log_unexpected(logger, f"Recording events failed; {self._spool.waiting} wait", error)
            await self._pause()

    async def _pause(self) -> None:
        self._failures += 1
        pause = min(2.0 ** (self._failures - 1), LONGEST_PAUSE) * (0.75 + 0.5 * self._rng.random())
        await self._wait(pause, for_news=False)

    async def _work(self, ledger: Ledger) -> None:
        while not self._stopping:
            await self._forget(ledger)
            self._news.clear()
            batch = await self._spool.due(BATCH)
            if batch:
                await self._record(ledger, batch)
            self._failures, self.failing_since = 0, None
            if len(batch) < BATCH:
                await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        due = await self._spool.next_due()
        now = self._clock.now()
        until = now + FORGET_EVERY if due is None else min(due, now + FORGET_EVERY)
        await self._wait((until - now) / timedelta(seconds=1))

    async def _wait(self, seconds: float, *, for_news: bool = True) -> None:
        """Wait on the clock; less if there is news, or if it is time to stop."""
        sleeping = asyncio.ensure_future(self._clock.sleep(max(seconds, 0.0)))
        try:
            while not sleeping.done():
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait([sleeping, news], return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if self._stopping or (for_news and self._news.is_set()):
                    return
                self._news.clear()
        finally:
            sleeping.cancel()

    async def _forget(self, ledger: Ledger) -> None:
        now = self._clock.now()
        if self._forgot_at is None or now - self._forgot_at >= FORGET_EVERY:
            self._forgot_at = now
            while await self._spool.forget(older_than=self._keep) == MOST_FORGOTTEN:
                logger.debug("%s old events forgotten", MOST_FORGOTTEN)
            await self._empty_erased(ledger)

    async def _empty_erased(self, ledger: Ledger) -> None:
        """Keep nothing of people who were erased from the ledger."""
        kept = await self._spool.naming_people()
        keys, calls = {key for _, _, key in kept if key}, {call for _, call, _ in kept if call}
        erased = await ledger.erased_calls(keys, calls) if kept else frozenset()
        if numbers := [number for number, call, key in kept if not erased.isdisjoint({call, key})]:
            await self._spool.empty(numbers)
        last = await ledger.erasures.last()
        # What was recorded of them, before or after, may still be in what the file does not use.
        await self._spool.clean(rewrite=bool(numbers) or last != self._erased_at)
        self._erased_at = last

    # -- one batch -----------------------------------------------------------------------------------------------

    async def _record(self, ledger: Ledger, batch: Sequence[Waiting]) -> None:
        """Record a batch.

        Raises:
            LedgerError: The ledger took none of it: it is away.
            SpoolError: What came of it could not be noted; the ledger will say that it knows.
        """
        attempts = await self._attempts(ledger, batch)
        answered = await self._spool.answered({w.event.call_id for w in batch if w.event.call_id})
        accounts = {attempt.account for attempt in attempts.values()}
        offsets = {account: clock_offset(await ledger.clock_readings(account)) for account in accounts}
        results = await asyncio.gather(
            *(self._record_one(ledger, waiting, attempts.get(waiting.number), answered, offsets) for waiting in batch),
            return_exceptions=True,
        )
        noted: list[Done | SetAside | Later] = [result for result in results if isinstance(result, Done | Later)]
        pairs = zip(batch, results, strict=True)
        failed = [(waiting, result) for waiting, result in pairs if isinstance(result, BaseException)]
        for waiting, error in failed:
            if not isinstance(error, LedgerError):
                log_unexpected(logger, f"Event {waiting.number} could not be recorded", error)
                if waiting.tries + 1 >= MOST_FAULTS:
                    self.results[PUT_ASIDE] += 1
                    noted.append(SetAside(waiting.number, f"put aside: {kind_of(error)}"))
                    continue
            elif len(failed) == len(batch):
                raise error
            noted.append(self._later(waiting, min(2.0**waiting.tries, LONGEST_LATER), str(error)))
        await self._spool.note(noted)

    async def _attempts(self, ledger: Ledger, batch: Sequence[Waiting]) -> dict[int, Attempt]:
        """The attempts that events are about, by the events' numbers."""
        ids = {w.event.call_id for w in batch if w.event.call_key is None and w.event.call_id is not None}
        owners = await ledger.owners(ids) if ids else {}
        found_by_job = {job_id: owner.call_key for job_id, owner in owners.items()}
        keys = {w.number: w.event.call_key or found_by_job.get(w.event.call_id or "") for w in batch}
        wanted = {key for key in keys.values() if key is not None}
        found = {attempt.call_key: attempt for attempt in await ledger.attempts(call_keys=wanted)} if wanted else {}
        return {number: found[key] for number, key in keys.items() if key in found}

    async def _record_one(
        self,
        ledger: Ledger,
        waiting: Waiting,
        attempt: Attempt | None,
        answered: frozenset[str],
        offsets: Mapping[str | None, timedelta],
    ) -> Done | Later:
        event = waiting.event
        if attempt is None:
            return self._note_unmatched(waiting, judge_unmatched(event))
        verdict = judge(
            event,
            attempt,
            answered=event.call_id in answered,
            opt_out_fields=self._opt_out_fields,
            offset=offsets[attempt.account],
        )
        try:
            match verdict:
                case End():
                    return await self._end(ledger, waiting, attempt, verdict)
                case Place():
                    placed = await self._place(ledger, attempt, verdict)
                    return self._done(waiting, "placed" if placed else NOTHING_NEW, "the attempt is placed")
                case LookAgain(why, first):
                    if first is not None:
                        await self._place(ledger, attempt, first)
                    return self._look_again(waiting, UNCLEAR, why)
                case Contradiction(why):
                    return self._contradicts(waiting, why)
                case Nothing(why):
                    return self._done(waiting, NOTHING_NEW, why)
        except JobConflict as error:
            return self._contradicts(waiting, str(error))

    async def _end(self, ledger: Ledger, waiting: Waiting, attempt: Attempt, verdict: End) -> Done:
        end, job_id = verdict.end, verdict.job_id or attempt.job_id
        if not await ledger.end(end, call_key=attempt.call_key, job_id=verdict.job_id):
            return self._done(waiting, NOTHING_NEW, "the ledger had this end; what was missing is filled in")
        if waiting.event.call_id not in (None, job_id):
            logger.warning(
                "Call %s carries the key of an attempt whose job is %s: its end is recorded by the key",
                waiting.event.call_id,
                job_id,
            )
        logger.info("%s: %s (job %s), says Hamsa", mask(attempt.phone), end.state.value, job_id)
        self._emit_event(CallEvent.of("ended", attempt, run_id=attempt.run_id, job_id=job_id, end=end))
        return self._done(waiting, "ended", f"the attempt is {end.state.value}")

    async def _place(self, ledger: Ledger, attempt: Attempt, place: Place) -> bool:
        # That events give our key back does not prove that job records do: it is not noted as echoed.
        if not await ledger.place(attempt.call_key, place.job_id, status=PLACED_STATUS, placed_at=place.placed_at):
            return False
        logger.info("Settled: %s was called (job %s), says Hamsa with our key", mask(attempt.phone), place.job_id)
        self._emit_event(CallEvent.of("placed", attempt, run_id=attempt.run_id, job_id=place.job_id))
        return True

    def _emit_event(self, event: CallEvent) -> None:
        try:
            self._emit(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged below
            # The ledger has it: that it was not announced must not have it recorded again.
            log_unexpected(logger, f"No event says that call {event.job_id} is {event.kind}", error)

    def _note_unmatched(self, waiting: Waiting, verdict: Nothing | LookAgain) -> Done | Later:
        if isinstance(verdict, LookAgain):
            return self._look_again(waiting, FOREIGN, verdict.why)
        return self._done(waiting, FOREIGN if waiting.event.call_key else NOTHING_NEW, verdict.why)

    def _contradicts(self, waiting: Waiting, why: str) -> Done:
        event = waiting.event
        logger.error("Event %s of call %s is not recorded: %s", event.event_type, event.call_id, why)
        return self._done(waiting, CONFLICT, why)

    def _look_again(self, waiting: Waiting, kind: str, why: str) -> Done | Later:
        if waiting.tries >= len(LOOKS_AFTER):
            return self._done(waiting, kind, why)
        return self._later(waiting, LOOKS_AFTER[waiting.tries], why)

    def _done(self, waiting: Waiting, kind: str, result: str) -> Done:
        self.results[kind] += 1
        logger.debug("Event %s of call %s: %s", waiting.event.event_type, waiting.event.call_id, result)
        return Done(waiting.number, result)

    def _later(self, waiting: Waiting, seconds: float, reason: str) -> Later:
        return Later(waiting.number, self._clock.now() + timedelta(seconds=seconds), reason)
