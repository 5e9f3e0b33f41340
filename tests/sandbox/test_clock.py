"""The sandbox's clocks: accelerated time is right, turned time never sleeps for real."""

import asyncio
import contextlib
import ctypes
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiosqlite
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import ManualClock, SystemClock


async def test_accelerated_time_runs_as_many_times_as_fast() -> None:
    clock = SystemClock(speed=1000)
    began = clock.now()
    await clock.sleep(20)
    assert timedelta(seconds=20) <= clock.now() - began < timedelta(seconds=20 + 1000)


def test_two_clocks_with_one_epoch_agree() -> None:
    epoch = datetime.now(UTC) - timedelta(minutes=1)
    first, second = SystemClock(speed=20, epoch=epoch), SystemClock(speed=20, epoch=epoch)
    assert abs(first.now() - second.now()) < timedelta(seconds=2)
    assert abs(first.now() - (epoch + timedelta(minutes=20))) < timedelta(seconds=30)


def test_a_clock_that_cannot_run_is_refused() -> None:
    naive = datetime.now(UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="speed"):
        SystemClock(speed=0)
    with pytest.raises(ValueError, match="time zone"):
        SystemClock(epoch=naive)
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(naive)
    with pytest.raises(ValueError, match="backwards"):
        ManualClock().advance(-1)


async def test_a_day_passes_without_sleeping_for_real() -> None:
    clock = ManualClock()
    began, real = clock.now(), time.monotonic()
    await clock.drive(clock.sleep(86_400))
    assert clock.now() - began == timedelta(days=1)
    assert time.monotonic() - real < 60


@given(st.lists(st.integers(0, 5000), max_size=8))
def test_sleepers_wake_in_the_order_of_their_time_and_see_it(naps: list[int]) -> None:
    async def scene() -> list[tuple[int, float]]:
        clock, woken = ManualClock(), []
        began = clock.now()

        async def sleeper(nap: int) -> None:
            await clock.sleep(nap)
            woken.append((nap, (clock.now() - began).total_seconds()))

        await clock.drive(asyncio.gather(*(sleeper(nap) for nap in naps)), idle=0.0005)
        return woken

    woken = asyncio.run(scene())
    assert [nap for nap, _ in woken] == sorted(naps)
    assert all(seen == nap for nap, seen in woken)


async def test_advance_wakes_everybody_whose_time_has_come_and_nobody_else() -> None:
    clock, woken = ManualClock(), []

    async def sleeper(nap: float) -> None:
        await clock.sleep(nap)
        woken.append(nap)

    tasks = [asyncio.ensure_future(sleeper(nap)) for nap in (3, 1, 2, 10)]
    await asyncio.sleep(0)
    clock.advance(5)
    await asyncio.gather(*tasks[:3])
    assert woken == [1, 2, 3]
    assert not tasks[3].done()
    clock.advance_to(clock.now() + timedelta(seconds=5))
    await tasks[3]


async def test_a_sleep_that_was_given_up_does_not_draw_the_clock_forward() -> None:
    clock = ManualClock()
    began = clock.now()
    given_up = asyncio.ensure_future(clock.sleep(5))
    await asyncio.sleep(0)
    given_up.cancel()
    await clock.drive(clock.sleep(60))
    assert clock.now() - began == timedelta(seconds=60)
    assert clock.next_wake is None


async def test_drive_waits_for_work_in_threads_before_it_turns_the_clock() -> None:
    clock = ManualClock()
    began = clock.now()

    def flush_to_disk() -> None:
        # Takes time without using the processor or Python, as a database's thread does.
        resting = ctypes.CDLL(None).usleep
        resting(20_000)

    async def work_beside_a_timer() -> datetime:
        timer = asyncio.ensure_future(clock.sleep(3600))
        for _ in range(10):
            await asyncio.to_thread(flush_to_disk)
            await asyncio.to_thread(sum, range(100_000))
        seen = clock.now()
        timer.cancel()
        return seen

    assert await clock.drive(work_beside_a_timer()) == began


def held_up(seconds: float = 0.01) -> None:
    """What a busy machine does to a thread: time passes, and it uses none of it. It stands on a line that waits."""
    threading.Event().wait(seconds)


async def by_steps() -> None:
    for _ in range(20):
        held_up(0.002)
        await asyncio.sleep(0)


async def by_a_thread() -> None:
    await asyncio.to_thread(held_up)


async def by_a_statement() -> None:
    @contextlib.asynccontextmanager
    async def a_row() -> AsyncIterator[object]:
        async with aiosqlite.connect(":memory:") as database:
            await database.create_function("held_up", 0, held_up)
            async with database.execute("SELECT held_up()") as cursor:
                yield await cursor.fetchone()

    async with a_row():
        pass


@pytest.mark.parametrize("work", [by_steps, by_a_thread, by_a_statement])
async def test_work_that_a_busy_machine_holds_up_is_not_taken_for_waiting(work: Callable[[], Awaitable[None]]) -> None:
    clock = ManualClock()
    began = clock.now()

    async def work_beside_a_timer() -> datetime:
        timer = asyncio.ensure_future(clock.sleep(3600))
        for _ in range(5):
            await work()
        seen = clock.now()
        timer.cancel()
        return seen

    assert await clock.drive(work_beside_a_timer(), idle=0.001) == began


async def test_a_thread_that_never_comes_to_rest_does_not_stop_the_clock() -> None:
    clock = ManualClock()
    ended = threading.Event()

    def endless() -> None:
        resting = ctypes.CDLL(None).usleep
        while not ended.is_set():
            resting(1000)

    thread = threading.Thread(target=endless)
    thread.start()
    try:
        await clock.drive(clock.sleep(60))
    finally:
        ended.set()
        thread.join()


async def test_drive_hands_on_result_error_and_cancellation() -> None:
    clock = ManualClock()

    async def fails() -> None:
        await clock.sleep(1)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await clock.drive(fails())

    ended = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    driven = asyncio.ensure_future(clock.drive(never()))
    await asyncio.sleep(0.01)
    driven.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driven
    assert ended == [True]


async def test_run_for_lets_a_repeating_sleeper_work_each_time() -> None:
    clock, ticks = ManualClock(), []

    async def ticking() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    task = asyncio.ensure_future(ticking())
    await asyncio.sleep(0)
    await clock.run_for(35)
    task.cancel()
    assert len(ticks) == 3
