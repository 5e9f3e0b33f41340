"""One transaction of the ledger: a group of claims and reports, read together, decided in memory, written together.

Promises that what a group decides on cannot change under it. On SQLite the transaction is the only writer. On
PostgreSQL it holds a lock for every number and recipient that it claims, and one for every row that it changes.
"""

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    false,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import VACANT, AttemptState, PastAttempt
from campaign.ledger.claims import ClaimRequest, Known, Seen, judge
from campaign.ledger.database import AnyRow, Database
from campaign.ledger.schema import call_attempts, campaigns
from campaign.ledger.spending import read_spending
from campaign.ledger.transitions import Move, merge

LOCK_SLOTS = 4096
"""Numbers and recipients share this many advisory locks on PostgreSQL, so that no group exhausts its lock table."""

LOCK_NAMESPACE = 1130460240
"""Keeps the ledger's advisory locks apart from those of other programs in the same database."""

_ATTEMPTS = call_attempts.c

_PAST = (
    _ATTEMPTS.campaign,
    _ATTEMPTS.recipient_id,
    _ATTEMPTS.phone,
    _ATTEMPTS.attempt,
    _ATTEMPTS.state,
    _ATTEMPTS.claimed_at,
    _ATTEMPTS.ended_at,
    _ATTEMPTS.opted_out,
    _ATTEMPTS.run_id,
)
"""What the rules need of a row, in the order of `PastAttempt`."""

_LARGE = ("outcome", "record")

_FACTS = (
    *(column for column in call_attempts.columns if column.name not in _LARGE),
    # Whether they are there is enough, and they are the bulk of a row.
    *(_ATTEMPTS[name].is_not(None).label(name) for name in _LARGE),
)
"""What the transitions need of a row."""

_LOCK = text(
    # Sorted inside, so that two groups that want the same locks take them in the same order.
    "SELECT count(pg_advisory_xact_lock(:namespace, slot)) FROM (SELECT unnest(:slots) AS slot ORDER BY slot) AS wanted"
).bindparams(bindparam("slots", type_=ARRAY(Integer)), bindparam("namespace", LOCK_NAMESPACE, type_=Integer))

_FRESH = {column.name: None for column in call_attempts.columns if column.nullable}
"""An attempt that is claimed once more begins with nothing of what was known of its last turn."""


def past_attempt(row: AnyRow) -> PastAttempt:
    """Read a row of `history_query`."""
    campaign, recipient_id, phone, attempt, state, claimed_at, ended_at, opted_out, run_id = row[:9]
    return PastAttempt(
        campaign, recipient_id, phone, attempt, AttemptState(state), claimed_at, ended_at, opted_out, run_id
    )


def history_query(
    database: Database, campaign: str, phones: Collection[str], recipient_ids: Collection[str]
) -> Select[Any]:
    """Ask for all attempts at these numbers in any campaign, and at these recipients in one."""
    return select(*_PAST, _ATTEMPTS.call_key, _ATTEMPTS.tries).where(
        or_(
            database.among(_ATTEMPTS.phone, phones),
            and_(_ATTEMPTS.campaign == campaign, database.among(_ATTEMPTS.recipient_id, recipient_ids)),
        )
    )


async def lock(connection: AsyncConnection, names: Iterable[str]) -> None:
    """On PostgreSQL, wait for whoever holds one of these names. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        slots = sorted({zlib.crc32(name.encode()) % LOCK_SLOTS for name in names})
        await connection.execute(_LOCK, {"slots": slots})


class Transaction:
    """Claims and reports that share one transaction.

    Args:
        connection: Inside the transaction.
        database: Whose transaction it is.
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
        known = await self._known() if self._claims else Known()
        rows = await self._rows(known)
        # Only now: to wait for a lock takes time, and rules hold at the moment of the claim.
        now = self._database.now()
        moved = iter(await self._apply_moves(rows, now))
        claimed: Iterable[Any] = ()
        if self._claims:
            for row in rows.values():
                known.add(_seen(row))
            claimed = await self._apply_claims(known, now)
        granted = iter(claimed)
        return [next(granted) if isinstance(write, ClaimRequest) else next(moved) for write in self._writes]

    # -- reading -------------------------------------------------------------------------------------------------

    async def _known(self) -> Known:
        """Lock the numbers and recipients of the claims, and read what the ledger holds of them."""
        by_campaign: defaultdict[str, list[ClaimRequest]] = defaultdict(list)
        for claim in self._claims:
            by_campaign[claim.campaign].append(claim)
        numbers = {f"p:{claim.phone}" for claim in self._claims}
        recipients = {f"r:{claim.campaign}:{claim.recipient_id}" for claim in self._claims}
        # One claim at a time of a campaign that has limits: they are summed over all its calls.
        bounded = {f"b:{claim.campaign}" for claim in self._claims if claim.limits is not None and claim.limits.any}
        await lock(self._connection, numbers | recipients | bounded)
        known = Known()
        for campaign, claims in by_campaign.items():
            phones, ids = {claim.phone for claim in claims}, {claim.recipient_id for claim in claims}
            found = await self._connection.execute(history_query(self._database, campaign, phones, ids))
            for row in found:
                known.add(Seen(row.call_key, row.tries, past_attempt(row)))
        return known

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
        query = select(campaigns.c.campaign, campaigns.c.note).where(
            self._database.among(campaigns.c.campaign, names), campaigns.c.on_hold
        )
        return {campaign: note or "no reason given" for campaign, note in await self._connection.execute(query)}

    # -- writing -------------------------------------------------------------------------------------------------

    async def _apply_moves(self, rows: dict[str, dict[str, Any]], now: datetime) -> list[bool | Exception]:
        owners = {row["job_id"]: key for key, row in rows.items() if row["job_id"] is not None}
        changes: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        answers: list[bool | Exception] = []
        for move in self._moves:
            key = move.call_key or owners.get(move.job_id or "")
            if key is None or key not in rows:
                answers.append(False)
                continue
            merged = merge(rows[key], move, owners, now)
            if isinstance(merged, Exception):
                answers.append(merged)
                continue
            answers.append(merged.moved)
            if merged.changes:
                rows[key].update(merged.changes)
                changes[key].update(merged.changes)
                if rows[key]["job_id"] is not None:
                    owners[rows[key]["job_id"]] = key
        await self._update(changes)
        return answers

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


@lru_cache(maxsize=64)
def _update_of(columns: tuple[str, ...]) -> Update:
    return (
        update(call_attempts)
        .where(_ATTEMPTS.call_key == bindparam("b_key"))
        .values({name: bindparam(name) for name in columns})
    )


def _seen(row: dict[str, Any]) -> Seen:
    facts = {column.name: row[column.name] for column in _PAST}
    return Seen(row["call_key"], row["tries"], PastAttempt(**{**facts, "state": AttemptState(row["state"])}))
