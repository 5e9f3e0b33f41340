"""Holding a campaign: a run in progress stops dialing, the next one calls nobody, and resumed it calls the rest."""

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
from flows.hold_campaign import hold_campaign
from flows.resume_campaign import resume_campaign
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
    """Hold it. Returns the state."""
    any_flow: Any = hold_campaign
    given = {"campaign": campaign, "note": NOTE, "ledger": world.ledger, "held_by": "Mona"}
    return await any_flow(**{**given, **arguments}, return_state=True)


async def resume(world: World, campaign: str, **arguments: Any) -> Any:
    """Resume it. Returns the state."""
    any_flow: Any = resume_campaign
    return await any_flow(**{"campaign": campaign, "ledger": world.ledger, **arguments}, return_state=True)


async def test_nobody_is_called_for_a_campaign_on_hold_until_it_is_resumed(world: World) -> None:
    await calling(world, "held", 1)(return_state=True)
    world.sandbox.reset()
    state = await hold(world, "held")
    assert state.is_completed()
    said = f"held is on hold (by Mona: {NOTE}) until somebody resumes it (resume-campaign)."
    assert state.message == said == await state.aresult()
    state = await calling(world, "held", 3)(return_state=True)
    assert state.is_completed(), "it is somebody's will, and nothing to fix"
    assert (
        f"The campaign held is on hold (by Mona: {NOTE}): nobody is called until somebody resumes it, by the flow "
        "resume-campaign." in state.message
    )
    report: CampaignReport = await state.aresult()
    assert report.in_group("called") == 0
    assert sum(report.buckets.values()) == 3
    assert world.rings() == {}
    # Another campaign goes on.
    state = await calling(world, "free", 2)(return_state=True)
    assert "2 of 2 customers called" in state.message
    world.sandbox.reset()
    state = await resume(world, "held")
    assert state.message == f"held was on hold (by Mona: {NOTE}). Its next run calls who is still to be called."
    state = await calling(world, "held", 3)(return_state=True)
    assert sorted(world.rings().values()) == [1] * 2, "the first was called before"
    state = await resume(world, "held")
    assert state.message == "held was not on hold. Its next run calls who is still to be called."


async def test_who_holds_it_need_not_be_said(world: World) -> None:
    await calling(world, "march", 1)(return_state=True)
    state = await hold(world, "march", held_by="")
    assert state.message == f"march is on hold ({NOTE}) until somebody resumes it (resume-campaign)."
    for note, said in ((2041, "2041"), ("", "no reason given")):
        state = await hold(world, "march", held_by="", note=note)
        assert state.message == f"march is on hold ({said}) until somebody resumes it (resume-campaign)."


@pytest.mark.parametrize("change", [hold, resume])
async def test_a_name_that_no_campaign_has_fails_with_the_names_that_the_ledger_knows(
    world: World, change: Callable[..., Any]
) -> None:
    state = await change(world, "marhc")
    assert state.is_failed()
    assert state.message.endswith("knows no campaign at all yet.")
    async with world.ledger.open() as ledger:
        for number in range(11):
            await ledger.hold(f"overdue-{number:02}", note="by the test", on=False)
    await calling(world, "march", 1)(return_state=True)
    state = await change(world, "marhc")
    assert state.is_failed()
    assert "knows no campaign marhc. It knows march, overdue-10, overdue-09," in state.message
    assert state.message.endswith("overdue-02 and 2 more.")
    async with world.ledger.open() as ledger:
        assert await ledger.on_hold("marhc") is None


async def test_a_hold_in_a_ledger_that_goes_away_fails_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def in_a_container() -> RunEnvironment:
        return RunEnvironment(by_worker=True, work_pool="cloud", pool_type="docker", in_container=True)

    monkeypatch.setattr("blocks.ledger.run_environment", in_a_container)
    state = await hold(world, "held", ledger=None)
    assert state.is_failed()
    assert state.message.startswith("Nothing was changed for held. This run was started by a worker of the work pool")
    await calling(world, "held", 1)(return_state=True)
    assert (await hold(world, "held")).is_completed()


async def test_a_ledger_block_that_is_not_there_is_named(world: World) -> None:
    state = await hold(world, "held", ledger={"$ref": {"block_document_slug": "call-ledger/nobody-made-this"}})
    assert state.is_failed()
    assert "There is no block call-ledger/nobody-made-this, which the parameter `ledger` names" in state.message


@pytest.mark.parametrize(("change", "name"), [(hold, "hold named"), (resume, "resume named")])
async def test_a_run_is_named_by_what_it_does(world: World, change: Callable[..., Any], name: str) -> None:
    state = await change(world, "named")
    async with get_client() as client:
        assert (await client.read_flow_run(state.state_details.flow_run_id)).name == name


async def test_a_run_in_progress_stops_follows_its_calls_and_leaves_the_rest_for_when_it_is_resumed(
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
    assert (
        f"The campaign halfway is on hold (by Mona: {NOTE}): nobody is called until somebody resumes it"
        in state.message
    )
    report: CampaignReport = await state.aresult()
    assert report.buckets == {Bucket.COMPLETED: LINES, Bucket.NOT_REACHED: PEOPLE - LINES}
    assert len(world.rings()) == LINES
    sandbox.change_scenario(dwells={"talk": {"mean_seconds": 0}})
    await resume(world, "halfway")
    state = await call(return_state=True)
    assert (await state.aresult()).buckets == {Bucket.COMPLETED: PEOPLE - LINES, Bucket.ALREADY_CALLED: LINES}
    assert sorted(world.rings().values()) == [1] * PEOPLE
