"""Dial: one Prefect task run for up to `calls_per_task` recipients, safe to retry because of the ledger."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from campaign.attempts import Attempt, AttemptState
from campaign.dialing import Dialer
from campaign.errors import CampaignError
from campaign.intake import Recipient
from campaign.reporting import Batch, Result
from campaign.unexpected import redact_unexpected_errors
from hamsa import NotPlaced
from runtime.annotations import as_one
from runtime.artifacts import Records
from runtime.campaign_run import CampaignRun, stop_for
from runtime.retries import only_after
from runtime.run_states import end_as_cancelled


@task(
    name="dial",
    task_run_name="dial {batch}",
    # Half a minute to a few minutes of a lost connection; whoever was called in an earlier try is not dialed again.
    retries=5,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=only_after(NotPlaced),
    cache_policy=NO_CACHE,
    persist_result=False,
)
@end_as_cancelled
@redact_unexpected_errors
async def dial(batch: Batch, dialer: Dialer, records: Records) -> list[Result]:
    """Call everybody in a batch, wait for all their ends, and write the table of their job records.

    Returns:
        One result per recipient, in their order.

    Raises:
        NotPlaced: There was no connection; the task is retried with those who have no result yet.
        CampaignError: The ledger failed; nobody is dialed without a claim.
    """
    results = await dialer.run(batch)
    await records.dialed(batch, results)
    return results


@task(name="follow", task_run_name="follow calls of earlier runs", cache_policy=NO_CACHE, persist_result=False)
@end_as_cancelled
@redact_unexpected_errors
async def follow(attempts: Sequence[Attempt], dialer: Dialer, records: Records) -> list[Attempt]:
    """Follow calls that earlier runs placed to their ends, and write their table.

    Returns:
        The attempts as the ledger has them afterwards.
    """
    placed = [attempt for attempt in attempts if attempt.state is AttemptState.PLACED]
    ended = {attempt.call_key: attempt for attempt in await dialer.follow_all(placed)}
    followed = [ended.get(attempt.call_key, attempt) for attempt in attempts]
    await records.followed(followed)
    return followed


class Batches:
    """Starts `dial` for batches of recipients, as the lines have room for them."""

    def __init__(self, run: CampaignRun, dialer: Dialer) -> None:
        self._run = run
        self._dialer = dialer
        self._made = 0
        self._waiting: list[Recipient] = []
        self._running: set[asyncio.Task[None]] = set()

    async def add(self, recipients: Sequence[Recipient]) -> None:
        """Dial these, in batches of `calls_per_task`; those who fill no batch wait for more, or for `finish`."""
        size = self._run.policy.calls_per_task
        self._waiting += recipients
        while len(self._waiting) >= size:
            batch, self._waiting = self._waiting[:size], self._waiting[size:]
            await self._start(batch)

    def follow(self, earlier: Sequence[Attempt]) -> None:
        """Follow calls of earlier runs beside the dialing."""
        if earlier:
            self._begin(asyncio.create_task(self._follow(earlier)))

    async def finish(self) -> None:
        """Dial those who still wait, and wait until all is over."""
        if self._waiting:
            batch, self._waiting = self._waiting, []
            await self._start(batch)
        while self._running:
            done, _ = await asyncio.wait(set(self._running), return_when=asyncio.FIRST_EXCEPTION)
            for work in done:
                work.result()

    async def cancel(self) -> None:
        """Break off whatever is under way; claims are given back or marked uncertain first."""
        for work in self._running:
            work.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _start(self, recipients: list[Recipient]) -> None:
        self._made += 1
        batch = Batch(self._made, recipients)
        await self._dialer.room(batch)
        self._run.records.in_hand[batch.number] = batch
        self._begin(asyncio.create_task(self._dial(batch)))

    def _begin(self, work: asyncio.Task[None]) -> None:
        self._running.add(work)
        work.add_done_callback(self._running.discard)

    async def _dial(self, batch: Batch) -> None:
        run = self._run
        try:
            await dial(batch, self._dialer, run.records)
        except (NotPlaced, CampaignError) as error:
            # Its retries are used up, or the ledger failed: the run ends, and every row still gets its bucket.
            stop = stop_for(error)
            self._dialer.stop(stop)
            if batch.number in run.records.in_hand:
                await run.account_for(batch, stop.message)
        run.stop_when_unread(self._dialer)

    async def _follow(self, earlier: Sequence[Attempt]) -> None:
        followed = await follow(as_one(earlier), self._dialer, self._run.records)
        if isinstance(followed, list):  # broken off, a task gives its state instead: the report has them as they were
            self._run.earlier = followed


@asynccontextmanager
async def batches(run: CampaignRun, dialer: Dialer) -> AsyncIterator[Batches]:
    """Batches of one run. All are over at the end, or broken off if something ends the run in the middle."""
    made = Batches(run, dialer)
    try:
        yield made
        await made.finish()
    except BaseException:
        await made.cancel()
        raise
