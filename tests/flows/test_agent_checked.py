"""A campaign run looks at its voice agent before it calls anybody, and while it calls."""

import asyncio
import logging
from typing import Any

import pytest
from prefect import flow

from campaign.dialing import agent_changes
from campaign.reporting.report import CampaignReport
from flows.run_campaign import CampaignFailed, run_campaign
from runtime.campaign_flow import state_of
from tests.flows.world import World, artifacts, rows

pytestmark = pytest.mark.prefect

FIRST = "2026-11-02T10:00:00.000Z"
SECOND = "2026-11-02T11:00:00.000Z"


def edit(world: World, **parts: Any) -> None:
    world.sandbox.change_scenario(agents={"agent-a": {"name": "A", **parts}})


async def run(world: World, people: int = 3, policy: dict[str, Any] | None = None, **arguments: Any) -> Any:
    @flow(name="call")
    async def call() -> CampaignReport:
        report = await run_campaign(
            rows(people),
            agent=world.agent(voice_agent_id="agent-a"),
            policy=world.policy(**(policy or {})),
            ledger=world.ledger,
            campaign="c",
            **arguments,
        )
        return state_of(report)  # type: ignore[no-any-return]

    flow_of_anything: Any = call
    return await flow_of_anything(return_state=True)


async def test_a_misspelled_outcome_field_is_named_with_those_that_exist_before_anybody_is_called(world: World) -> None:
    edit(world, outcome={"promised": "boolean", "wants_no_more_calls": "boolean"})
    state = await run(world, outcome_fields=["promissed"])
    assert state.is_failed()
    assert "`outcome_fields` has `promissed`" in state.message
    assert "it extracts promised, wants_no_more_calls" in state.message
    assert world.rings() == {}


async def test_a_text_of_the_agent_that_cannot_be_read_is_in_the_report_and_on_the_summary(world: World) -> None:
    edit(world, greeting_message="Hello {{first name}}, you owe {{amount}}.", preamble="{{name}}")
    state = await run(world, 1)
    assert state.is_completed()
    (note,) = (await state.aresult()).notes
    assert note.startswith("The voice agent agent-a has a text that is not valid Jinja2, so no values are required for")
    assert "conversation.greetingMessage (line 1: expected token" in note
    pages = [page.data for page in await artifacts(state.state_details.flow_run_id) if page.type == "markdown"]
    (shown,) = (line for page in pages for line in page.splitlines() if "is not valid Jinja2" in line)
    assert shown.startswith("> The voice agent")
    assert len(world.rings()) == 1


async def test_what_hamsa_fills_in_is_demanded_of_nobody_and_a_column_of_such_a_name_is_warned_of(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    edit(world, greeting_message="Hello {{name}}, {{agent_name}} here. Today is {{current_weekday}}.")
    people = [{**row, "agent_name": "Salma"} for row in rows(3)]

    @flow(name="call")
    async def call() -> Any:
        agent = world.agent(voice_agent_id="agent-a")
        return await run_campaign(people, agent=agent, policy=world.policy(), ledger=world.ledger, campaign="c")

    with caplog.at_level(logging.WARNING):
        report = await call()
    assert report.in_group("called") == 3
    (note,) = report.notes
    assert "param agent_name has a name that Hamsa fills itself" in note
    assert note in caplog.text


async def test_an_agent_that_was_changed_between_two_runs_is_said_and_stops_the_second_once_if_the_policy_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    edit(world, updated_at=FIRST)
    assert (await run(world, 1)).is_completed()
    edit(world, updated_at=SECOND)
    stopped = await run(world, 2, {"stop_when_agent_changes": True})
    assert stopped.is_failed()
    assert "The voice agent agent-a was changed at 2026-11-02 11:00 UTC" in stopped.message
    assert "Nobody was called" in stopped.message
    assert len(world.rings()) == 1
    assert (await run(world, 2, {"stop_when_agent_changes": True})).is_completed()
    assert len(world.rings()) == 2
    edit(world, updated_at=FIRST)
    with caplog.at_level(logging.WARNING):
        state = await run(world, 3)
    assert state.is_completed()
    assert "changed at 2026-11-02 10:00 UTC" in caplog.text
    report = await state.aresult()
    (note,) = report.notes
    assert note.startswith("The voice agent agent-a was changed at 2026-11-02 10:00 UTC, after this campaign had begun")
    assert note.endswith("as it was at 2026-11-02 11:00 UTC: since then people may have heard something else.")
    pages = [page.data for page in await artifacts(state.state_details.flow_run_id) if page.type == "markdown"]
    assert any(f"> {note}" in page for page in pages)
    assert (await (await run(world, 3)).aresult()).notes == []
    async with world.ledger.open() as ledger:
        kept = [row.agent_updated_at for row in await ledger.attempts()]
    assert [at.hour for at in kept if at is not None] == [10, 11, 10]


async def test_an_agent_that_is_changed_while_people_are_called_stops_the_run_if_the_policy_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_changes, "LOOK_SECONDS", 0.1)
    edit(world, updated_at=FIRST)
    policy = {"stop_when_agent_changes": True, "lines": 1}
    running = asyncio.create_task(run(world, 500, policy))
    while not world.rings():  # noqa: ASYNC110 - the phone rings in another process
        await asyncio.sleep(0.05)
    edit(world, updated_at=SECOND)
    state = await running
    assert state.is_failed()
    assert "was changed at 2026-11-02 11:00 UTC" in state.message
    with pytest.raises(CampaignFailed) as failed:
        await state.aresult()
    report = failed.value.report
    assert report.stop_kind == "agent"
    assert 0 < len(world.rings()) < 500
    assert sum(report.buckets.values()) == 500
    # Whoever runs it again has seen it.
    assert (await run(world, len(world.rings()), policy)).is_completed()


async def test_an_agent_that_is_changed_while_people_are_called_is_in_the_report_of_a_run_that_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_changes, "LOOK_SECONDS", 0.1)
    edit(world, updated_at=FIRST)
    running = asyncio.create_task(run(world, 30, {"lines": 1}))
    while not world.rings():  # noqa: ASYNC110 - the phone rings in another process
        await asyncio.sleep(0.05)
    edit(world, updated_at=SECOND)
    state = await running
    assert state.is_completed()
    report = await state.aresult()
    (note,) = report.notes
    assert "was changed at 2026-11-02 11:00 UTC" in note
    assert len(world.rings()) == 30
