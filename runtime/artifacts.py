"""Job records where data people look: table artifacts, a progress artifact that moves, a summary page."""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.settings import get_current_settings

from campaign.attempts import COUNTS, Attempt
from campaign.buckets import Bucket
from campaign.dialing import Lines
from campaign.errors import CampaignError, LedgerError
from campaign.ledger import Ledger, Refusal
from campaign.reporting import Batch, CampaignReport, Result, Tally, attempt_rows, record_rows, summary_page
from campaign.rules import Rules
from campaign.wording import counted
from runtime.run_states import LossOfPrefect

logger = logging.getLogger(__name__)

ROWS_PER_TABLE = 500
"""Rows of people not called in one table: a table of more is slow to open."""

LISTED_ELSEWHERE = frozenset({Bucket.ALREADY_CALLED, Bucket.NOT_SELECTED})
"""Rows that only their own source or the ledger needs to list: a few of them are shown, all of them are counted."""

MOST_LISTED_ELSEWHERE = 1000

SHOWN_EVERY_SECONDS = 30.0
"""How often the run's log says how far it is, in real time."""

UPDATE_SECONDS = 5.0
"""How long Prefect's server may take for an update of the progress, in real time.

Prefect's own client tries a lost server for a minute, and then five minutes of calls would be seen by nobody.
"""


KEPT_WITH_THE_CALL = frozenset({Bucket.ALREADY_CALLED, Bucket.IN_PROGRESS, Bucket.UNCERTAIN, Bucket.WOULD_CALL})
"""Whoever ends there has an attempt in the campaign that says why; a ledger need not say it again at each run."""


class Records:
    """Writes a run's artifacts, and counts what they show.

    Args:
        run_id: Under which the ledger keeps why rows were not called; it keeps nothing if None, as for a dry run.

    Attributes:
        unread: Why the ledger could not be read for some record, if it could not: the run has to say so.
    """

    def __init__(
        self, campaign: str, ledger: Ledger, tally: Tally, *, run_id: str | None = None, rules: Rules | None = None
    ) -> None:
        self._run_id = run_id
        self._rules = rules
        self.links: dict[str, str] = {}
        self.tally = tally
        self.calls = 0
        self.cost = 0.0
        self.seconds = 0.0
        self._campaign = campaign
        self._slug = slug(campaign)
        self._ledger = ledger
        self._not_called: list[Result] = []
        self._left_out = 0
        self._listed = 0
        self._followed: set[str] = set()
        self._tables = 0
        self._progress: UUID | None = None
        self.in_hand: dict[int, Batch] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._loss = LossOfPrefect()
        self.unread: LedgerError | None = None

    async def prefect_lost(self) -> str:
        """Wait until Prefect's server is gone, and say so."""
        return await self._loss.lost()

    async def dialed(self, batch: Batch, results: Sequence[Result]) -> None:
        """Count a batch that was dialed and write its table of job records: wholly, even if cancelled in the middle."""
        attempts = await self._attempts(results)
        self.in_hand.pop(batch.number, None)
        self.tally.add_results(results)
        self._add_up(attempts)
        await self._keep_refusals(results)
        write = asyncio.create_task(self._table(f"Job records, {batch}", record_rows(results, attempts)))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        await asyncio.shield(write)

    async def not_called(self, results: Sequence[Result]) -> None:
        """Count rows that were not dialed; they are listed in tables of a few hundred."""
        await self._keep_refusals(results)
        for result in results:
            self._left_out += result.bucket is not Bucket.WOULD_CALL
            self.tally.add(result.bucket, result.reason, until=result.until)
            if result.bucket in LISTED_ELSEWHERE:
                self._listed += 1
                if self._listed > MOST_LISTED_ELSEWHERE:
                    continue
            self._not_called.append(result)
            if len(self._not_called) >= ROWS_PER_TABLE:
                await self._flush()

    async def _keep_refusals(self, results: Iterable[Result]) -> None:
        """Keep in the ledger why rows were not called, so that it can be said months later."""
        if self._run_id is None:
            return
        version = self._rules.version if self._rules is not None else None
        now = self._ledger.now()
        found = [
            Refusal(
                self._run_id,
                result.row,
                self._campaign,
                result.recipient_id,
                result.phone,
                result.bucket.value,
                result.reason,
                result.until,
                version,
                now,
            )
            for result in results
            if result.call_key is None and result.bucket not in KEPT_WITH_THE_CALL
        ]
        try:
            if found and self._rules is not None:
                await self._ledger.note_policy(version, self._rules.stated)
            await self._ledger.note_refusals(found)
        except LedgerError as error:
            rows = counted(len(found), "row was", "rows were")
            logger.warning("The ledger does not keep why %s not called: %s", rows, error)

    async def followed(self, attempts: Sequence[Attempt]) -> None:
        """Write the table of earlier runs' calls that this run followed or settled."""
        for attempt in attempts:
            self._followed.add(attempt.call_key)
            self.tally.outcomes.add(attempt.outcome, attempt.phone)
        if attempts:
            await self._table("Calls of earlier runs", attempt_rows(attempts))

    async def close(self) -> None:
        """Write what is left to be listed, and wait for what is being written."""
        await asyncio.gather(*self._writes)
        await self._flush()

    async def _attempts(self, results: Iterable[Result]) -> list[Attempt]:
        """The attempts behind some results; none if the ledger cannot be read: rows are counted all the same."""
        keys = [result.call_key for result in results if result.call_key]
        try:
            return await self._ledger.attempts(call_keys=keys) if keys else []
        except LedgerError as error:
            logger.error("The records of %s are missing from the artifacts: %s", counted(len(keys), "call"), error)
            self.unread = self.unread or error
            return []

    def _add_up(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            self.calls += attempt.state in COUNTS
            self.cost += attempt.cost or 0.0
            self.seconds += attempt.duration_seconds or 0.0
            if attempt.call_key not in self._followed:
                self.tally.outcomes.add(attempt.outcome, attempt.phone)

    async def _flush(self) -> None:
        rows, self._not_called = self._not_called, []
        if not rows:
            return
        attempts = await self._attempts(rows)
        self._add_up(attempts)  # of an earlier try of this very run
        title = "Who would be called" if any(row.bucket is Bucket.WOULD_CALL for row in rows) else "Not called"
        await self._table(
            f"{title}, rows {min(row.row for row in rows)}-{max(row.row for row in rows)}", record_rows(rows, attempts)
        )

    async def _table(self, title: str, table: list[dict[str, object]]) -> None:
        self._tables += 1
        # Without a key: Prefect would keep a keyed table three times (the artifact, the latest of its key, an event)
        # and fill its page of artifacts with one entry per batch. The flow run shows it, and the summary links to it.
        artifact = await self._unless_lost(
            acreate_table_artifact(table=table, description=f"**{self._campaign}**: {title}")
        )
        if artifact is None:
            logger.warning(
                "Prefect's server did not take it: the ledger has what %r would show, and no artifact does", title
            )
            return
        if self._tables <= 50:
            self.links[title] = link(artifact)

    async def _unless_lost(self, writing: Coroutine[Any, Any, UUID]) -> UUID | None:
        """Write an artifact, or give up as soon as Prefect's server is taken for gone, whoever notices it first."""
        write = asyncio.create_task(writing)
        lost = asyncio.create_task(self._loss.lost())
        try:
            await asyncio.wait({write, lost}, return_when=asyncio.FIRST_COMPLETED)
            if write.done():
                return write.result()
        except Exception as error:  # noqa: BLE001 - whatever it is, records that cannot be written must stop the calls
            self._loss.give_up(error)
        finally:
            for work in (write, lost):
                work.cancel()
            await asyncio.gather(write, lost, return_exceptions=True)
        return None

    async def progress(self, every_seconds: float, rows: int, lines: Lines) -> None:
        """Keep a progress artifact moving until cancelled; each update also shows whether Prefect's server is there.

        Args:
            every_seconds: Between two updates, in real time: this is for people who watch.
            rows: How many there are in all.
            lines: Say how many calls are in progress.
        """
        shown, shown_at = "", time.monotonic()
        while True:
            done, people, words = self._now(rows, lines.in_use)
            if words != shown and time.monotonic() - shown_at >= SHOWN_EVERY_SECONDS:
                logger.info("%s", words)
                shown, shown_at = words, time.monotonic()
            try:
                async with asyncio.timeout(UPDATE_SECONDS):
                    if self._progress is None:
                        self._progress = await acreate_progress_artifact(
                            progress=0.0, key=f"{self._slug}-progress", description=words
                        )
                    elif words != shown or self._loss.failing:
                        percent = 100.0 * min(done, people) / max(people, 1)
                        await aupdate_progress_artifact(self._progress, percent, description=words)
                shown = words
                self._loss.ok()
            except Exception as error:  # noqa: BLE001 - whatever it is, an update that failed must not end the calls
                self._loss.failed(error)
            await asyncio.sleep(every_seconds)

    async def finish_progress(self, rows: int) -> None:
        """Show that it is over."""
        if self._progress is None or self._loss.is_lost:
            return
        try:
            await aupdate_progress_artifact(self._progress, 100.0, description=self._now(rows, 0)[-1])
        except Exception as error:  # noqa: BLE001 - whatever it is, the run's report does not hang on it
            self._loss.failed(error)

    def _now(self, rows: int, in_progress: int) -> tuple[int, int, str]:
        """How many of those who can be called are done, how many there are, and a line that says so.

        Batches that are still being dialed count too, and whoever was not screened yet as somebody who can be called.
        """
        buckets = Counter({bucket: self.tally[bucket] for bucket in Bucket})
        for batch in self.in_hand.values():
            buckets.update(result.bucket for result in batch.results.values())
        done, people = buckets.total() - self._left_out, rows - self._left_out
        talked = buckets[Bucket.COMPLETED] + buckets[Bucket.FORWARDED]
        words = f"{self._campaign}: {done:,} of {counted(people, 'customer')} done, {counted(talked, 'conversation')}"
        if in_progress:
            words += f", {counted(in_progress, 'call')} in progress"
        return done, people, f"{words}; {self._left_out:,} more not to be called now" if self._left_out else words

    async def summary(self, report: CampaignReport) -> None:
        """Write the page that a manager reads.

        Raises:
            CampaignError: Prefect does not take it.
        """
        if self._loss.is_lost:
            return
        try:
            await acreate_markdown_artifact(
                markdown=summary_page(report, self.links), key=f"{self._slug}-summary", description=report.headline
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised as what it means for the run
            message = (
                f"Prefect's server did not take the run's summary ({error!r}). {report.headline} The ledger has it."
            )
            raise CampaignError(message) from None


def slug(name: str) -> str:
    """A name as Prefect allows it for an artifact's key: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "campaign"


def link(artifact: UUID) -> str:
    """Where the UI shows an artifact; a path from the UI's own root when its address is not known."""
    base = get_current_settings().ui_url or ""
    return f"{base}/artifacts/artifact/{artifact}"
