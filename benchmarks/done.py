"""A ledger in which everybody was called already, for measuring what a run costs that has nothing to do."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.people import people
from campaign.ledger import Ledger, call_attempts
from campaign.rules import Policy

ROWS_AT_ONCE = 5000


async def fill_ledger(file: Path, count: int, *, campaign: str = "benchmark") -> None:
    """Write so many completed calls, with outcomes and records of the usual size, into a new ledger."""
    url = f"sqlite+aiosqlite:///{file}"
    async with Ledger(url) as ledger:
        now = ledger.now()
        # As in every ledger that a run has used: named before there was an outcome to be read.
        await ledger.name_opt_out_fields(Policy().opt_out_fields)
    rows = [
        {
            "call_key": f"{row:032x}",
            "campaign": campaign,
            "recipient_id": recipient_id,
            "phone": phone,
            "attempt": 1,
            "state": "completed",
            "run_id": "an-earlier-run",
            "account": "project-of-the-sandbox",
            "agent_id": "agent-plain",
            "claimed_at": now - timedelta(days=1),
            "lease_until": now - timedelta(days=1) + timedelta(minutes=5),
            "placed_at": now - timedelta(days=1),
            "ended_at": now - timedelta(days=1),
            "updated_at": now - timedelta(days=1),
            "job_id": f"job-{row}",
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
        for row, (recipient_id, phone, name, _) in enumerate(people(count), 1)
    ]
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for first in range(0, count, ROWS_AT_ONCE):
            await connection.execute(insert(call_attempts), rows[first : first + ROWS_AT_ONCE])
    await engine.dispose()
