"""The ledger's writer repeats a transaction only where that cannot write twice, and not for ever."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.ledger.ledger import Ledger
from campaign.ledger.writer import MOST_TRIES, Writer


class Work:
    """Fails with one error as often as asked for, and counts how often it was done."""

    def __init__(self, error: Exception | None = None, times: int = 1_000) -> None:
        self.error = error
        self.times = times
        self.done = 0

    async def __call__(self, _connection: AsyncConnection) -> int:
        self.done += 1
        if self.error is not None and self.done <= self.times:
            raise self.error
        return self.done


def lost() -> OperationalError:
    """What is raised where the connection to the database is gone."""
    return OperationalError("INSERT", {}, sqlite3.OperationalError("gone"), connection_invalidated=True)


@pytest.mark.parametrize(("alone", "tries"), [(True, MOST_TRIES), (False, 1)])
async def test_a_row_that_somebody_else_just_wrote_is_met_eight_times_at_most(
    tmp_path: Path, alone: bool, tries: int
) -> None:
    async with Ledger(f"sqlite:///{tmp_path / 'calls.db'}") as ledger:
        writer = Writer(ledger._database)  # noqa: SLF001 - its database is the real one
        work = Work(IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE")))
        with pytest.raises(IntegrityError):
            await writer.run(work, alone=alone)
        assert work.done == tries
        last = Work(IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE")), times=MOST_TRIES - 1)
        if alone:
            assert await writer.run(last) == MOST_TRIES


async def test_a_lost_connection_is_made_again_once(tmp_path: Path) -> None:
    async with Ledger(f"sqlite:///{tmp_path / 'calls.db'}") as ledger:
        writer = Writer(ledger._database)  # noqa: SLF001 - as above
        assert await writer.run(Work(lost(), times=1)) == 2
        twice = Work(lost(), times=2)
        with pytest.raises(DBAPIError):
            await writer.run(twice)
        assert twice.done == 2


async def test_a_connection_lost_in_the_commit_is_not_written_a_second_time(tmp_path: Path) -> None:
    async with Ledger(f"sqlite:///{tmp_path / 'calls.db'}") as ledger:
        engine = ledger._database._ready().sync_engine  # noqa: SLF001 - as above

        def lose(_connection: object) -> None:
            raise lost()

        event.listen(engine, "commit", lose, once=True)
        work = Work()
        with pytest.raises(DBAPIError):
            await Writer(ledger._database).run(work)  # noqa: SLF001 - as above
        assert work.done == 1
