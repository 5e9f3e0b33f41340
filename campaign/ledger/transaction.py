"""One transaction of the ledger: a group of claims and reports, read together, decided in memory, written together.

Promises that what a group decides on cannot change under it. On SQLite the transaction is the only writer. On
PostgreSQL it holds a lock for every number and recipient that it claims, and one for every row that it changes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Update, bindparam, false, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import VACANT, AttemptState, PastAttempt
from campaign.errors import LedgerError
from campaign.ledger.claims.histories import PAST, ROW, Asked, calls_query, opt_out, opt_outs_query, past_attempt
from campaign.ledger.claims.judging import ClaimRequest, Known, Seen, judge
from campaign.ledger.claims.spending import read_spending
from campaign.ledger.claims.totals import Changes
from campaign.ledger.database.connections import Database
from campaign.ledger.database.locks import lock, lock_fields
from campaign.ledger.erasure.pseudonyms import Pseudonyms, erasure_key, pseudonyms_among
from campaign.ledger.erasure.rows import begin_again, erased_values, is_erased_by, kept_of_erased
from campaign.ledger.notes.opt_outs import fields_of_the_ledger, note_opt_outs, opt_out_of_call
from campaign.ledger.schema import call_attempts, campaigns
from campaign.ledger.transitions import Move, merge
from campaign.rules import LONGEST_CALL, OptOut, OptOutRead, Said, read_opt_out

_ATTEMPTS = call_attempts.c

_LARGE = ("outcome", "record")

_UNREAD = ("policy", "decided_by", *_LARGE)

_FACTS = (
    *(column for column in call_attempts.columns if column.name not in _UNREAD),
    # Whether they are there is enough, and they are the bulk of a row.
    *(_ATTEMPTS[name].is_not(None).label(name) for name in _LARGE),
)
"""What the transitions need of a row."""

_FRESH = {column.name: None for column in call_attempts.columns if column.nullable}
"""An attempt that is claimed once more begins with nothing of what was known of its last turn."""


def why_on_hold(note: str | None, held_by: str | None) -> str:
    """A clause for people: who put a campaign on hold, if that is known, and why."""
    return f"by {held_by}: {note or 'no reason given'}" if held_by else note or "no reason given"


class Transaction:
    """Claims and reports that share one transaction.

    Args:
        writes: Claims and reports, in the order in which they were asked for.
    """

    def __init__(self, connection: AsyncConnection, database: Database, writes: Sequence[ClaimRequest | Move]) -> None:
        self._connection = connection
        self._database = database
        self._writes = writes
        self._claims = [write for write in writes if isinstance(write, ClaimRequest)]
        self._moves = [write for write in writes if isinstance(write, Move)]

    async def apply(self) -> list[Any]:
        """Do them all.

        Returns:
            One answer per write, in their order: what `judge` says to a claim, and whether a report was the one that
            brought the state; or the exception that its caller is to have.
        """
        fields = await self._opt_out_fields()
        known = await self._known() if self._claims else Known()
        rows = await self._rows(known)
        # Only now: to wait for a lock takes time, and rules hold at the moment of the claim.
        now = self._database.now()
        moved = iter(await self._apply_moves(rows, fields, now))
        claimed: Iterable[Any] = ()
        if self._claims:
            for row in rows.values():
                known.add(_seen(row))
            claimed = await self._apply_claims(known, now)
        granted = iter(claimed)
        return [next(granted) if isinstance(write, ClaimRequest) else next(moved) for write in self._writes]

    # -- reading -------------------------------------------------------------------------------------------------

    async def _known(self) -> Known:
        """Lock the numbers, recipients and people of the claims, and read what the ledger holds of them."""
        by_campaign: defaultdict[str, list[ClaimRequest]] = defaultdict(list)
        for claim in self._claims:
            by_campaign[claim.campaign].append(claim)
        numbers = {f"p:{claim.phone}" for claim in self._claims}
        recipients = {f"r:{claim.campaign}:{claim.recipient_id}" for claim in self._claims}
        people = {f"h:{claim.who}" for claim in self._claims}
        # One claim at a time of a campaign that has limits: they are summed over all its calls.
        bounded = {f"b:{claim.campaign}" for claim in self._claims if claim.limits is not None and claim.limits.any}
        await lock(self._connection, numbers | recipients | people | bounded)
        phones, persons = {claim.phone for claim in self._claims}, {claim.who for claim in self._claims}
        ids = persons | {claim.recipient_id for claim in self._claims}
        erased = await pseudonyms_among(self._database, phones, ids, self._connection)
        known = Known(erased)
        for campaign, claims in by_campaign.items():
            asked = self._asked(campaign, claims, erased)
            found = await self._connection.execute(*calls_query(self._database, asked))
            for row in found:
                known.add(Seen.of(past_attempt(row), row[len(PAST) :]))
        # After the calls: a refusal is written with the end of its call, so whoever saw the end sees the refusal.
        whose = (erased.added_to(phones), erased.added_to(persons))
        blocked = await self._connection.execute(*opt_outs_query(self._database, *whose))
        known.bar([opt_out(row) for row in blocked])
        return known

    def _asked(self, campaign: str, claims: Sequence[ClaimRequest], erased: Pseudonyms) -> Asked:
        """Whose past the rules of these claims need, and how much of it."""
        spans = [claim.looks_back for claim in claims]
        counts = [claim.most_counted for claim in claims]
        silence = max(claim.silence for claim in claims)
        now = self._database.now()
        return Asked(
            campaign,
            erased.added_to({claim.phone for claim in claims}),
            erased.added_to({claim.recipient_id for claim in claims}),
            erased.added_to({claim.who for claim in claims}),
            since=None if None in spans else now - max(span for span in spans if span is not None),
            most=None if None in counts else max(count for count in counts if count is not None),
            talked_since=now - silence - LONGEST_CALL if silence else None,
        )

    async def _opt_out_fields(self) -> frozenset[str]:
        """The fields in which any policy of this ledger finds a refusal, if there is an outcome to be read."""
        if not any(move.facts.get("outcome") for move in self._moves):
            return frozenset()
        await lock_fields(self._connection, shared=True)
        return await fields_of_the_ledger(self._connection)

    async def _rows(self, known: Known) -> dict[str, dict[str, Any]]:
        """Read and lock the rows that may be changed: those the reports are about, and vacant ones to be claimed."""
        keys = {move.call_key for move in self._moves if move.call_key is not None}
        jobs = {job for move in self._moves for job in (move.job_id, move.facts.get("job_id")) if job is not None}
        locks = self._connection.dialect.name == "postgresql"
        if locks:
            # A late report may be bringing such a row to life at this very moment.
            keys |= {seen.call_key for claim in self._claims for seen in known.of(claim) if seen.past.state in VACANT}
        if not keys and not jobs:
            return {}
        query = select(*_FACTS).where(
            or_(
                self._database.among(_ATTEMPTS.call_key, keys) if keys else false(),
                self._database.among(_ATTEMPTS.job_id, jobs) if jobs else false(),
            )
        )
        if locks:
            query = query.order_by(_ATTEMPTS.call_key).with_for_update()
        rows = {row["call_key"]: dict(row) for row in (await self._connection.execute(query)).mappings()}
        for row in rows.values():
            row.update((name, row[name] or None) for name in _LARGE)
        return rows

    async def _held(self) -> dict[str, str]:
        names = {claim.campaign for claim in self._claims}
        query = select(campaigns.c.campaign, campaigns.c.note, campaigns.c.held_by).where(
            self._database.among(campaigns.c.campaign, names), campaigns.c.on_hold
        )
        return {name: why_on_hold(note, held_by) for name, note, held_by in await self._connection.execute(query)}

    # -- writing -------------------------------------------------------------------------------------------------

    async def _apply_moves(
        self, rows: dict[str, dict[str, Any]], fields: frozenset[str], now: datetime
    ) -> list[bool | Exception]:
        refusals: list[OptOut] = []
        erased: set[str] = set()
        owners = {row["job_id"]: key for key, row in rows.items() if row["job_id"] is not None}
        changes: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        answers: list[bool | Exception] = []
        totals = Changes()
        for move in self._moves:
            key = move.call_key or owners.get(move.job_id or "")
            if key is None or key not in rows:
                answers.append(False)
                continue
            # Here and nowhere else: whoever brings the outcome, and whatever its own settings, it is read alike.
            read = read_opt_out(move.facts.get("outcome"), {*fields, *(rows[key]["opt_out_fields"] or ())})
            report = replace(move, facts={**move.facts, "opted_out": True}) if _refuses(read) else move
            merged = merge(rows[key], report, owners, now)
            if isinstance(merged, Exception):
                answers.append(merged)
                continue
            answers.append(merged.moved)
            if not merged.changes:
                continue
            change = await self._without_erased(rows[key], merged.changes, now)
            if "erased_at" in change:
                erased.add(rows[key]["erasure"])
            totals.note(rows[key], {**rows[key], **change})
            rows[key].update(change)
            changes[key].update(change)
            if merged.changes.get("opted_out") or read is not None:
                refusals.append(opt_out_of_call(rows[key], read, now))
            if rows[key]["job_id"] is not None:
                owners[rows[key]["job_id"]] = key
        await self._update(changes)
        await totals.write(self._connection)
        if erased:
            await begin_again(self._connection, erased)
        if refusals:
            await note_opt_outs(self._connection, refusals)
        return answers

    async def _without_erased(
        self, row: Mapping[str, Any], changes: Mapping[str, Any], now: datetime
    ) -> Mapping[str, Any]:
        """What a report changes, if its person was erased meanwhile: their call is erased once it is over."""
        if row["erased_at"] is not None:
            return kept_of_erased(changes)
        if not is_erased_by(row, changes):
            return changes
        key = await erasure_key(self._database, self._connection)
        if key is None:
            raise LedgerError(f"The ledger {self._database.name} lost its table `call_erasure_key`: bring it back.")
        return {**changes, **erased_values(row, key, now)}

    async def _apply_claims(self, known: Known, now: datetime) -> list[Any]:
        spending = await read_spending(self._connection, self._claims, now)
        verdicts = judge(self._claims, known, await self._held(), spending, now)
        if verdicts.new:
            await self._connection.execute(insert(call_attempts), verdicts.new)
        await self._update({row["call_key"]: {**_FRESH, **row} for row in verdicts.again})
        return verdicts.answers

    async def _update(self, changes: dict[str, dict[str, Any]]) -> None:
        """Write changed columns alone: a record is large, and most reports leave it as it is."""
        alike: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for key in sorted(changes):
            columns = tuple(sorted(changes[key].keys() - {"call_key"}))
            alike[columns].append({**changes[key], "b_key": key})
        for columns, values in alike.items():
            await self._connection.execute(_update_of(columns), values)


def _refuses(read: OptOutRead | None) -> bool:
    return read is not None and read.said is Said.YES


@lru_cache(maxsize=64)
def _update_of(columns: tuple[str, ...]) -> Update:
    return (
        update(call_attempts)
        .where(_ATTEMPTS.call_key == bindparam("b_key"))
        .values({name: bindparam(name) for name in columns})
    )


def _seen(row: dict[str, Any]) -> Seen:
    facts = {column.name: row[column.name] for column in PAST}
    past = PastAttempt(**{**facts, "state": AttemptState(row["state"])})
    return Seen.of(past, [row[column.name] for column in ROW])
