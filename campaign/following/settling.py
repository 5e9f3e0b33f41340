"""Finding out what became of attempts whose answer was lost.

Promises never to take another call for ours, and to believe in absence only after a grace period and several
complete looks that found no trace. Whatever stays unclear stays uncertain, with the reason written down.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain

from campaign.attempts import Attempt, AttemptState
from campaign.errors import LedgerError
from campaign.intake.numbers import mask, means_number
from campaign.ledger.ledger import Ledger
from hamsa import HamsaClient, HamsaError, Unauthorized
from hamsa.client import MAX_PER_PAGE
from hamsa.models import CallPage, CallSummary, JobRecord

logger = logging.getLogger(__name__)


UNREAD = "Hamsa's call list could not be read whole"

APART = timedelta(hours=1)
"""Attempts whose time in the list lies further apart than this are looked for separately."""


@dataclass(frozen=True, slots=True)
class SettleSettings:
    """When settling believes what. All in seconds but `looks` and `records`.

    Attributes:
        clock_skew_seconds: How far Hamsa's clock may be from ours: the search window is wider by this on both sides.
        grace_seconds: How long after its lease a call may still turn up in the list.
        looks: How many complete looks without a trace prove absence.
        look_every_seconds: Looks closer together than this count as one.
        records: How many job records one look reads at most. What was not read cannot be ruled out.
    """

    clock_skew_seconds: float = 300.0
    grace_seconds: float = 900.0
    looks: int = 3
    look_every_seconds: float = 60.0
    records: int = 100


@dataclass(frozen=True, slots=True)
class Look:
    """What one reading of Hamsa's call list showed.

    Attributes:
        rows: The calls read.
        complete: Whether every call in the window was read: only then does absence mean anything.
    """

    rows: Sequence[CallSummary]
    complete: bool


@dataclass(slots=True)
class Reading:
    """Reads the list page by page: tells when to stop, and whether everything was seen.

    Neither a short page nor Hamsa's own count is believed alone: a server may give fewer rows than were asked for,
    count otherwise than assumed, or not heed `page` at all, and a call that is overlooked here would be dialed again.
    """

    rows: dict[str, CallSummary] = field(default_factory=dict)
    pages: int = 0
    over: bool = False
    complete: bool = False

    def take(self, page: CallPage) -> None:
        """Take in the next page."""
        before = len(self.rows)
        self.pages += 1
        self.rows.update((row.id, row) for row in page.calls)
        promised = page.filtered if page.filtered is not None else page.total
        if promised is None:
            self.complete = not page.calls
        else:
            # The order of rows is not documented: if rows moved between two pages, some were never shown.
            self.complete = len(self.rows) >= promised and len(page.calls) < MAX_PER_PAGE
        self.over = self.complete or not page.calls or len(self.rows) == before


@dataclass(frozen=True, slots=True)
class Found:
    """The call is this one."""

    job: JobRecord
    certain: bool


@dataclass(frozen=True, slots=True)
class Unclear:
    """It cannot be told: the attempt stays uncertain, and this look proves nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoTrace:
    """A complete look in which nothing could be our call."""

    reason: str


def candidates(
    attempt: Attempt, rows: Iterable[CallSummary], owned: Mapping[str, str], skew: timedelta
) -> list[CallSummary]:
    """The calls in the list that may be this attempt's: to its number, in its time, by its agent, owned by no other.

    A row cannot be ruled out by a number, a time or an agent that it lacks, nor by a number that cannot be read.
    """
    return [
        row
        for row in rows
        if owned.get(row.id, attempt.call_key) == attempt.call_key
        and (row.created_at is None or attempt.claimed_at - skew <= row.created_at <= attempt.lease_until + skew)
        and (attempt.agent_id is None or row.voice_agent_id is None or row.voice_agent_id == attempt.agent_id)
        and _is_to_number_of(attempt, row) is not False
    ]


def _is_to_number_of(attempt: Attempt, row: CallSummary) -> bool | None:
    # Assumed nowhere: how Hamsa writes a number. What cannot be read may be anybody's.
    return means_number(row.call_params.user_number if row.call_params else None, attempt.phone)


def _in_order_of_promise(attempts: Sequence[Attempt], fitting: Mapping[str, Sequence[CallSummary]]) -> list[str]:
    """The job ids of all candidates, those most likely to be an attempt's call first: by number, then by time."""
    ranks: dict[str, tuple[bool, float]] = {}
    for attempt in attempts:
        for row in fitting[attempt.call_key]:
            apart = abs((row.created_at - attempt.claimed_at).total_seconds()) if row.created_at else 0.0
            rank = (not _is_to_number_of(attempt, row), apart)
            ranks[row.id] = min(ranks.get(row.id, rank), rank)
    return sorted(ranks, key=lambda job_id: (ranks[job_id], job_id))


def judge(
    attempt: Attempt,
    mine: Sequence[CallSummary],
    records: Mapping[str, JobRecord],
    *,
    claimants: Mapping[str, int],
    complete: bool,
    echoes: bool,
) -> Found | Unclear | NoTrace:
    """Decide what a look says of one attempt.

    Args:
        attempt: The uncertain attempt.
        mine: Its candidates.
        records: Their job records, as far as they could be read.
        claimants: For each call in the list, to how many attempts without a job it could belong.
        complete: Whether the list was read whole.
        echoes: Whether the job records of this account and agent are known to give back `call_key`, so that one
            without it is not ours.
    """
    possible: list[CallSummary] = []
    for row in mine:
        record = records.get(row.id)
        key = record.call_key if record is not None else None
        if record is not None and key == attempt.call_key:
            return Found(record, certain=True)
        if key is not None or (record is not None and echoes):
            continue  # the call of another attempt, or one that somebody made from the dashboard
        possible.append(row)
    if not possible:
        if not complete:
            return Unclear(UNREAD)
        return NoTrace("Hamsa's call list shows no call that could be this one")
    if len(possible) > 1:
        return Unclear(f"{len(possible)} calls in Hamsa's list could be this one")
    return _only_one(attempt, possible[0], records, shared=claimants[possible[0].id] > 1, complete=complete)


def _only_one(
    attempt: Attempt, row: CallSummary, records: Mapping[str, JobRecord], *, shared: bool, complete: bool
) -> Found | Unclear:
    """Whether the one call that could be ours is: only if nothing else could be, and nobody else's attempt it could."""
    record = records.get(row.id)
    if shared:
        return Unclear("one call in Hamsa's list could belong to this or to another attempt")
    if not _is_to_number_of(attempt, row):
        return Unclear(
            "a call in Hamsa's list shows no number that can be read, so it cannot be told whether it is this one"
        )
    if not complete:
        return Unclear(UNREAD)
    if record is None:
        return Unclear("one call fits, but its record could not be read")
    return Found(record, certain=False)


def split_by_time(attempts: Iterable[Attempt], skew: timedelta) -> list[list[Attempt]]:
    """Group attempts so that what lies between is not read: one of last month and one of today need no month's list.

    Args:
        attempts: In any order.
        skew: By how much the time in which an attempt's call may be listed is wider than its lease, on both sides.

    Returns:
        Groups, the oldest first. The times of two groups neither overlap nor come within an hour of each other.
    """
    groups: list[list[Attempt]] = []
    until = datetime.min.replace(tzinfo=UTC)
    for attempt in sorted(attempts, key=_claimed_at):
        if not groups or attempt.claimed_at - skew > until + skew + APART:
            groups.append([])
        groups[-1].append(attempt)
        until = max(until, attempt.lease_until)
    return groups


def _claimed_at(attempt: Attempt) -> datetime:
    return attempt.claimed_at


@dataclass(slots=True)
class Settled:
    """What a round of settling brought: call keys by what became of them."""

    adopted: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    still_uncertain: dict[str, str] = field(default_factory=dict)


class Settler:
    """Looks for the calls of uncertain attempts in Hamsa's list.

    Args:
        client: Of the account that the attempts were made with.
        ledger: Where they are.
        settings: When to believe what.
    """

    def __init__(self, client: HamsaClient, ledger: Ledger, settings: SettleSettings | None = None) -> None:
        self._client = client
        self._ledger = ledger
        self._settings = settings or SettleSettings()
        self._records_read: dict[str, tuple[JobRecord, datetime]] = {}

    async def look(self, attempts: Sequence[Attempt]) -> Look:
        """Read Hamsa's call list over the time of these attempts.

        Raises:
            HamsaError: The list cannot be read.
        """
        skew = timedelta(seconds=self._settings.clock_skew_seconds)
        agents = {attempt.agent_id for attempt in attempts}
        start = min(attempt.claimed_at for attempt in attempts) - skew
        end = max(attempt.lease_until for attempt in attempts) + skew
        # An inline agent has no id to filter by; and one list serves several agents, if there are several.
        agent = agents.pop() if len(agents) == 1 else None
        reading = Reading()
        while not reading.over:
            page = reading.pages + 1
            reading.take(
                await self._client.list_calls_page(voice_agent_id=agent, start_time=start, end_time=end, page=page)
            )
        return Look(list(reading.rows.values()), complete=reading.complete)

    async def settle(self, attempts: Sequence[Attempt], *, look: Look | None = None) -> Settled:
        """Bring uncertain attempts as near to the truth as one look allows.

        Args:
            attempts: In state `uncertain`, all of one account.
            look: A reading of the list over the time of all of them that somebody else just made; otherwise the list
                is read here, and only where one of them may be.

        Returns:
            Which were adopted (they are `placed` now), which were proved absent, and why the others stay uncertain.

        Raises:
            LedgerError: The ledger could not be read or written.
            Unauthorized: The key is no good.
        """
        result = Settled()
        skew = timedelta(seconds=self._settings.clock_skew_seconds)
        groups = [list(attempts)] if look is not None and attempts else split_by_time(attempts, skew)
        for index, group in enumerate(groups):
            try:
                seen = look or await self.look(group)
            except Unauthorized:
                raise
            except HamsaError as error:
                # Whatever it is, the other times fare no better just now.
                for attempt in chain.from_iterable(groups[index:]):
                    result.still_uncertain[attempt.call_key] = f"Hamsa's call list cannot be read now: {error}"
                break
            await self._settle_by(seen, group, result)
        return result

    async def _settle_by(self, look: Look, attempts: Sequence[Attempt], result: Settled) -> None:
        skew = timedelta(seconds=self._settings.clock_skew_seconds)
        # In this order: whoever of them gets its job meanwhile is seen as its owner, if not as a rival any more.
        rivals = await self._rivals(attempts)
        owned = await self._ledger.owned([row.id for row in look.rows])
        fitting = {attempt.call_key: candidates(attempt, look.rows, owned, skew) for attempt in attempts}
        in_question = {row.id: row for rows in fitting.values() for row in rows}
        records = await self._records(_in_order_of_promise(attempts, fitting))
        account = attempts[0].account
        agents = {attempt.agent_id for attempt in attempts}
        echoes = {agent: await self._ledger.account_echoes(account, agent) for agent in agents}
        claimants = Counter(row.id for rows in fitting.values() for row in rows)
        for rival in rivals:
            claimants.update(row.id for row in candidates(rival, in_question.values(), owned, skew))
        for attempt in attempts:
            mine = fitting[attempt.call_key]
            verdict = judge(
                attempt,
                mine,
                records,
                claimants=claimants,
                complete=look.complete,
                echoes=echoes[attempt.agent_id],
            )
            await self._apply(attempt, verdict, result)

    async def _rivals(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Every other attempt of this account, of any campaign, that may have a call without knowing its job."""
        keys = {attempt.call_key for attempt in attempts}
        jobless = (AttemptState.CLAIMED, AttemptState.UNCERTAIN)
        found = await self._ledger.attempts(states=jobless, account=attempts[0].account)
        return [attempt for attempt in found if attempt.call_key not in keys]

    async def _apply(self, attempt: Attempt, verdict: Found | Unclear | NoTrace, result: Settled) -> None:
        if isinstance(verdict, Found):
            try:
                await self._ledger.place(
                    attempt.call_key,
                    verdict.job.id,
                    status=verdict.job.status,
                    record=verdict.job.as_json(),
                    echoed=verdict.certain,
                    placed_at=verdict.job.created_at,
                )
            except LedgerError as error:
                result.still_uncertain[attempt.call_key] = str(error)
                return
            how = "its record carries our key" if verdict.certain else "by number, time and agent"
            logger.info("Settled: %s was called after all (job %s, %s)", mask(attempt.phone), verdict.job.id, how)
            result.adopted.append(attempt.call_key)
            return
        now = self._ledger.now()
        settings = self._settings
        if isinstance(verdict, Unclear):
            await self._ledger.note_look(attempt, reason=verdict.reason, counts=False)
            result.still_uncertain[attempt.call_key] = verdict.reason
            return
        spaced = attempt.looked_at is None or now >= attempt.looked_at + timedelta(seconds=settings.look_every_seconds)
        looks = attempt.looks + 1 if spaced else attempt.looks
        over = now >= attempt.lease_until + timedelta(seconds=settings.grace_seconds)
        if over and looks >= settings.looks:
            reason = f"proved absent: {looks} complete looks at Hamsa's call list found no trace of it"
            if await self._ledger.prove_absent(attempt, reason=reason):
                logger.info("Settled: %s was not called; it may be dialed again", mask(attempt.phone))
                result.absent.append(attempt.call_key)
                return
        if spaced:
            await self._ledger.note_look(attempt, reason=verdict.reason, counts=True)
        result.still_uncertain[attempt.call_key] = f"{verdict.reason} (look {looks} of {settings.looks})"

    async def _records(self, job_ids: Sequence[str]) -> dict[str, JobRecord]:
        """The records of these jobs, as far as they can be read now.

        Where the list's numbers cannot be read, every call is in question: so a look reads but some of the records,
        and the next ones go on from there, as what was read is not read again at once.
        """
        now = self._ledger.now()
        fresh = timedelta(seconds=self._settings.look_every_seconds)
        asked = set(job_ids)
        self._records_read = {
            job_id: (record, at)
            for job_id, (record, at) in self._records_read.items()
            if job_id in asked and now - at < fresh
        }
        unread = [job_id for job_id in job_ids if job_id not in self._records_read]
        for job_id in unread[: self._settings.records]:
            try:
                self._records_read[job_id] = await self._client.get_job(job_id), now
            except Unauthorized:
                raise
            except HamsaError as error:
                logger.debug("Job %s cannot be read now: %s", job_id, error)
        if len(unread) > self._settings.records:
            logger.info(
                "%d of Hamsa's calls may be uncertain attempts' and %d records are read at once: the rest comes later",
                len(job_ids),
                self._settings.records,
            )
        return {job_id: record for job_id, (record, _) in self._records_read.items()}
