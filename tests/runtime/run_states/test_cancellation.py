"""SIGTERM ends every campaign of a process in order, however many there are and in whatever order they are over."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from prefect.exceptions import TerminationSignal
from prefect.utilities import engine

from runtime.run_states.cancellation import cancel_on_sigterm


@pytest.fixture(autouse=True)
def survived() -> Iterator[list[int]]:
    """SIGTERM reaches a handler that does nothing but count, as Prefect's may go unheard."""
    counted: list[int] = []

    def count(number: int, _: FrameType | None) -> None:
        counted.append(number)

    before = signal.signal(signal.SIGTERM, count)
    yield counted
    signal.signal(signal.SIGTERM, before)


async def campaign(leave: asyncio.Event, entered: asyncio.Event) -> str:
    """Run until it may leave."""
    with cancel_on_sigterm():
        entered.set()
        await leave.wait()
    return "over"


async def begun(leave: asyncio.Event) -> asyncio.Task[str]:
    entered = asyncio.Event()
    task = asyncio.create_task(campaign(leave, entered))
    await entered.wait()
    return task


async def test_every_campaign_hears_of_it(survived: list[int]) -> None:
    never = asyncio.Event()
    running = [await begun(never) for _ in range(3)]
    os.kill(os.getpid(), signal.SIGTERM)
    ended = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), timeout=60)
    assert [type(each) for each in ended] == [TerminationSignal] * 3
    assert survived == [signal.SIGTERM]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_one_is_over_before_the_other_which_still_hears(order: tuple[int, int]) -> None:
    leaves = [asyncio.Event(), asyncio.Event()]
    running = [await begun(leave) for leave in leaves]
    first, second = order
    leaves[first].set()
    assert await running[first] == "over"
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(TerminationSignal):
        await asyncio.wait_for(running[second], timeout=60)


@pytest.fixture
def like_prefect() -> Iterator[Callable[[float], object]]:
    """SIGTERM reaches Prefect's own handler, which raises. Gives what sends it after so many seconds of processor."""
    before = {
        # As Prefect's engine does. The other, which nobody else uses, strikes wherever the interpreter is.
        signal.SIGTERM: signal.signal(signal.SIGTERM, prefects_handler()),
        signal.SIGVTALRM: signal.signal(signal.SIGVTALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM)),
    }
    yield lambda seconds: signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    assert signal.getsignal(signal.SIGTERM) is prefects_handler()
    for number, handler in before.items():
        signal.signal(number, handler)


def prefects_handler() -> Any:
    return engine._prefect_sigterm_handler  # noqa: SLF001 - it has no other name


@pytest.mark.parametrize("seed", range(30))
def test_a_loop_hears_it_whatever_it_is_at(seed: int, like_prefect: Callable[[float], object]) -> None:
    """An exception raised there would lose what the loop was just at, and who waits for it would wait forever."""
    stopped: list[str] = []

    def stand_still() -> None:
        stopped.append("it stands still")
        asyncio.get_running_loop().stop()

    async def hand_on(ball: "asyncio.Queue[int]") -> None:
        while True:
            await ball.put(await ball.get())
            await asyncio.sleep(0)

    async def run() -> None:
        asyncio.get_running_loop().call_later(60, stand_still)
        with cancel_on_sigterm():
            players = []
            for _ in range(20):
                ball: asyncio.Queue[int] = asyncio.Queue(1)
                ball.put_nowait(1)
                players.append(asyncio.create_task(hand_on(ball)))
            like_prefect(random.Random(seed).uniform(0.001, 0.02))
            try:
                await asyncio.gather(*players)
            finally:
                for _ in range(100):  # what a run still has to do
                    await asyncio.sleep(0)
                stopped.append("in order")

    with pytest.raises(TerminationSignal):
        asyncio.run(run())
    assert stopped == ["in order"]


async def test_prefect_goes_on_telling_the_worker_that_the_run_can_be_cancelled() -> None:
    with engine.capture_sigterm():
        with cancel_on_sigterm():
            assert engine.can_ack_control_intent()
            with engine.capture_sigterm(), cancel_on_sigterm():  # as in a flow of a flow
                assert engine.can_ack_control_intent()
            assert engine.can_ack_control_intent()
        assert engine.can_ack_control_intent()
        assert signal.getsignal(signal.SIGTERM) is prefects_handler()


async def test_prefect_knows_its_own_handler_again_though_somebody_put_a_third_in_its_place() -> None:
    own = prefects_handler()
    with engine.capture_sigterm():
        with cancel_on_sigterm():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert prefects_handler() is own
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


async def test_the_one_who_listened_before_still_does(survived: list[int]) -> None:
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    try:
        leave = asyncio.Event()
        running = await begun(leave)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), timeout=60)
        heard.clear()
        leave.set()
        assert await running == "over"
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(heard.wait(), timeout=60)
        assert survived == []
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
