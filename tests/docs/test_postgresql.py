"""The PostgreSQL that docs/how-to/use-postgresql.md makes is one in which a ledger can be kept."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from blocks import CallLedger
from tests.docs.pages import blocks, read


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the server's owner; what the page makes is removed again."""
    connection = await asyncpg.connect(
        make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    yield connection
    await connection.execute("DROP DATABASE IF EXISTS calls WITH (FORCE)")
    await connection.execute("DROP ROLE IF EXISTS calls")
    await connection.close()


async def test_its_statements_make_a_database_for_a_ledger(server: asyncpg.Connection, postgres_url: str) -> None:
    (statements,) = (block.text for block in blocks(read("how-to/use-postgresql.md")) if block.language == "sql")
    for statement in statements.strip().splitlines():
        await server.execute(statement)
    url = make_url(postgres_url).set(drivername="postgresql", username="calls", password="choose-one", database="calls")
    calls = CallLedger(url=SecretStr(url.render_as_string(hide_password=False)))
    async with calls.open() as ledger:
        assert (await ledger.totals("none")).called == 0
