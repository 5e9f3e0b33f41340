"""Hamsa cannot be reached for a while: the dial task's retries take it up, and nobody's phone rings twice."""

import asyncio
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.runtime import flow_run
from pydantic import SecretStr

from blocks import HamsaCredentials
from campaign.buckets import Bucket
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from tests.flows.world import World, rows
from tests.servers.wire import laid

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

CUSTOMERS = 12


async def dial_states(run: UUID) -> set[str]:
    """The names of the states in which the dial tasks of a flow run are."""
    async with get_client() as client:
        found = await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    return {str(task.state_name) for task in found if task.name.startswith("dial")}


async def test_a_lost_connection_is_taken_up_by_the_tasks_retry_and_rings_nobody_twice(world: World) -> None:
    world.sandbox.change_scenario(speed=60)
    begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
    async with laid(int(urlsplit(world.sandbox.base_url).port or 0)) as wire:
        credentials = HamsaCredentials(
            api_key=SecretStr(world.sandbox.api_key), base_url=f"http://127.0.0.1:{wire.port}"
        )

        @flow(name="call over a wire")
        async def call_over_a_wire() -> CampaignReport:
            begun.set_result(UUID(str(flow_run.id)))
            report = await run_campaign(
                rows(CUSTOMERS),
                agent=world.agent(credentials=credentials),
                # Slowly, so that most of them are still to be dialed when the connection is lost.
                policy=world.policy(calls_per_minute=300, calls_per_task=4),
                ledger=world.ledger,
                campaign="wire",
            )
            return state_of(report)  # type: ignore[no-any-return]  # a state's data is the result

        call: Any = call_over_a_wire
        run = asyncio.create_task(call(return_state=True))
        run_id = await begun
        while len(world.rings()) < 4:  # noqa: ASYNC110 - asked of another process
            await asyncio.sleep(0.05)
        await wire.take_down()
        while "AwaitingRetry" not in await dial_states(run_id):
            assert not run.done(), run.result()
            await asyncio.sleep(0.2)
        await wire.put_up()
        state = await run
    assert state.is_completed(), state.message
    report: CampaignReport = await state.aresult()
    # Whose POST was on its way when the connection was lost may stay uncertain, and is then rung once or not at all.
    unclear = report.buckets.get(Bucket.UNCERTAIN, 0)
    assert unclear < CUSTOMERS // 2
    assert report.in_group("called") + unclear == CUSTOMERS, report.buckets
    assert set(world.rings().values()) == {1}
    assert CUSTOMERS - unclear <= len(world.rings()) <= CUSTOMERS
