"""Why somebody was not called: one row for each run and each row of its source, for as long as they are kept."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.ledger.database.connections import upsert
from campaign.ledger.schema import refusals

FORGOTTEN_AT_ONCE = 5000
"""Rows that are deleted in one transaction, so that nobody waits for it."""

AT_ONCE = 1000
"""Rows that are written in one transaction: a claim that waits for it waits for milliseconds."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that was not called, and by which rules. `reason` names the facts: times, zones and counts."""

    run_id: str
    row: int
    campaign: str
    recipient_id: str | None
    phone: str | None
    bucket: str
    reason: str
    until: datetime | None
    policy: str | None
    decided_at: datetime


def of_erased(refusal: Refusal, phone: str | None, recipient_id: str | None) -> Refusal:
    """A refusal of somebody who was erased, under their pseudonyms; the same one if these are their names."""
    if (phone, recipient_id) == (refusal.phone, refusal.recipient_id):
        return refusal
    return replace(refusal, phone=phone, recipient_id=recipient_id, reason="erased, and so are the reasons")


async def note_refusals(connection: AsyncConnection, found: Sequence[Refusal]) -> None:
    """Write them down. A run that is repeated writes a row's result again; the last one stays."""
    statement = upsert(connection, refusals)
    said = ("bucket", "reason", "until", "policy", "decided_at")
    again = statement.on_conflict_do_update(
        index_elements=["run_id", "row"], set_={name: statement.excluded[name] for name in said}
    )
    await connection.execute(again, [asdict(each) for each in found])


async def forget_refusals(connection: AsyncConnection, before: datetime) -> int:
    """Delete some that are older. Returns how many."""
    old = select(refusals.c.run_id, refusals.c.row).where(refusals.c.decided_at < before).limit(FORGOTTEN_AT_ONCE)
    found = [tuple(row) for row in await connection.execute(old)]
    if found:
        await connection.execute(delete(refusals).where(tuple_(refusals.c.run_id, refusals.c.row).in_(found)))
    return len(found)
