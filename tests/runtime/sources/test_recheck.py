"""The last look before a claim: a dropped connection is tried again, and a block is loaded once for the whole run."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect_sqlalchemy import AsyncSqlAlchemyConnector, SqlAlchemyConnector

from campaign.buckets import Bucket
from campaign.intake.recipients import SourceError, SourceUnavailable, SqlQuery
from campaign.intake.screening import DoNotCallList
from campaign.rules.rules import Never
from runtime.sources.queries import Connector
from runtime.sources.recheck import TRY_AGAIN_AFTER, Recheck
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
        with closing(sqlite3.connect(path)) as connection, connection:
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
    return Recheck(clock, still_due=query, read_list=None, listed=DoNotCallList(), connect=warehouse.connect)


async def test_a_database_that_is_away_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db", away=len(TRY_AGAIN_AFTER)), Clock()
    async with recheck(warehouse, clock) as look:
        assert await look(people(1)[0]) is None
    assert clock.slept == list(TRY_AGAIN_AFTER)


async def test_a_database_that_stays_away_ends_it_with_a_sentence(tmp_path: Path) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db", away=99), Clock()
    with pytest.raises(SourceUnavailable, match=r"^still_due: the database .* cannot be reached"):
        async with recheck(warehouse, clock) as look:
            await look(people(1)[0])
    assert warehouse.asked == 1 + len(TRY_AGAIN_AFTER)


async def test_a_query_that_is_wrong_is_not_asked_twice(tmp_path: Path) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db"), Clock()
    wrong = DUE.model_copy(update={"query": "SELECT nothing FROM nowhere WHERE id = :id"})
    with pytest.raises(SourceError, match=r"^still_due: "):
        async with recheck(warehouse, clock, wrong) as look:
            await look(people(1)[0])
    assert clock.slept == []


@pytest.mark.parametrize("driver", ["", "+aiosqlite"])
async def test_the_block_is_loaded_once_however_many_look_at_once(tmp_path: Path, driver: str) -> None:
    warehouse, clock = Warehouse(tmp_path / "due.db", driver=driver), Clock()
    async with recheck(warehouse, clock) as look:
        verdicts = await asyncio.gather(*(look(person) for person in people(20)))
    gone = Never(Bucket.NO_LONGER_DUE, "no longer due at the moment of dialing")
    assert verdicts == [None, *[gone] * 19]
    assert warehouse.asked == 1


class Lists:
    """The do-not-call list as it is read again: each reading waits until it is let through."""

    def __init__(self) -> None:
        self.readings = 0
        self.through = asyncio.Event()
        self.numbers: list[str] = []
        self.problem: SourceError | None = None

    async def load(self) -> DoNotCallList:
        self.readings += 1
        await self.through.wait()
        if self.problem is not None:
            raise self.problem
        return listed(*self.numbers)


def listed(*numbers: str) -> DoNotCallList:
    made = DoNotCallList()
    for number in numbers:
        made.add(number)
    return made


class TurnedClock(Clock):
    """Shows the minute that it is set to."""

    def __init__(self) -> None:
        super().__init__()
        self.minute = 0

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=self.minute)


@pytest.fixture
def lists() -> Lists:
    return Lists()


FIRST, SECOND, THIRD = people(3)
BARRED = Never(Bucket.DO_NOT_CALL, "on the do-not-call list")


async def test_the_list_is_read_again_beside_the_calls_and_not_in_front_of_them(lists: Lists) -> None:
    clock = TurnedClock()
    async with Recheck(clock, still_due=None, read_list=lists.load, listed=listed(FIRST.phone)) as look:
        lists.numbers = [SECOND.phone]
        clock.minute = 9
        assert await look(SECOND) is None
        assert lists.readings == 0
        clock.minute = 11
        assert [await look(person) for person in (FIRST, SECOND)] == [BARRED, None]
        lists.through.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert [await look(person) for person in (FIRST, SECOND, THIRD)] == [BARRED, BARRED, None]
        assert lists.readings == 1


async def test_a_list_that_is_too_old_is_waited_for(lists: Lists) -> None:
    clock = TurnedClock()
    async with Recheck(clock, still_due=None, read_list=lists.load, listed=listed()) as look:
        lists.numbers = [SECOND.phone]
        clock.minute = 20
        waiting = [asyncio.create_task(look(person)) for person in (FIRST, SECOND)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        lists.through.set()
        assert await asyncio.gather(*waiting) == [None, BARRED]
        assert lists.readings == 1


async def test_a_list_that_is_not_understood_any_more_ends_the_calls(lists: Lists) -> None:
    clock = TurnedClock()
    async with Recheck(clock, still_due=None, read_list=lists.load, listed=listed()) as look:
        lists.problem = SourceError("the do-not-call list barred.csv, line 3: the number is too short")
        lists.through.set()
        clock.minute = 20
        for person in (FIRST, SECOND):
            with pytest.raises(SourceError, match="line 3"):
                await look(person)


async def test_a_run_that_ends_leaves_no_reading_behind(lists: Lists) -> None:
    clock = TurnedClock()
    before = asyncio.all_tasks()
    async with Recheck(clock, still_due=None, read_list=lists.load, listed=listed()) as look:
        clock.minute = 11
        await look(FIRST)
    assert asyncio.all_tasks() == before
