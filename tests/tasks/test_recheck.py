"""The last look before a claim: a dropped connection is tried again, and a block is loaded once for the whole run."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect_sqlalchemy import AsyncSqlAlchemyConnector, SqlAlchemyConnector

from campaign.buckets import Bucket
from campaign.intake.recipients import SourceError, SourceUnavailable, SqlQuery
from campaign.rules.decision import Never
from runtime.queries import Connector
from tasks.recheck import TRY_AGAIN_AFTER, Recheck
from tests.campaign.campaign_world import people

DUE = SqlQuery(connector="warehouse", query="SELECT id FROM due WHERE id = :id")


class Clock:
    """Goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 3, 12, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Warehouse:
    """Connects to SQLite, unless it is away."""

    def __init__(self, path: Path, *, driver: str = "", away: int = 0) -> None:
        self.path, self.driver, self.away = path, driver, away
        self.asked = 0
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE due (id TEXT)")
            connection.execute("INSERT INTO due VALUES ('c0')")
        connection.close()

    async def connect(self, name: str) -> Connector:
        self.asked += 1
        if self.asked <= self.away:
            raise SourceUnavailable(f"the database of the connector block {name} cannot be reached")
        kind = AsyncSqlAlchemyConnector if self.driver else SqlAlchemyConnector
        connector: Connector = kind(connection_info=f"sqlite{self.driver}:///{self.path}")
        return connector


def recheck(warehouse: Warehouse, clock: Clock, query: SqlQuery = DUE) -> Recheck:
    return Recheck(clock, still_due=query, do_not_call=None, listed=frozenset(), connect=warehouse.connect)


async def test_a_database_that_is_away_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db", away=len(TRY_AGAIN_AFTER)), Clock()
    assert await recheck(warehouse, clock)(people(1)[0]) is None
    assert clock.slept == list(TRY_AGAIN_AFTER)


async def test_a_database_that_stays_away_ends_it_with_a_sentence(tmp_path: Path) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db", away=99), Clock()
    with pytest.raises(SourceUnavailable, match=r"^still_due: the database .* cannot be reached"):
        await recheck(warehouse, clock)(people(1)[0])
    assert warehouse.asked == 1 + len(TRY_AGAIN_AFTER)


async def test_a_query_that_is_wrong_is_not_asked_twice(tmp_path: Path) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db"), Clock()
    wrong = DUE.model_copy(update={"query": "SELECT nothing FROM nowhere WHERE id = :id"})
    with pytest.raises(SourceError, match=r"^still_due: "):
        await recheck(warehouse, clock, wrong)(people(1)[0])
    assert clock.slept == []


@pytest.mark.parametrize("driver", ["", "+aiosqlite"])
async def test_the_block_is_loaded_once_however_many_look_at_once(tmp_path: Path, driver: str) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db", driver=driver), Clock()
    look = recheck(warehouse, clock)
    verdicts = await asyncio.gather(*(look(person) for person in people(20)))
    gone = Never(Bucket.NO_LONGER_DUE, "no longer due in the moment of dialing")
    assert verdicts == [None, *[gone] * 19]
    assert warehouse.asked == 1
