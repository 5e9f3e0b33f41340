"""The canary: goes on when enough of its calls ended well, stops as soon as too many did not, and waits in between."""

import asyncio

import pytest

from campaign.dialing.safeguards.canary import CallFate, Canary

WELL: CallFate = "well"
FAILED: CallFate = "failed"


async def verdict(canary: Canary) -> str:
    """Whether one more call may be made now: `go`, `wait`, or why not."""
    asked = asyncio.ensure_future(canary.admit())
    for _ in range(3):
        await asyncio.sleep(0)
    if not asked.done():
        asked.cancel()
        return "wait"
    stop = asked.result()
    return "go" if stop is None else stop.message


async def after(calls: int, share: float, *fates: CallFate) -> str:
    """What happens to the call after a canary whose calls were reported so far."""
    canary = Canary(calls, share)
    for _ in range(calls):
        assert await verdict(canary) == "go"
    for fate in fates:
        canary.report(fate)
    return await verdict(canary)


async def test_it_waits_for_calls_that_are_open() -> None:
    assert await after(4, 0.5) == "wait"
    assert await after(4, 0.5, "well") == "wait"
    assert await after(4, 0.5, "well", "failed") == "wait"


async def test_it_goes_on_as_soon_as_enough_calls_ended_well() -> None:
    assert await after(4, 0.5, "well", "well") == "go"
    assert await after(4, 0.25, "well", "well") == "wait"
    assert await after(4, 0.25, "well", "well", "well") == "go"
    assert await after(4, 0.0, "well", "well", "well") == "wait"
    assert await after(4, 0.0, *[WELL] * 4) == "go"
    assert await after(100, 0.29, *[WELL] * 71, *[FAILED] * 29) == "go"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("failed", "3 failed"),
        ("refused", "3 refused by Hamsa"),
        ("uncertain", "3 uncertain, since nobody knows whether the phone rang"),
        ("unended", "3 without an end that this run could learn"),
    ],
)
async def test_nothing_but_a_call_that_ended_well_is_a_success(how: CallFate, words: str) -> None:
    assert await after(4, 0.5, how, how) == "wait"
    said = await after(4, 0.5, how, how, how)
    assert said.startswith(f"3 of the canary's 4 calls did not succeed ({words}), and no more than a share of 0.5 may")


async def test_it_stops_as_soon_as_too_many_did_not_end_well() -> None:
    assert "2 of the canary's 4 calls" in await after(4, 0.25, "failed", "uncertain")
    assert "1 of the canary's 4 calls" in await after(4, 0.0, "unended")
    assert "1 of the canary's 1 call did not" in await after(1, 0.0, "failed")
    assert "1 failed; 1 uncertain" in await after(4, 0.25, "failed", "uncertain")


async def test_where_all_may_fail_it_continues_once_all_are_known() -> None:
    assert await after(2, 1.0) == "wait"
    assert await after(2, 1.0, "failed") == "wait"
    assert await after(2, 1.0, "failed", "failed") == "go"
    assert await after(2, 1.0, "well") == "go"


async def test_a_call_that_was_not_made_makes_room_for_another() -> None:
    canary = Canary(1, 0.5)
    assert await verdict(canary) == "go"
    assert await verdict(canary) == "wait"
    canary.report(None)
    assert await verdict(canary) == "go"


async def test_a_run_that_stops_leaves_nobody_waiting() -> None:
    canary = Canary(1, 0.5)
    assert await verdict(canary) == "go"
    asked = asyncio.ensure_future(canary.admit())
    await asyncio.sleep(0)
    canary.close()
    assert await asked is None, "whoever is let through meets the stop itself"
