"""The spool: what it took is on the disk, once, and for nobody else's eyes."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox import ManualClock
from webhooks.received import ANSWERED, ENDED, Received
from webhooks.spool import MOST_UNWRITTEN, Done, Later, Spool
from webhooks.spool_file import SpoolError

EVENT = Received(ENDED, "job-1", "k", datetime(2026, 11, 3, 15, tzinfo=UTC), {"data": {"outcomeResult": {"a": 1}}})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def spool(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Spool]:
    async with Spool(tmp_path / "deep" / "spool.db", clock=clock) as spool:
        yield spool


def of_call(number: int) -> Received:
    return replace(EVENT, call_id=f"job-{number}")


async def test_what_was_added_is_there_for_whoever_opens_it_next(spool: Spool, clock: ManualClock) -> None:
    assert await spool.add(EVENT)
    assert not await spool.add(replace(EVENT, data=None))
    async with Spool(spool.path, clock=clock) as other:
        assert other.waiting == 1
        (waiting,) = await other.due(10)
        assert (waiting.event, waiting.tries, waiting.received_at) == (EVENT, 0, clock.now())


async def test_events_that_arrive_together_share_a_flush_and_are_each_answered(spool: Spool) -> None:
    answers = await asyncio.gather(*(spool.add(of_call(number % 100)) for number in range(300)))
    assert sum(answers) == 100
    assert spool.waiting == 100


async def test_only_its_owner_can_read_it(spool: Spool) -> None:
    await spool.add(EVENT)
    for path in spool.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700


async def test_commits_wait_for_the_disk(spool: Spool) -> None:
    found = [spool._db().execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]  # noqa: SLF001
    assert found == ["wal", 2]


async def test_events_are_looked_at_when_they_are_due(spool: Spool, clock: ManualClock) -> None:
    for number in range(3):
        await spool.add(of_call(number))
        clock.advance(1)
    first, second, third = await spool.due(10)
    assert [waiting.event.call_id for waiting in (first, second, third)] == ["job-0", "job-1", "job-2"]
    again = clock.now() + timedelta(seconds=60)
    await spool.note([Done(first.number, "ended"), Later(second.number, again, "not yet")])
    assert [waiting.number for waiting in await spool.due(10)] == [third.number]
    assert spool.waiting == 2
    await spool.note([Done(third.number, "ended"), Done(first.number, "ended twice")])
    assert spool.waiting == 1
    assert await spool.next_due() == again
    clock.advance(60)
    (waiting,) = await spool.due(10)
    assert (waiting.number, waiting.tries) == (second.number, 1)
    await spool.note([Done(second.number, "ended")])
    assert await spool.next_due() is None


async def test_what_is_done_is_emptied_and_a_double_of_it_is_still_known(spool: Spool, clock: ManualClock) -> None:
    await spool.add(EVENT)
    (waiting,) = await spool.due(10)
    await spool.note([Done(waiting.number, "ended")])
    assert not await spool.add(EVENT)
    with closing(sqlite3.connect(spool.path)) as connection, connection:
        assert connection.execute("SELECT data, result FROM events").fetchall() == [(None, "ended")]
    connection.close()
    clock.advance(3600)
    assert await spool.forget(older_than=timedelta(hours=2)) == 0
    assert await spool.forget(older_than=timedelta(minutes=30)) == 1
    assert await spool.add(EVENT)


async def test_old_events_are_forgotten_in_parts(
    spool: Spool, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.spool.MOST_FORGOTTEN", 2)
    for number in range(3):
        await spool.add(of_call(number))
    await spool.note([Done(waiting.number, "ended") for waiting in await spool.due(10)])
    clock.advance(10)
    assert [await spool.forget(older_than=timedelta(seconds=5)) for _ in range(3)] == [2, 1, 0]


async def test_it_knows_which_calls_were_answered(spool: Spool) -> None:
    await spool.add(replace(EVENT, event_type=ANSWERED))
    await spool.add(of_call(2))
    assert await spool.answered(["job-1", "job-2", "job-3"]) == {"job-1"}
    assert await spool.answered([]) == frozenset()


async def test_a_file_that_is_taken_away_takes_nothing_more(spool: Spool) -> None:
    await spool.add(EVENT)
    spool.path.unlink()
    with pytest.raises(SpoolError, match="moved, deleted or replaced; start the receiver again"):
        await spool.add(of_call(2))
    with pytest.raises(SpoolError, match="moved, deleted or replaced"):
        await spool.probe()
    assert spool.broken is not None


async def test_a_full_disk_refuses_and_then_takes_again(spool: Spool, clock: ManualClock) -> None:
    await spool.add(EVENT)
    pages = spool._db().execute("PRAGMA page_count").fetchone()[0]  # noqa: SLF001
    spool._db().execute(f"PRAGMA max_page_count = {pages}")  # noqa: SLF001 - SQLite says the same as on a full disk
    many = [of_call(number) for number in range(2, 400)]
    answers = await asyncio.gather(*map(spool.add, many), return_exceptions=True)
    assert {type(answer) for answer in answers} == {SpoolError}
    assert "full" in str(answers[0])
    assert spool.waiting == 1
    spool._db().execute("PRAGMA max_page_count = 1000000")  # noqa: SLF001
    await spool.probe()
    assert spool.broken is None
    assert all(await asyncio.gather(*map(spool.add, many)))


async def test_a_healthy_spool_is_probed_only_now_and_then(spool: Spool, clock: ManualClock) -> None:
    await spool.add(EVENT)
    spool.path.rename(spool.path.with_name("away"))
    await spool.probe()
    clock.advance(5)
    with pytest.raises(SpoolError):
        await spool.probe()


async def test_more_than_the_disk_takes_are_refused(spool: Spool) -> None:
    adding = [asyncio.ensure_future(spool.add(of_call(number))) for number in range(MOST_UNWRITTEN + 600)]
    answers = await asyncio.gather(*adding, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, SpoolError)]
    assert refused
    assert "disk is too slow" in str(refused[0])
    assert spool.waiting == len(answers) - len(refused)


async def test_whoever_stops_waiting_does_not_stop_the_writing(spool: Spool) -> None:
    adding = asyncio.ensure_future(spool.add(EVENT))
    await asyncio.sleep(0)
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    assert await spool.add(of_call(2))
    assert spool.waiting == 2


async def test_other_files_are_refused_and_left_as_they_are(tmp_path: Path, clock: ManualClock) -> None:
    text, database, newer = tmp_path / "text", tmp_path / "database", tmp_path / "newer"
    text.write_text("hello " * 1000, encoding="utf-8")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE customers (id TEXT)")
    connection.close()
    async with Spool(newer, clock=clock):
        pass
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    contents = database.read_bytes()
    for path, why in [
        (text, "file is not a database"),
        (database, "is not a spool of this program"),
        (newer, "A newer release"),
        (tmp_path, "Is a directory"),
        (text / "below", "Not a directory|File exists"),
    ]:
        spool = Spool(path, clock=clock)
        with pytest.raises(SpoolError, match=why):
            await spool.open()
        await spool.close()
    assert database.read_bytes() == contents
