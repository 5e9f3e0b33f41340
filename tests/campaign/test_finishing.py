"""What must not be left half done is done, however often its caller is cancelled."""

import asyncio

import pytest

from campaign.finishing import finish


async def test_work_ends_before_the_cancellation_goes_through() -> None:
    begun, may_end, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await may_end.wait()
        done.set()

    task = asyncio.create_task(finish(work()))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_what_the_work_returns_or_raises_is_handed_on() -> None:
    async def seven() -> int:
        return 7

    async def fails() -> None:
        raise ValueError("no")

    assert await finish(seven()) == 7
    with pytest.raises(ValueError, match="no"):
        await finish(fails())
