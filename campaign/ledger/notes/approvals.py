"""What was shown to whoever approves a run, and what was answered: kept in the ledger, one row for a run that asked."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.ledger.schema import approvals

KEPT = timedelta(days=90)
"""How long the list itself is kept; that and what was asked and answered stays."""

_COLUMNS = approvals.c


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to a person, and the answer.

    Attributes:
        people: How many were shown.
        cost: What calling them could cost at most, as the page said; None where no price was known.
        fingerprint: Of the list.
        recipients: The list, as `PeopleShown` keeps it; None once it is old.
        answered_at: When an answer was read; None before.
        decision: The answer: `approve`, `fewer` or `cancel`.
        at_most: How many may be called.
        note: Who decided, and why.
    """

    campaign: str
    run_id: str
    asked_at: datetime
    people: int
    cost: float | None = None
    fingerprint: str = ""
    recipients: bytes | None = None
    answered_at: datetime | None = None
    decision: str | None = None
    at_most: int | None = None
    note: str | None = None


_FIELDS = tuple(Approval.__dataclass_fields__)


def last_approval(campaign: str, run_id: str | None) -> Select[Any]:
    """Ask for what a run asked, or for what any run of the campaign asked last."""
    query = select(*(_COLUMNS[name] for name in _FIELDS)).where(_COLUMNS.campaign == campaign)
    if run_id is not None:
        query = query.where(_COLUMNS.run_id == run_id)
    return query.order_by(_COLUMNS.asked_at.desc()).limit(1)


async def write_question(connection: AsyncConnection, approval: Approval) -> None:
    """Keep what is asked, in place of what the same run asked before."""
    mine = (_COLUMNS.campaign == approval.campaign, _COLUMNS.run_id == approval.run_id)
    await connection.execute(delete(approvals).where(*mine))
    await connection.execute(insert(approvals).values({name: getattr(approval, name) for name in _FIELDS}))
    old = _COLUMNS.asked_at < approval.asked_at - KEPT
    await connection.execute(update(approvals).where(old, _COLUMNS.recipients.is_not(None)).values(recipients=None))


async def write_answer(connection: AsyncConnection, approval: Approval) -> None:
    """Keep what was answered."""
    mine = (_COLUMNS.campaign == approval.campaign, _COLUMNS.run_id == approval.run_id)
    names = ("answered_at", "decision", "at_most", "note")
    await connection.execute(update(approvals).where(*mine).values({name: getattr(approval, name) for name in names}))
