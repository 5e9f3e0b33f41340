"""Who is to be called goes into a table, the campaign's deployment calls them, and the ledger says what came of it.

python collect.py receivables.sqlite calls.db overdue-2026-11-27
"""

import asyncio
import sqlite3
import sys
from contextlib import closing

from prefect import flow, task
from prefect.deployments import arun_deployment

DEPLOYMENT = "call-overdue-customers/weekday-mornings"

DUE = [
    {"customer_id": 17, "phone": "+12125550117", "name": "Mona", "amount": 120.5},
    {"customer_id": 18, "phone": "+12125550118", "name": "Omar", "amount": 80},
]
"""Yours come out of your own system. Every column but id and phone becomes a value for what the agent says."""


@task
def write_who_is_due(database: str, rows: list[dict[str, object]]) -> None:
    """Put the rows where the connector `receivables` of the deployment finds them."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS due_today")
        connection.execute("CREATE TABLE due_today (customer_id INTEGER, phone TEXT, name TEXT, amount NUMERIC)")
        connection.executemany("INSERT INTO due_today VALUES (:customer_id, :phone, :name, :amount)", rows)


@task
def read_outcomes(ledger: str, campaign: str) -> list[dict[str, object]]:
    """How each call went: the ledger's tables are documented, and may be read while campaigns run."""
    query = "SELECT recipient_id, state, duration_seconds, cost, outcome FROM call_attempts WHERE campaign = ?"
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, (campaign,))]


@flow(log_prints=True)
async def collect(database: str, ledger: str, campaign: str) -> list[dict[str, object]]:
    """Have everybody called who is due today, and go on with what they said.

    Args:
        database: The SQLite file behind the connector `receivables`.
        ledger: The SQLite file behind the block `call-ledger/default`.
        campaign: A name of its own for what must happen once: run again under the same name, nobody is called twice.
    """
    write_who_is_due(database, DUE)
    run = await arun_deployment(
        DEPLOYMENT,
        parameters={
            "campaign": campaign,
            "customers": {"connector": "receivables", "query": "SELECT * FROM due_today ORDER BY customer_id"},
            "min_days_overdue": None,
            "min_amount": None,
        },
        timeout=4 * 3600,
    )
    # Its result: the state says how it went, in one sentence, and the ledger has each call.
    if run.state is None or not run.state.is_completed():
        raise RuntimeError(f"The campaign did not complete: {run.state and run.state.message}")
    print(run.state.message)
    return read_outcomes(ledger, campaign)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(
            "Say which database, ledger and campaign: python collect.py receivables.sqlite calls.db overdue-2026-11-27"
        )
    for outcome in asyncio.run(collect(*sys.argv[1:4])):
        print(outcome)
