"""Several processes on one ledger: of whatever they fight for, one gets it; and one that is killed leaves it whole."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from campaign.attempts import COUNTS, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.ledger.claims.limits import PRICES_ENOUGH
from campaign.ledger.claims.totals import rebuild
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules.rules import Never
from sandbox.clock import ManualClock
from tests.campaign.ledger import racers
from tests.campaign.ledger.asking import ask, brought_to, claimed, kept, phone
from tests.campaign.ledger.racers import RACERS

pytestmark = pytest.mark.processes

T = TypeVar("T")

Race = Callable[[Callable[[str, int], Coroutine[Any, Any, T]]], list[T]]


async def read(url: str, **which: Any) -> list[Any]:
    async with Ledger(url) as ledger:
        return await ledger.attempts(**which)


async def test_a_ledger_that_all_open_at_once_is_made_once_and_each_customer_claimed_once(
    race: Race[list[str]], ledger_url: str
) -> None:
    got = race(racers.open_and_claim_all)
    everybody = sorted(f"r{number}" for number in range(racers.NUMBERS))
    assert sorted(name for names in got for name in names) == everybody
    assert sorted(row.recipient_id for row in await read(ledger_url)) == everybody


async def test_customers_that_are_claimed_one_by_one_are_claimed_once(race: Race[list[str]], ledger_url: str) -> None:
    got = race(racers.claim_one_by_one)
    assert sorted(name for names in got for name in names) == sorted(f"r{number}" for number in range(racers.NUMBERS))


async def test_a_cap_on_a_number_holds_over_campaigns_of_several_machines(
    race: Race[list[str]], ledger_url: str
) -> None:
    got = race(racers.claim_under_a_cap)
    assert sorted(number for numbers in got for number in numbers) == [phone(n) for n in range(racers.NUMBERS)]
    assert len(await read(ledger_url)) == racers.NUMBERS


async def test_no_two_campaigns_ring_one_person_at_once_at_whatever_number(
    race: Race[list[tuple[int, float]]],
) -> None:
    reported = race(racers.claim_the_same_people)
    calls = sorted(
        (number, began, ended)
        for times in reported
        for (number, began), (_, ended) in zip(times[::2], times[1::2], strict=True)
    )
    assert len(calls) > racers.NUMBERS  # somebody was called again, once the phone was free
    overlapping = [one for one, other in pairwise(calls) if one[0] == other[0] and other[1] < one[2]]
    assert overlapping == []


async def test_an_attempt_that_is_released_and_claimed_again_and_again_is_placed_once(
    race: Race[list[str]], ledger_url: str
) -> None:
    placed = [key for keys in race(racers.claim_and_lose_again) for key in keys]
    assert len(placed) == len(set(placed))
    rows = await read(ledger_url)
    assert {row.call_key for row in rows if row.state is AttemptState.PLACED} == set(placed)
    assert {row.state for row in rows} <= {AttemptState.PLACED, AttemptState.RELEASED}


async def test_an_end_that_all_report_is_news_once(race: Race[int], ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        for number in range(30):
            await brought_to(ledger, AttemptState.PLACED, number)
    assert sum(race(racers.report_the_ends)) == 30


async def test_a_job_that_all_want_is_owned_once(race: Race[int], ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        for number in range(RACERS):
            await brought_to(ledger, AttemptState.UNCERTAIN, number)
    assert sum(race(racers.own_one_job)) == 1
    assert [row.job_id for row in await read(ledger_url, states=[AttemptState.PLACED])] == ["the job"]


async def test_runs_at_once_keep_one_budget(race: Race[list[str]], ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        for number in range(PRICES_ENOUGH):  # another campaign has shown what a call costs
            claim = await claimed(ledger, number, campaign="earlier")
            end = CallEnd(AttemptState.COMPLETED, cost=1.0)
            await ledger.end(end, call_key=claim.call_key, job_id=f"earlier-{number}")
    keys = [key for got in race(racers.spend) for key in got]
    assert len(keys) == len(set(keys))
    rows = [row for row in await read(ledger_url, campaign="c") if row.state in COUNTS]
    assert sorted(row.call_key for row in rows) == sorted(keys)
    worst = sum(1.0 if row.cost is None else row.cost for row in rows)
    assert 19.0 < worst <= 20.0, "what is uncertain counts as the most expensive call"
    async with Ledger(ledger_url) as ledger:
        before = await kept(ledger)
        await ledger._transact(rebuild)  # noqa: SLF001
        assert await kept(ledger) == before


async def test_runs_at_once_make_one_call_to_learn_a_price(race: Race[list[str]], ledger_url: str) -> None:
    assert len([key for got in race(racers.look_for_a_price) for key in got]) == 1


async def test_runs_of_a_campaign_at_once_share_max_calls(race: Race[list[str]], ledger_url: str) -> None:
    assert len([key for got in race(racers.share_max_calls) for key in got]) == 10


async def test_processes_of_one_run_make_no_more_calls_than_were_approved(
    race: Race[list[str]], ledger_url: str
) -> None:
    assert len([key for got in race(racers.share_a_run) for key in got]) == 10


async def test_leases_that_all_expire_while_calls_are_placed(race: Race[int], ledger_url: str) -> None:
    async with Ledger(ledger_url, clock=ManualClock()) as ledger:  # its time is long over, or yet to come
        for number in range(30):
            await claimed(ledger, number, lease_seconds=-400 * 24 * 3600.0)
    assert sum(race(racers.expire)) <= 30
    assert {row.state for row in await read(ledger_url)} == {AttemptState.PLACED}


# -- killed ------------------------------------------------------------------------------------------------------


async def test_a_process_that_is_killed_leaves_a_ledger_that_holds_all_it_was_promised(
    ledger_url: str, tmp_path: Path
) -> None:
    rng = random.Random(11)
    claims, placed = set[str](), set[str]()
    for life in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.ledger.racers", ledger_url, str(1000 * life)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdout is not None
        lines = rng.randrange(1, 300) if life else 1  # the first one as soon as it has opened the ledger
        said = [line for _, line in zip(range(lines), process.stdout, strict=False)]
        assert said[:1] == ["open\n"], said
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        claims |= {line.split()[1] for line in said if line.startswith("claimed") and line.endswith("\n")}
        placed |= {line.split()[1] for line in said if line.startswith("placed") and line.endswith("\n")}
    assert claims
    if ledger_url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "calls.db")) as connection, connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
    async with Ledger(ledger_url) as ledger:
        rows = {row.call_key: row for row in await ledger.attempts()}
        assert claims <= rows.keys()
        assert all(rows[key].state is AttemptState.PLACED and rows[key].job_id for key in placed)
        await claimed(ledger, 9999)


# -- what only PostgreSQL can do ---------------------------------------------------------------------------------


@pytest.fixture
async def somebody(postgres_ledger: str) -> Any:
    """Another connection to the same PostgreSQL ledger, to be in the way."""
    connection = await asyncpg.connect(postgres_ledger.replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def _until_blocked(somebody: Any) -> None:
    """Wait until another connection waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with asyncio.timeout(10):
        while not await somebody.fetchval(query):  # noqa: ASYNC110  # what it waits for is in another process
            await asyncio.sleep(0.01)


@pytest.mark.postgres
async def test_evidence_that_arrives_while_the_attempt_is_claimed_again_is_not_overwritten(
    postgres_ledger: str, somebody: Any
) -> None:
    async with Ledger(postgres_ledger) as ledger:
        old = await brought_to(ledger, AttemptState.RELEASED)
        transaction = somebody.transaction()
        await transaction.start()
        await somebody.execute("UPDATE call_attempts SET state = 'placed', job_id = 'job'")
        claim = asyncio.create_task(ledger.claim(ask()))
        await _until_blocked(somebody)
        assert not claim.done()
        await transaction.commit()
        assert await claim == Never(Bucket.OTHER_RUN, "attempt 1 is already placed")
        (row,) = await ledger.attempts()
        assert (row.call_key, row.state, row.job_id, row.tries) == (old.call_key, AttemptState.PLACED, "job", old.turn)


@pytest.mark.postgres
async def test_a_deadlock_with_somebody_else_is_tried_again(postgres_ledger: str, somebody: Any) -> None:
    async with Ledger(postgres_ledger) as ledger:
        claims = [await claimed(ledger, number) for number in range(2)]
        first, second = sorted(claim.call_key for claim in claims)
        await somebody.execute(
            "SET deadlock_timeout = '20s'"
        )  # the ledger's transaction is to be the one that is ended
        transaction = somebody.transaction()
        await transaction.start()
        lock = "SELECT 1 FROM call_attempts WHERE call_key = $1 FOR UPDATE"
        await somebody.execute(lock, second)
        reports = asyncio.gather(*[ledger.place(claim.call_key, f"job-{claim.recipient_id}") for claim in claims])
        await _until_blocked(somebody)
        await somebody.execute(lock, first)  # PostgreSQL ends the other one
        await transaction.commit()
        assert await reports == [True, True]


@pytest.mark.postgres
async def test_claims_are_durable_and_see_the_newest_rows_whatever_the_database_defaults_to(
    postgres_ledger: str, somebody: Any
) -> None:
    name = postgres_ledger.rsplit("/", 1)[1]
    for setting in ("synchronous_commit = off", "default_transaction_isolation = 'serializable'"):
        await somebody.execute(f'ALTER DATABASE "{name}" SET {setting}')
    async with Ledger(postgres_ledger) as ledger:

        async def settings(connection: Any) -> list[str]:
            names = ("synchronous_commit", "transaction_isolation", "idle_in_transaction_session_timeout")
            return [(await connection.exec_driver_sql(f"SHOW {name}")).scalar_one() for name in names]

        inside = await ledger._writer.run(settings)  # noqa: SLF001  # nobody else is inside a transaction
        assert inside == ["on", "read committed", "30s"]
        assert isinstance(await ledger.claim(ask()), Claim)
    await somebody.execute(f'ALTER DATABASE "{name}" RESET ALL')
