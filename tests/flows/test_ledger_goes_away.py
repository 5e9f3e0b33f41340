"""Ledger or shared limit go away in the middle of a campaign: every row is accounted for, and somebody is told."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

import runtime.campaign_run
import runtime.shared_limits
from blocks import CallingPolicy
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from runtime.run_states.clean_failures import fail_cleanly
from tests.flows.world import World, artifacts, rows

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

CUSTOMERS = 60


def campaign(world: World, begun: "asyncio.Future[UUID] | None", policy: CallingPolicy) -> Any:
    """A flow that calls everybody, and says when it has begun."""

    @flow(name="call with what is there")
    @fail_cleanly
    async def call_with_what_is_there() -> CampaignReport:
        if begun is not None:
            begun.set_result(UUID(str(flow_run.id)))
        report = await run_campaign(
            rows(CUSTOMERS),
            agent=world.agent(),
            policy=policy,
            ledger=world.ledger,
            campaign="c",
            events_per_call=False,
        )
        return state_of(report)  # type: ignore[no-any-return]  # a state's data is the result

    return call_with_what_is_there


async def tables_of(run_id: UUID) -> tuple[Any, list[Any]]:
    """The summary, and the rows of all tables."""
    found = await artifacts(run_id)
    (summary,) = [each for each in found if each.key == "c-summary"]
    return summary, [each for each in found if each.type == "table"]


async def test_a_ledger_that_is_moved_away_ends_the_run_with_a_report(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[CampaignReport] = []
    monkeypatch.setattr(runtime.campaign_run, "emit_campaign_finished", shown.append)
    world.sandbox.change_scenario(speed=30)
    policy = world.policy(lines=5, calls_per_task=7)
    begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
    run = asyncio.create_task(campaign(world, begun, policy)(return_state=True))
    run_id = await begun
    while len(world.rings()) < 12:  # noqa: ASYNC110 - asked of another process
        await asyncio.sleep(0.05)
    ledger = world.folder / "calls.db"
    ledger.rename(world.folder / "elsewhere.db")
    state = await run
    assert state.is_failed(), state
    assert "moved, deleted or replaced" in state.message
    summary, _ = await tables_of(run_id)
    assert "moved, deleted or replaced" in summary.data
    (report,) = shown
    assert report.failed
    assert sum(report.buckets.values()) == report.rows_read == CUSTOMERS
    rang = len(world.rings())
    assert rang - 5 <= report.in_group("called") <= rang

    (world.folder / "elsewhere.db").rename(ledger)
    world.sandbox.change_scenario(speed=600)
    again = await campaign(world, None, policy)(return_state=True)
    assert again.is_completed(), again
    assert sorted(world.rings().values()) == [1] * CUSTOMERS


async def test_a_shared_limit_that_cannot_be_asked_stops_the_run_and_loses_no_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    class Slot(AbstractAsyncContextManager[None]):
        """Prefect's slot, while its server is going away: it gives some, and takes none back."""

        async def __aenter__(self) -> None:
            nonlocal asked
            asked += 1
            if asked > 10:
                raise RuntimeError("503 Service Unavailable")

        async def __aexit__(self, *_: object) -> None:
            raise RuntimeError("503 Service Unavailable")

    async with get_client() as client:
        await client.upsert_global_concurrency_limit_by_name("lines-of-all", limit=10)
    with monkeypatch.context() as planted:
        planted.setattr(runtime.shared_limits, "concurrency", lambda *_, **__: Slot())
        policy = world.policy(lines=3, calls_per_task=7, concurrency_limit="lines-of-all")
        begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
        state = await campaign(world, begun, policy)(return_state=True)
    assert state.is_failed(), state
    assert "no slot of the concurrency limit lines-of-all" in state.message
    summary, _ = await tables_of(await begun)
    assert summary.description.startswith(f"10 of {CUSTOMERS} customers called"), "each of them to its noted end"
    assert sorted(world.rings().values()) == [1] * 10
