"""Looking whether Hamsa made a call to which it had said no (429, 4xx), before that attempt is tried again.

Promises that it is not tried again while Hamsa's list shows a call that may be its own. A list that shows none is
believed here, other than in settling: that a no means no is the likely case, and no call has been lost.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from campaign.attempts import Claim, Denial
from campaign.following.hamsa_clock import clock_offset
from campaign.following.judging import Unclear, number_of
from campaign.following.keys import shown_keys
from campaign.following.reading import QUICK_RECORDS, Reading, asked_again
from campaign.intake import means_number
from campaign.ledger import Ledger
from campaign.rules import DialSettings
from hamsa import HamsaClient, Refused, Unauthorized
from hamsa.models import CallSummary, JobRecord

SHARED = timedelta(minutes=1)
"""By so much earlier than it needs to a look begins, so that others who were denied just before can use it."""


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that was made though Hamsa had said no; `made_at` by our clock, if Hamsa shows it."""

    job: JobRecord
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Look:
    """The calls from `start` to `end`, by Hamsa's clock, of which nobody knew whose they are when they were read."""

    start: datetime
    end: datetime
    read_at: datetime
    rows: Sequence[CallSummary]
    records: dict[str, JobRecord | None] = field(default_factory=dict)


class Denials:
    """Looks for the calls of attempts that were denied. The lines of a run share it: one reading serves many."""

    def __init__(self, client: HamsaClient, ledger: Ledger, settings: DialSettings | None = None) -> None:
        self._client = client
        self._ledger = ledger
        settings = settings or DialSettings()
        self._tolerance = timedelta(seconds=settings.clock_skew_seconds)
        self._grace = timedelta(seconds=settings.settle_grace_seconds)
        self._turn = asyncio.Lock()
        self._looks: dict[str | None, _Look] = {}

    async def look(self, claim: Claim, denial: Denial) -> MadeCall | Unclear | None:
        """Look for the call of the turn of an attempt that was denied.

        Args:
            claim: The present turn.
            denial: What Hamsa said to the one before.

        Returns:
            The call, if its record carries the attempt's key; why one may be it; or None if the list shows none.

        Raises:
            Unauthorized: The key is not valid.
            HamsaError: The list or a record cannot be read for now.
            LedgerError: The ledger cannot be read.
        """
        offset = clock_offset(await self._ledger.clock_readings(denial.account))
        start = denial.asked_at + offset - self._tolerance
        end = denial.answered_at + offset + self._tolerance + self._grace
        look = await self._look(denial, start, end)
        owners = await self._ledger.owners([row.id for row in look.rows])
        rows = [row for row in look.rows if row.id not in owners]
        # Of calls that are shown to other numbers there may be many, which other lines are making just now.
        theirs = [row for row in rows if means_number(number_of(row), claim.phone) is not False]
        others = [row for row in rows if means_number(number_of(row), claim.phone) is False]
        left = 0
        for row in [*theirs, *others[:QUICK_RECORDS]]:
            record = await self._record(look, row.id)
            if record is not None and (shown := shown_keys(record)).whole | shown.cut:
                if shown.hold(claim.call_key):
                    return MadeCall(record, record.created_at - offset if record.created_at is not None else None)
                if await self._ledger.keyed(sorted(shown.whole)):
                    continue
            left += row in theirs and (row.created_at is None or start <= row.created_at <= end)
        if not left:
            return None
        calls = "a call" if left == 1 else f"{left} calls"
        return Unclear(f"Hamsa had said no, but its call list shows {calls} of that time which may be to this number")

    async def _look(self, denial: Denial, start: datetime, end: datetime) -> _Look:
        async with self._turn:
            known = self._looks.get(denial.agent_id)
            if known is None or known.read_at <= denial.answered_at or known.start > start or known.end < end:
                known = await self._read(denial.agent_id, start - SHARED, end + SHARED)
                self._looks[denial.agent_id] = known
            return known

    async def _read(self, agent_id: str | None, start: datetime, end: datetime) -> _Look:
        read_at = self._ledger.now()
        reading = Reading()
        while not reading.over:
            page = reading.pages + 1
            ask = partial(
                self._client.list_calls_page, voice_agent_id=agent_id, start_time=start, end_time=end, page=page
            )
            reading.take(await asked_again(ask))
        owners = await self._ledger.owners(list(reading.rows))
        return _Look(start, end, read_at, [row for row in reading.rows.values() if row.id not in owners])

    async def _record(self, look: _Look, job_id: str) -> JobRecord | None:
        """The record of a job, None if Hamsa has none."""
        if job_id not in look.records:
            try:
                look.records[job_id] = await asked_again(partial(self._client.get_job, job_id))
            except Unauthorized:
                raise
            except Refused:
                look.records[job_id] = None
        return look.records[job_id]
