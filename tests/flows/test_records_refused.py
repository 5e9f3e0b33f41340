"""Prefect takes the run but not its records: dialing stops, the run fails and says so, and the next one goes on."""

import asyncio
from typing import Any

import pytest
from prefect import flow

import runtime.artifacts
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from runtime.run_states.clean_failures import fail_cleanly
from tests.flows.world import World, rows

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

CUSTOMERS = 40


@pytest.mark.parametrize("refused", ["acreate_table_artifact", "acreate_markdown_artifact"])
async def test_records_that_prefect_refuses_fail_the_run_and_lose_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    @flow(name="call without records")
    @fail_cleanly
    async def call_without_records() -> CampaignReport:
        report = await run_campaign(
            rows(CUSTOMERS),
            agent=world.agent(),
            policy=world.policy(lines=4, calls_per_task=4, calls_per_minute=600),
            ledger=world.ledger,
            campaign="unrecorded",
        )
        return state_of(report)  # type: ignore[no-any-return]  # a state's data is the result

    async def refuse(**_given: Any) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("413 Content Too Large")

    call: Any = call_without_records
    with monkeypatch.context() as planted:
        planted.setattr(runtime.artifacts, refused, refuse)
        state = await call(return_state=True)
    assert state.is_failed(), state
    assert "413 Content Too Large" in state.message
    rang = dict(world.rings())
    assert set(rang.values()) == {1}
    if refused == "acreate_table_artifact":
        assert len(rang) < CUSTOMERS, "without records no more calls are made"
    state = await call(return_state=True)
    assert state.is_completed(), state.message
    assert sorted(world.rings().values()) == [1] * CUSTOMERS
