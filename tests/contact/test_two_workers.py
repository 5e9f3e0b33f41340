"""Two workers, as on two machines, with one ledger on PostgreSQL: both call, and nobody is called twice."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.contact.conftest import SharedWorker
from tests.contact.place import CAMPAIGN, OVER, POOL, Place, customers
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Program

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.thorough,
]

PEOPLE = 60

DEPLOYMENTS = ("call-overdue-customers/weekday-mornings", "call-overdue-customers/redial-afternoons")


@pytest.fixture
def two_workers(place: Place, shared_worker: SharedWorker, reaper: ProcessReaper) -> Iterator[list[Program]]:
    """Workers that take one run at a time, so that two runs are on two of them."""
    shared_worker.stop()
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", "1"]
    environment = {**place.server.environment, **place.settings, "PREFECT_WORKER_QUERY_SECONDS": "0.5"}
    names = ["left", "right"]
    with ExitStack() as stack:
        workers = []
        for name in names:
            log = place.folder / f"worker-{name}.log"
            program = Program([*command, "--name", name], log=log, reaper=reaper, environment=environment)
            workers.append(stack.enter_context(program))
        for worker in workers:
            worker.wait_until(lambda: place.server.workers_online(POOL) >= set(names), what="was online")
        yield workers


def worker_of(place: Place, run: str, workers: list[Program]) -> int | None:
    """The process id of the worker whose child a run in progress is."""
    _, _, pid = place.ask("GET", f"/flow_runs/{run}")["infrastructure_pid"].rpartition(":")
    above = {process.pid for process in psutil.Process(int(pid)).parents()}
    return next((worker.pid for worker in workers if worker.pid in above), None)


async def calls_by_run(ledger_url: str) -> dict[str, int]:
    """How many attempts each run made."""
    engine = create_async_engine(ledger_url)
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT run_id, count(*) FROM call_attempts GROUP BY run_id"))
        found = {str(run): int(count) for run, count in rows}
    await engine.dispose()
    return found


async def test_two_workers_share_a_campaign_and_every_phone_rings_once(
    place: Place, two_workers: list[Program], postgres_database: str
) -> None:
    await place.save_blocks(ledger_url=postgres_database, lines=4)
    place.sandbox.reset()
    given = {**CAMPAIGN, "campaign": "shared", "customers": customers(place.folder, PEOPLE, 400)}
    runs = [place.start(deployment, **given) for deployment in DEPLOYMENTS]
    for run in runs:
        state = place.wait(run, until=OVER | {"RUNNING"})
        assert state["type"] == "RUNNING", state["message"]
    assert {worker_of(place, run, two_workers) for run in runs} == {worker.pid for worker in two_workers}
    states = [place.wait(run) for run in runs]
    assert [state["type"] for state in states] == ["COMPLETED", "COMPLETED"], [state["message"] for state in states]
    calls = await calls_by_run(postgres_database)
    assert set(calls) == set(runs), "both called"
    assert sum(calls.values()) == PEOPLE
    assert len(place.rings()) == PEOPLE
    assert set(place.rings().values()) == {1}
