"""Holding a campaign: a run in progress stops dialing, the next one calls nobody, and let go on it calls the rest."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from blocks.run_environment import RunEnvironment
from campaign.buckets import Bucket
from campaign.clock import Clock
from campaign.reporting.report import CampaignReport
from flows.hold_campaign import UNKNOWN, hold_campaign
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from sandbox import SystemClock
from tests.flows.world import World, rows
from tests.servers.sandbox import RunningSandbox

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

PEOPLE = 20

LINES = 4

NOTE = "the amounts are wrong"


def calling(world: World, campaign: str, people: int = PEOPLE, clock: Clock | None = None) -> Any:
    """A flow that calls so many people."""

    @flow(name=f"call {campaign}")
    async def call() -> CampaignReport:
        report = await run_campaign(
            rows(people),
            agent=world.agent(),
            policy=world.policy(lines=LINES, poll_max_seconds=0.3 if clock is None else 10),
            ledger=world.ledger,
            campaign=campaign,
            clock=clock,
        )
        return state_of(report)  # type: ignore[no-any-return]  # a state's data is the result

    return call


async def hold(world: World, campaign: str, **arguments: Any) -> Any:
    """Hold it, or let it go on. Returns the state."""
    any_flow: Any = hold_campaign
    given = {"campaign": campaign, "note": NOTE, "ledger": world.ledger}
    return await any_flow(**{**given, **arguments}, return_state=True)


async def test_nobody_is_called_for_a_campaign_on_hold_until_it_is_let_go_on(world: World) -> None:
    state = await hold(world, "held")
    assert state.is_completed()
    assert state.message == f"held is on hold: {NOTE}. {UNKNOWN}" == await state.aresult()
    state = await calling(world, "held", 3)(return_state=True)
    assert state.is_completed(), "it is somebody's will, and nothing to mend"
    assert f"The campaign held is on hold ({NOTE}): nobody is called until it is let go on." in state.message
    report: CampaignReport = await state.aresult()
    assert report.in_group("called") == 0
    assert sum(report.buckets.values()) == 3
    assert world.rings() == {}
    # Another campaign goes on.
    state = await calling(world, "free", 2)(return_state=True)
    assert "2 of 2 customers called" in state.message
    world.sandbox.reset()
    state = await hold(world, "held", release=True, note="mended")
    assert state.message == "held may go on: mended"
    state = await calling(world, "held", 3)(return_state=True)
    assert "3 of 3 customers called" in state.message
    assert sorted(world.rings().values()) == [1] * 3


async def test_a_name_that_no_campaign_has_is_doubted(world: World) -> None:
    await calling(world, "march", 1)(return_state=True)
    assert (await hold(world, "march")).message == f"march is on hold: {NOTE}"
    assert (await hold(world, "marhc")).message == f"marhc is on hold: {NOTE}. {UNKNOWN}"
    assert (await hold(world, "march", release=True, note="mended")).message == "march may go on: mended"
    again = await hold(world, "march", release=True, note="mended")
    assert again.message == "march was not on hold, and may go on: mended"


async def test_a_hold_in_a_ledger_that_goes_away_fails_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def in_a_container() -> RunEnvironment:
        return RunEnvironment(by_worker=True, work_pool="cloud", pool_type="docker", in_container=True)

    monkeypatch.setattr("blocks.ledger.run_environment", in_a_container)
    state = await hold(world, "held", ledger=None)
    assert state.is_failed()
    assert state.message.startswith("Nothing was changed for held. This run was started by a worker of the work pool")
    assert (await hold(world, "held")).is_completed()


async def test_a_ledger_block_that_is_not_there_is_named(world: World) -> None:
    state = await hold(world, "held", ledger={"$ref": {"block_document_slug": "call-ledger/nobody-made-this"}})
    assert state.is_failed()
    assert "There is no block call-ledger/nobody-made-this, which the parameter `ledger` names" in state.message


@pytest.mark.parametrize(("release", "name"), [(False, "hold named"), (True, "let go on named")])
async def test_a_run_is_named_by_what_it_does(world: World, release: bool, name: str) -> None:
    state = await hold(world, "named", release=release)
    async with get_client() as client:
        assert (await client.read_flow_run(state.state_details.flow_run_id)).name == name


async def test_a_run_in_progress_stops_follows_its_calls_and_leaves_the_rest_for_when_it_is_let_go_on(
    start_sandbox: Callable[..., RunningSandbox], tmp_path: Path
) -> None:
    # A clock of their own, twenty times as fast, so that nobody waits long for the run to ask whether it is on hold.
    epoch = datetime.now(UTC)
    sandbox = start_sandbox(speed=20, scenario="everyone_answers", arguments=("--clock-epoch", epoch.isoformat()))
    sandbox.change_scenario(opt_outs=0, dwells={"talk": {"mean_seconds": 120, "sigma": 0}})
    world = World(sandbox, tmp_path)
    clock = SystemClock(speed=20, epoch=epoch)
    call = calling(world, "halfway", clock=clock)
    running = asyncio.create_task(call(return_state=True))
    while len(world.rings()) < LINES:  # noqa: ASYNC110 - asked of another process
        await asyncio.sleep(0.05)
    await hold(world, "halfway")
    state = await running
    assert state.is_completed()
    assert f"{LINES} of {PEOPLE} customers called" in state.message
    assert f"The campaign halfway is on hold ({NOTE}): nobody is called until it is let go on." in state.message
    report: CampaignReport = await state.aresult()
    assert report.buckets == {Bucket.COMPLETED: LINES, Bucket.NOT_REACHED: PEOPLE - LINES}
    assert len(world.rings()) == LINES
    sandbox.change_scenario(dwells={"talk": {"mean_seconds": 0}})
    await hold(world, "halfway", release=True)
    state = await call(return_state=True)
    assert (await state.aresult()).buckets == {Bucket.COMPLETED: PEOPLE - LINES, Bucket.ALREADY_CALLED: LINES}
    assert sorted(world.rings().values()) == [1] * PEOPLE
