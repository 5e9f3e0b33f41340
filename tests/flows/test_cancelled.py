"""A campaign that is cancelled in mid-dialing still says where every row stands, and the next run goes on."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Cancelling

import runtime.run_states.suspension
from blocks import CallingPolicy
from campaign.attempts import ENDED, AttemptState
from campaign.buckets import Bucket
from campaign.ledger.ledger import Ledger
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from tests.flows.world import World, artifacts, rows

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

CUSTOMERS = 60


def campaign(world: World, begun: "asyncio.Future[UUID] | None", policy: CallingPolicy) -> Any:
    """A flow that calls everybody, and says when it has begun."""

    @flow(name="call until cancelled")
    async def call_until_cancelled() -> CampaignReport:
        if begun is not None:
            begun.set_result(UUID(str(flow_run.id)))
        report = await run_campaign(
            rows(CUSTOMERS), agent=world.agent(), policy=policy, ledger=world.ledger, campaign="cancelled"
        )
        return state_of(report)  # type: ignore[no-any-return]  # a state's data is the result

    return call_until_cancelled


async def test_a_cancelled_campaign_accounts_for_every_row(world: World) -> None:
    world.sandbox.change_scenario(speed=30)
    policy = world.policy(lines=5, calls_per_task=7)
    begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
    run = asyncio.create_task(campaign(world, begun, policy)())
    run_id = await begun
    while len(world.rings()) < 12:  # noqa: ASYNC110 - asked of another process
        await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):  # and Prefect notes the run as crashed: nobody asked it to cancel
        await run
    found = await artifacts(run_id)
    (summary,) = [each for each in found if each.key == "cancelled-summary"]
    assert "The run was cancelled: no more calls are made." in summary.data
    rang = len(world.rings())
    # What the ledger has of each is what the record tables say of it.
    async with Ledger(f"sqlite:///{world.folder / 'calls.db'}") as ledger:
        attempts = await ledger.attempts(campaign="cancelled")
    states = Counter(attempt.state for attempt in attempts)
    assert AttemptState.CLAIMED not in states
    listed = [row for each in found if each.type == "table" for row in json.loads(each.data)]
    shown = Counter(row["status"] for row in listed if row["status"] != Bucket.NOT_REACHED.label)
    assert shown[Bucket.IN_PROGRESS.label] == states[AttemptState.PLACED]
    assert shown[Bucket.UNCERTAIN.label] == states[AttemptState.UNCERTAIN]
    called = sum(shown.values())
    assert summary.description.startswith(f"{called} of {CUSTOMERS} customers called")
    assert called == sum(count for state, count in states.items() if state is not AttemptState.RELEASED)
    assert rang - 5 <= called <= rang + 5
    world.sandbox.change_scenario(speed=600)
    again = await campaign(world, None, policy)(return_state=True)
    report: CampaignReport = await again.aresult()
    assert report.in_group("called") + report.in_group("never") == CUSTOMERS, report.buckets
    # What was on its way when the run was cancelled may never have reached Hamsa: uncertain until absence is proved.
    unheard = report.buckets.get(Bucket.UNCERTAIN, 0)
    assert unheard <= states[AttemptState.UNCERTAIN]
    assert sorted(world.rings().values()) == [1] * (CUSTOMERS - unheard)


async def test_a_run_that_is_cancelled_while_it_follows_calls_of_an_earlier_one_reports_all_the_same(
    world: World,
) -> None:
    world.sandbox.change_scenario(speed=1)  # no call ends while this goes on
    run_id = UUID(int=0)
    for lines, rings in ((5, 5), (12, 8)):
        begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
        run = asyncio.create_task(campaign(world, begun, world.policy(lines=lines, calls_per_task=7))())
        run_id = await begun
        while len(world.rings()) < rings:  # noqa: ASYNC110 - asked of another process
            await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    (summary,) = [each for each in await artifacts(run_id) if each.key == "cancelled-summary"]
    assert "The run was cancelled: no more calls are made." in summary.data
    assert f"of {CUSTOMERS} customers called" in summary.description
    assert set(world.rings().values()) == {1}


async def test_a_run_without_a_worker_hears_that_it_is_cancelled_and_follows_its_calls_to_their_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.run_states.suspension, "ASKED_EVERY_SECONDS", 0.2)
    world.sandbox.change_scenario(speed=30)
    begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
    run = asyncio.create_task(campaign(world, begun, world.policy(lines=5, calls_per_task=7))(return_state=True))
    run_id = await begun
    while len(world.rings()) < 12:  # noqa: ASYNC110 - asked of another process
        await asyncio.sleep(0.05)
    async with get_client() as client:
        await client.set_flow_run_state(run_id, Cancelling())
    state = await run
    assert state.is_cancelled(), state
    assert "The run was cancelled: no more calls are made." in state.message
    assert 12 <= len(world.rings()) < CUSTOMERS
    async with Ledger(f"sqlite:///{world.folder / 'calls.db'}") as ledger:
        attempts = await ledger.attempts(campaign="cancelled")
    assert all(attempt.state in ENDED for attempt in attempts), "what rang was followed to its end"
    world.sandbox.change_scenario(speed=600)
    await campaign(world, None, world.policy())(return_state=True)
    assert sorted(world.rings().values()) == [1] * CUSTOMERS
