"""Ledgers to test on: an empty one of each kind."""

import multiprocessing
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from campaign.ledger.ledger import Ledger
from tests import empty_ledger
from tests.campaign.ledger import racers
from tests.campaign.ledger.racers import RACERS
from tests.servers.postgres import Postgres

T = TypeVar("T")


@pytest.fixture(scope="module")
def _postgres_ledger(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture
def postgres_ledger(_postgres_ledger: str) -> str:
    """Where an empty ledger may be made on PostgreSQL; the module shares a database."""
    with psycopg.connect(_postgres_ledger.replace("+asyncpg", ""), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return _postgres_ledger


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty ledger may be made: each test that asks for it runs on both databases."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_ledger"))
    return f"sqlite:///{tmp_path / 'calls.db'}"


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    """An open, empty ledger."""
    if ledger_url.startswith("sqlite:"):
        empty_ledger.lay(Path(ledger_url.removeprefix("sqlite:///")))
    async with Ledger(ledger_url) as ledger:
        yield ledger


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Processes that wait for a race, forked from one that has only imported: this one's connections are not shared."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.campaign.ledger.racing_rules"])
    with ProcessPoolExecutor(
        RACERS, mp_context=server, initializer=racers.begin, initargs=(server.Barrier(RACERS),)
    ) as pool:
        yield pool


@pytest.fixture
def race(processes: ProcessPoolExecutor, ledger_url: str) -> Callable[..., list[Any]]:
    """Lets all processes do the same on one ledger at the same moment; gives what each returned."""

    def run(what: Callable[[str, int], Coroutine[Any, Any, T]]) -> list[T]:
        return list(processes.map(racers.race, [what] * RACERS, [ledger_url] * RACERS, range(RACERS), timeout=60))

    return run
