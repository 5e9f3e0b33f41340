"""Ledgers to test on: an empty one of each kind."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from campaign.ledger.ledger import Ledger
from tests.servers.postgres import Postgres


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
    async with Ledger(ledger_url) as ledger:
        yield ledger
