"""Finding out whether attempts whose answer was lost were calls.

Promises never to take another call for ours, and to believe in absence only after a grace period and several complete
looks that found no trace and that were checked by controls. Whatever stays unclear stays uncertain, with the reason
written down.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain

from campaign.attempts import Attempt, AttemptState
from campaign.errors import LedgerError
from campaign.following.controls import nearest_controls, why_silent
from campaign.following.hamsa_clock import clock_offset, log_offset
from campaign.following.judging import Evidence, Found, NoTrace, Unclear, fits, is_anothers, judge, number_of
from campaign.following.keys import ShownKeys, shown_keys
from campaign.following.reading import QUICK_RECORDS, Look, Reading, asked_again
from campaign.intake import mask, means_number
from campaign.ledger import Control, Ledger, Owner
from campaign.rules import DialSettings
from hamsa import HamsaClient, HamsaError, Unauthorized
from hamsa.models import CallSummary, JobRecord

logger = logging.getLogger(__name__)

APART = timedelta(hours=1)
"""Attempts whose time in the list lies further apart than this are looked for separately."""

CONTROLS_REACH = timedelta(days=3)
"""Controls are looked for no further from an attempt than this: a weekend without calls."""

READ_AT_ONCE = 4
"""So many records are asked for at once."""

CONTROLS = 10
"""So many of the nearest controls before and after an attempt must be listed, beside all in between."""


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
    for attempt in sorted(attempts, key=lambda attempt: attempt.since):
        if not groups or attempt.since - skew > until + skew + APART:
            groups.append([])
        groups[-1].append(attempt)
        until = max(until, attempt.lease_until)
    return groups


@dataclass(slots=True)
class Settled:
    """What a round of settling brought: call keys by how they were settled."""

    adopted: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    still_uncertain: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Searched:
    """Attempts that are looked for together, and the controls by which the look is checked."""

    attempts: Sequence[Attempt]
    controls: Sequence[Control]


def _checking(searched: _Searched, rows: Mapping[str, CallSummary]) -> list[str]:
    """The jobs of those controls by which records are checked."""
    wanted: dict[str, None] = {}
    for attempt in searched.attempts:
        controls = [control for control in searched.controls if control.agent_id == attempt.agent_id]
        wanted |= dict.fromkeys(control.job_id for control in nearest_controls(attempt, controls, rows))
    return list(wanted)


class Settler:
    """Looks for the calls of uncertain attempts in Hamsa's list.

    Args:
        client: Of the account that the attempts were made with.
    """

    def __init__(self, client: HamsaClient, ledger: Ledger, settings: DialSettings | None = None) -> None:
        self._client = client
        self._ledger = ledger
        self._settings = settings or DialSettings()
        self._tolerance = timedelta(seconds=self._settings.clock_skew_seconds)
        self._grace = timedelta(seconds=self._settings.settle_grace_seconds)
        self._records_read: dict[str, tuple[JobRecord, datetime]] = {}
        self._offset_logged = False

    async def offset(self, account: str | None) -> timedelta:
        """How far Hamsa's clock is ahead of ours, by the answers to this account's requests. Logged once if far."""
        offset = clock_offset(await self._ledger.clock_readings(account))
        if not self._offset_logged:
            self._offset_logged = log_offset(offset)
        return offset

    def may_be_absent(self, attempt: Attempt) -> bool:
        """Whether an attempt is old enough that its absence could be believed."""
        return self._ledger.now() >= attempt.lease_until + self._grace

    async def settle(self, attempts: Sequence[Attempt], *, look: Look | None = None) -> Settled:
        """Bring uncertain attempts as near to the truth as one look allows.

        Args:
            attempts: In state `uncertain`, all of one account.
            look: A reading of the list that somebody else just made. It may show a call, and proves no absence:
                for that the list is read here, over the time of an attempt and of its controls.

        Returns:
            Which were adopted (they are `placed` now), which were proved absent, and why the others stay uncertain.

        Raises:
            LedgerError: The ledger could not be read or written.
            Unauthorized: The key is not valid.
        """
        result = Settled()
        if not attempts:
            return result
        offset = await self.offset(attempts[0].account)
        if look is not None:
            await self._settle_by(look, _Searched(attempts, []), offset, result, proves=False)
            return result
        groups = split_by_time(attempts, self._tolerance)
        for index, group in enumerate(groups):
            searched = _Searched(group, await self._controls(group))
            try:
                seen = await self._look(searched, offset)
            except Unauthorized:
                raise
            except HamsaError as error:
                # Whatever it is, the other times fare no better just now.
                for attempt in chain.from_iterable(groups[index:]):
                    result.still_uncertain[attempt.call_key] = f"Hamsa's call list cannot be read now: {error}"
                break
            await self._settle_by(seen, searched, offset, result, proves=True)
        return result

    async def _controls(self, attempts: Sequence[Attempt]) -> list[Control]:
        """The calls of these attempts' account and agents from about the same time."""
        since = min(attempt.since for attempt in attempts)
        until = max(attempt.lease_until for attempt in attempts)
        found: list[Control] = []
        for agent in {attempt.agent_id for attempt in attempts}:
            found += await self._ledger.controls(
                attempts[0].account, agent, since=since, until=until, reach=CONTROLS_REACH, at_least=CONTROLS
            )
        return found

    async def _look(self, searched: _Searched, offset: timedelta) -> Look:
        """Read Hamsa's call list over the time of some attempts and their controls.

        Raises:
            HamsaError: The list cannot be read.
        """
        attempts, controls = searched.attempts, searched.controls
        # Wide enough also if only what Hamsa writes is off, and not the clock by which its list is filtered.
        first = min([*(attempt.since for attempt in attempts), *(control.claimed_at for control in controls)])
        start = first + min(offset, timedelta()) - self._tolerance
        last = max(attempt.lease_until for attempt in attempts) + self._grace
        end = max([last, *(control.lease_until for control in controls)]) + max(offset, timedelta()) + self._tolerance
        agents = {attempt.agent_id for attempt in attempts}
        # An inline agent has no id to filter by; and one list serves several agents, if there are several.
        agent = agents.pop() if len(agents) == 1 else None
        reading = Reading()
        while not reading.over:
            page = reading.pages + 1
            ask = partial(self._client.list_calls_page, voice_agent_id=agent, start_time=start, end_time=end, page=page)
            reading.take(await asked_again(ask))
        return reading.look()

    async def _settle_by(
        self, look: Look, searched: _Searched, offset: timedelta, result: Settled, *, proves: bool
    ) -> None:
        attempts, rows = searched.attempts, {row.id: row for row in look.rows}
        account = attempts[0].account
        # In this order: whoever of them gets its job meanwhile is seen as its owner, if not as a rival any more.
        rivals = await self._rivals(attempts)
        owners = await self._ledger.owners(list(rows))
        asked = self._in_order_of_promise(attempts, look.rows, owners, offset)
        records = await self._records(
            _checking(searched, rows) if asked and proves else (),
            asked,
            most=self._settings.settle_records if proves else min(self._settings.settle_records, QUICK_RECORDS),
        )
        keys = {job_id: shown_keys(record) for job_id, record in records.items()}
        keyed = await self._keyed(keys)
        claimants = Counter(
            row.id
            for each in chain(attempts, rivals)
            for row in look.rows
            if row.id not in owners and row.id not in keyed and fits(each, row, offset, self._tolerance)
        )
        agents = {attempt.agent_id for attempt in attempts}
        echoes = {agent: await self._ledger.account_echoes(account, agent) for agent in agents}
        for attempt in attempts:
            evidence = Evidence(
                owners=owners,
                records=records,
                keys=keys,
                keyed=keyed,
                claimants=claimants,
                echoes=echoes[attempt.agent_id],
                offset=offset,
                tolerance=self._tolerance,
                grace=self._grace,
            )
            verdict = judge(attempt, look.rows, evidence, unread=look.unread)
            if isinstance(verdict, NoTrace):
                silent = self._why_silent(attempt, look, searched, evidence, verdict) if proves else None
                verdict = verdict if silent is None else Unclear(silent)
            await self._apply(attempt, verdict, offset, result, proves=proves)

    def _why_silent(
        self, attempt: Attempt, look: Look, searched: _Searched, evidence: Evidence, verdict: NoTrace
    ) -> str | None:
        """Why a look in which nothing could be an attempt's call proves nothing all the same."""
        controls = [control for control in searched.controls if control.agent_id == attempt.agent_id]
        silent = why_silent(
            attempt,
            look,
            controls,
            now=self._ledger.now(),
            old_enough=self._grace,
            offset=evidence.offset,
            tolerance=self._tolerance,
        )
        if silent is not None or not verdict.used_records:
            return silent
        for control in nearest_controls(attempt, controls, {row.id: row for row in look.rows}):
            named = evidence.keyed.get(control.job_id)
            if control.job_id not in evidence.records:
                return f"the record of job {control.job_id}, by which Hamsa's records could be checked, cannot be read"
            if named is not None and named.call_key != control.call_key:
                return f"Hamsa gives the record of another call for job {control.job_id}, so its records prove nothing"
        return None

    async def _keyed(self, keys: Mapping[str, ShownKeys]) -> dict[str, Owner]:
        """Whose key each record carries, of all attempts of this ledger. One that carries several is nobody's."""
        known = await self._ledger.keyed(sorted(frozenset().union(*(shown.whole for shown in keys.values()))))
        found = {job_id: [known[key] for key in shown.whole if key in known] for job_id, shown in keys.items()}
        return {job_id: owners[0] for job_id, owners in found.items() if len(owners) == 1}

    def _in_order_of_promise(
        self, attempts: Sequence[Attempt], rows: Iterable[CallSummary], owners: Mapping[str, Owner], offset: timedelta
    ) -> list[str]:
        """The jobs that could be an attempt's, those most likely to be first: by number, by what fits, by time."""
        ranks: dict[str, tuple[bool, bool, float]] = {}
        for row in rows:
            owner = owners.get(row.id)
            if owner is not None and all(is_anothers(attempt, row, owner) for attempt in attempts):
                continue
            for attempt in attempts:
                apart = abs((row.created_at - offset - attempt.since).total_seconds()) if row.created_at else 0.0
                at_number = means_number(number_of(row), attempt.phone) is True
                rank = (not at_number, not fits(attempt, row, offset, self._tolerance), apart)
                ranks[row.id] = min(ranks.get(row.id, rank), rank)
        return sorted(ranks, key=lambda job_id: (ranks[job_id], job_id))

    async def _rivals(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Every other attempt of this account, of any campaign, that may have a call without knowing its job."""
        keys = {attempt.call_key for attempt in attempts}
        jobless = (AttemptState.CLAIMED, AttemptState.UNCERTAIN)
        found = await self._ledger.attempts(states=jobless, account=attempts[0].account)
        return [attempt for attempt in found if attempt.call_key not in keys]

    async def _apply(
        self, attempt: Attempt, verdict: Found | Unclear | NoTrace, offset: timedelta, result: Settled, *, proves: bool
    ) -> None:
        if isinstance(verdict, Found):
            await self._adopt(attempt, verdict, offset, result)
        elif isinstance(verdict, Unclear):
            if proves:
                await self._ledger.note_look(attempt, reason=verdict.reason, counts=False)
            result.still_uncertain[attempt.call_key] = verdict.reason
        elif proves:
            await self._count(attempt, result)
        else:
            result.still_uncertain[attempt.call_key] = "Hamsa's call list does not show it yet"

    async def _adopt(self, attempt: Attempt, found: Found, offset: timedelta, result: Settled) -> None:
        try:
            await self._ledger.place(
                attempt.call_key,
                found.job.id,
                status=found.job.status,
                record=found.job.as_json(),
                echoed=found.certain,
                placed_at=found.job.created_at - offset if found.job.created_at is not None else None,
                adopted_by="key" if found.certain else "match",
            )
        except LedgerError as error:
            result.still_uncertain[attempt.call_key] = str(error)
            return
        how = "its record carries our key" if found.certain else "by number, time and agent"
        logger.info("Settled: %s was called after all (job %s, %s)", mask(attempt.phone), found.job.id, how)
        result.adopted.append(attempt.call_key)

    async def _count(self, attempt: Attempt, result: Settled) -> None:
        """One look towards absence, and absence if it is the last one that was wanted."""
        now, settings = self._ledger.now(), self._settings
        spaced = attempt.looked_at is None or now >= attempt.looked_at + timedelta(
            seconds=settings.settle_look_every_seconds
        )
        looks = attempt.looks + 1 if spaced else attempt.looks
        if self.may_be_absent(attempt) and looks >= settings.settle_looks:
            reason = (
                f"proved absent: {looks} complete looks at Hamsa's call list, which showed the calls before and after "
                "it, found no trace of it"
            )
            if await self._ledger.prove_absent(attempt, reason=reason):
                logger.info("Settled: %s was not called; it may be dialed again", mask(attempt.phone))
                result.absent.append(attempt.call_key)
                return
        reason = "Hamsa's call list shows no call that could be this one"
        if spaced:
            await self._ledger.note_look(attempt, reason=reason, counts=True)
        result.still_uncertain[attempt.call_key] = f"{reason} (look {looks} of {settings.settle_looks})"

    async def _records(self, controls: Sequence[str], job_ids: Sequence[str], *, most: int) -> dict[str, JobRecord]:
        """The records of these jobs, as far as they can be read now.

        Controls are few for each attempt. Of the others, of which there may be many where somebody else calls by the
        same agent, a look reads but `most`; the next ones go on from there, as what was read is not read again at once.
        """
        now = self._ledger.now()
        fresh = timedelta(seconds=self._settings.settle_look_every_seconds)
        asked = {*controls, *job_ids}
        self._records_read = {
            job_id: (record, at)
            for job_id, (record, at) in self._records_read.items()
            if job_id in asked and now - at < fresh
        }
        unread = [job_id for job_id in dict.fromkeys(job_ids) if job_id not in self._records_read]
        due = [job_id for job_id in dict.fromkeys(controls) if job_id not in self._records_read]
        at_once = asyncio.Semaphore(READ_AT_ONCE)
        await asyncio.gather(*(self._read(job_id, now, at_once) for job_id in dict.fromkeys([*due, *unread[:most]])))
        if len(unread) > most:
            logger.info(
                "%d of Hamsa's calls may belong to uncertain attempts: %d of their records are read now, more later",
                len(job_ids),
                most,
            )
        return {job_id: record for job_id, (record, _) in self._records_read.items()}

    async def _read(self, job_id: str, now: datetime, at_once: asyncio.Semaphore) -> None:
        async with at_once:
            try:
                self._records_read[job_id] = await asked_again(partial(self._client.get_job, job_id)), now
            except Unauthorized:
                raise
            except HamsaError as error:
                logger.debug("Job %s cannot be read now: %s", job_id, error)
