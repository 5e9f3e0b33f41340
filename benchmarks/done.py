"""A ledger in which everybody was called already, for measuring what a run costs that has nothing to do."""

from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.by_hand import Person
from benchmarks.people import people
from campaign.ledger import Ledger, call_attempts
from campaign.rules import Policy

ROWS_AT_ONCE = 5000


async def fill_ledger(url: str, count: int, *, campaign: str = "benchmark", days_ago: int = 1, start: int = 0) -> None:
    """Write so many completed calls, with outcomes and records of the usual size, into a ledger.

    Args:
        url: The ledger, `sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`; made if need be.
        count: One call each to so many people.
        campaign: Whose calls they are.
        days_ago: When they were made.
        start: People left out at the beginning.
    """
    async with Ledger(url) as ledger:
        at = ledger.now() - timedelta(days=days_ago)
        # As in every ledger that a run has used: named before there was an outcome to be read.
        await ledger.name_opt_out_fields(Policy().opt_out_fields)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        everybody = enumerate(people(start + count)[start:], start + 1)
        while rows := [_call(campaign, row, person, at) for row, person in islice(everybody, ROWS_AT_ONCE)]:
            await connection.execute(insert(call_attempts), rows)
    await engine.dispose()


def _call(campaign: str, row: int, person: Person, at: datetime) -> dict[str, Any]:
    recipient_id, phone, name, _ = person
    return {
        "call_key": uuid5(NAMESPACE_URL, f"{campaign} {row}").hex,
        "campaign": campaign,
        "recipient_id": recipient_id,
        "phone": phone,
        "attempt": 1,
        "state": "completed",
        "run_id": "an-earlier-run",
        "account": "project-of-the-sandbox",
        "agent_id": "agent-plain",
        "claimed_at": at,
        "lease_until": at + timedelta(minutes=5),
        "placed_at": at,
        "ended_at": at,
        "updated_at": at,
        "job_id": f"job-{campaign}-{row}",
        "status": "COMPLETED",
        "duration_seconds": 90.0,
        "cost": 0.16,
        "outcome": {"promised_to_pay": True, "summary": "The customer confirmed the balance and will pay."},
        "record": {"id": f"job-{row}", "status": "COMPLETED", "agentDetails": {"params": {"name": name}}},
        "opted_out": False,
        "echoed": True,
        "tries": 1,
        "looks": 0,
        "person": recipient_id,
    }
