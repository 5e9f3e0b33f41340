"""The example of an own campaign does what its docstring says, against a sandbox."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from campaign import CampaignReport
from campaign.buckets import Bucket
from examples.remind_of_appointments import remind_of_appointments
from tests.flows.world import World, artifacts

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

DAY = date(2026, 11, 23)
EACH_ONCE = {"+12125550121": 1, "+442079460122": 1}


async def run(world: World, **arguments: Any) -> Any:
    flow: Any = remind_of_appointments
    return await flow(
        agent=world.agent(), day=DAY, policy=world.policy(), ledger=world.ledger, return_state=True, **arguments
    )


async def test_each_appointment_is_called_once_however_often_it_runs(world: World) -> None:
    state = await run(world)
    report: CampaignReport = await state.aresult()
    assert report.campaign == "appointments-2026-11-23"
    assert report.in_group("called") == 2
    assert report.buckets[Bucket.NO_NUMBER] == 1
    assert world.rings() == EACH_ONCE
    assert {"table", "markdown"} <= {artifact.type for artifact in await artifacts(state.state_details.flow_run_id)}

    again: CampaignReport = await (await run(world)).aresult()
    assert again.buckets == {Bucket.ALREADY_CALLED: 2, Bucket.NO_NUMBER: 1}
    assert world.rings() == EACH_ONCE


async def test_a_dry_run_says_whom_it_would_call(world: World) -> None:
    report: CampaignReport = await (await run(world, dry_run=True)).aresult()
    assert report.buckets == {Bucket.WOULD_CALL: 2, Bucket.NO_NUMBER: 1}
    assert world.rings() == {}


async def test_without_a_day_it_is_about_tomorrow(world: World) -> None:
    flow: Any = remind_of_appointments
    report: CampaignReport = await flow(agent=world.agent(), ledger=world.ledger, dry_run=True)
    assert report.campaign == f"appointments-{datetime.now().astimezone().date() + timedelta(days=1)}"


async def test_what_is_wrong_is_one_sentence(world: World) -> None:
    flow: Any = remind_of_appointments
    state = await flow(agent=world.agent(voice_agent_id="no-such-agent"), day=DAY, return_state=True)
    assert state.is_failed()
    assert "no-such-agent" in state.message
    assert "\n" not in state.message


async def test_a_block_that_is_not_there_is_named(world: World) -> None:
    flow: Any = remind_of_appointments
    missing = {"$ref": {"block_document_slug": "hamsa-voice-agent/nobody-made-this"}}
    state = await flow(agent=missing, day=DAY, return_state=True)
    assert state.is_failed()
    assert "There is no block hamsa-voice-agent/nobody-made-this, which the parameter `agent` names" in state.message
