"""Campaigns that ask first: the page that they show, the answers, and what becomes of each."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType
from prefect.flow_runs import aresume_flow_run

import tasks.approve
from campaign.ledger.reader import CallAverages
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from runtime.clean_failures import fail_cleanly
from tasks.approve import Forecast
from tests.flows.world import World, artifacts, rows

PEOPLE = 8

FORTY = CallAverages(calls=40, cost=0.1, seconds=45, max_call_cost=0.4)


def asking(world: World, campaign: str, above: int) -> Any:
    @flow(name=campaign)
    @fail_cleanly
    async def ask_first() -> CampaignReport:
        report = await run_campaign(
            rows(PEOPLE),
            agent=world.agent(),
            policy=world.policy(approve_above=above),
            ledger=world.ledger,
            campaign=campaign,
        )
        return state_of(report)  # type: ignore[no-any-return]

    return ask_first


async def answered(world: World, campaign: str, **answer: Any) -> tuple[State[Any], list[Any]]:
    """Start a campaign that has to ask, answer as the UI does, and wait for its end."""
    running = asyncio.create_task(asking(world, campaign, PEOPLE - 1)(return_state=True))
    waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    async with get_client() as client:
        while not (runs := await client.read_flow_runs(flow_run_filter=waiting)):
            assert not running.done(), running.result()
            await asyncio.sleep(0.1)
        (paused,) = runs
        assert world.rings() == {}
        await aresume_flow_run(paused.id, run_input={"note": "by the test", **answer})
        state = await running
    return state, await artifacts(paused.id)


async def test_a_campaign_that_is_not_larger_does_not_ask(world: World) -> None:
    state = await asking(world, "not-larger", PEOPLE)(return_state=True)
    assert state.is_completed(), state.message
    assert len(world.rings()) == PEOPLE


async def test_approved_it_calls_everybody_and_the_page_said_whom(world: World) -> None:
    state, shown = await answered(world, "approved", decision="approve", at_most=PEOPLE)
    assert state.is_completed(), state.message
    assert sorted(world.rings().values()) == [1] * PEOPLE
    (page,) = [artifact.data for artifact in shown if artifact.key == "approved-approval"]
    assert f"May approved call {PEOPLE} people?" in page
    assert "+44•••••0003" in page
    assert "60003" not in page.replace("+44•••••0003", "")


async def test_with_fewer_it_calls_no_more_than_those(world: World) -> None:
    state, _ = await answered(world, "fewer", decision="fewer", at_most=3)
    assert state.is_completed(), state.message
    assert sum(world.rings().values()) == 3


async def test_fewer_with_the_number_left_as_it_was_calls_nobody(world: World) -> None:
    state, _ = await answered(world, "unchanged", decision="fewer", at_most=PEOPLE)
    assert state.is_cancelled()
    assert "the number was left at 8: nobody was called. Note: by the test" in str(state.message)
    assert world.rings() == {}


async def test_no_answer_in_time_calls_nobody_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.approve, "PAUSE_SECONDS", 1)
    state = await asking(world, "unanswered", PEOPLE - 1)(return_state=True)
    assert state.is_cancelled()
    assert "whether unanswered may call: nobody was called" in str(state.message)
    assert world.rings() == {}


async def test_no_more_are_called_unasked_than_may_be_although_more_hours_open_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before_hours(_rows: Any, _screener: Any, campaign: str) -> Forecast:
        return Forecast(campaign, count=3)

    monkeypatch.setattr(tasks.approve, "forecast", before_hours)
    state = await asking(world, "opening", 5)(return_state=True)
    assert state.is_completed(), state.message
    assert "made the 5 calls that need no approval (approve_above)" in str(state.message)
    assert sum(world.rings().values()) == 5


async def test_cancelled_it_calls_nobody_and_ends_as_cancelled_with_the_note(world: World) -> None:
    state, _ = await answered(world, "refused", decision="cancel")
    assert state.is_cancelled()
    assert state.message is not None
    assert "nobody was called" in state.message
    assert "by the test" in state.message
    assert world.rings() == {}


@pytest.mark.parametrize(
    ("averages", "expected"),
    [
        (CallAverages(), "no ended call yet"),
        (CallAverages(), "end, with 4 lines and no pause | 2026-01-05 10:37"),
        (
            CallAverages(calls=40, cost=0.1, seconds=45, max_call_cost=0.4),
            "| cost, as calls cost so far on average | 12.00 |",
        ),
        (CallAverages(calls=40, cost=0.1, seconds=45, max_call_cost=0.4), "most expensive call | 48.00 |"),
        (
            CallAverages(calls=40, cost=0.1, seconds=45, max_call_cost=0.4),
            "end, with 4 lines and no pause | 2026-01-05 10:30",
        ),
    ],
)
def test_the_page_tells_what_it_may_cost_and_when_it_would_end(averages: CallAverages, expected: str) -> None:
    found = Forecast("overdue", count=120, rows=130)
    began = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
    page = found.page(lines=4, calls_per_minute=None, averages=averages, max_calls=None, max_cost=None, now=began)
    assert expected in page
