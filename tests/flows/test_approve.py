"""Campaigns that ask first: the page that they show, the answers, and what each leads to."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.flow_runs import aresume_flow_run

import tasks.approve
from campaign.errors import NotApproved
from campaign.ledger.notes.approvals import Approval
from campaign.ledger.reader import CallAverages
from campaign.reporting.forecast import Forecast
from campaign.reporting.report import CampaignReport
from campaign.rules import DialSettings
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from runtime.run_states.clean_failures import fail_cleanly
from tasks.approve import Answer, check_answer
from tests.flows.world import World, artifacts, rows

PEOPLE = 8

FORTY = CallAverages(calls=40, cost=0.1, seconds=45, max_call_cost=0.4)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run sees its answer at once."""
    monkeypatch.setattr(tasks.approve, "POLL_SECONDS", 0.2)


def asking(world: World, campaign: str, above: int, people: Any = None) -> Any:
    @flow(name=campaign)
    @fail_cleanly
    async def ask_first() -> CampaignReport:
        report = await run_campaign(
            people or rows(PEOPLE),
            agent=world.agent(),
            policy=world.policy(approve_above=above),
            ledger=world.ledger,
            campaign=campaign,
        )
        return state_of(report)  # type: ignore[no-any-return]

    return ask_first


async def waiting(client: PrefectClient, running: asyncio.Task[Any]) -> FlowRun:
    """The run that waits for an answer, as soon as there is one."""
    paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    while not (runs := await client.read_flow_runs(flow_run_filter=paused)):
        assert not running.done(), running.result()
        await asyncio.sleep(0.1)
    (run,) = runs
    return run


async def answered(world: World, campaign: str, **answer: Any) -> tuple[State[Any], list[Any]]:
    """Start a campaign that has to ask, answer as the UI does, and wait for its end."""
    running = asyncio.create_task(asking(world, campaign, PEOPLE - 1)(return_state=True))
    async with get_client() as client:
        paused = await waiting(client, running)
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


async def test_a_number_that_is_left_out_means_those_who_were_shown(world: World) -> None:
    state, _ = await answered(world, "left-out", decision="approve")
    assert state.is_completed(), state.message
    assert sorted(world.rings().values()) == [1] * PEOPLE
    async with world.ledger.open() as ledger:
        kept = await ledger.last_approval("left-out")
    assert kept is not None
    assert (kept.people, kept.decision, kept.at_most, kept.note) == (PEOPLE, "approve", PEOPLE, "by the test")


@pytest.mark.parametrize("number", [PEOPLE + 1, 0])
async def test_a_number_that_was_not_shown_is_refused_by_the_form(world: World, number: int) -> None:
    campaign = f"refused-{number}"
    running = asyncio.create_task(asking(world, campaign, PEOPLE - 1)(return_state=True))
    async with get_client() as client:
        paused = await waiting(client, running)
        with pytest.raises(RuntimeError, match="Validation failed for field 'at_most'"):
            await aresume_flow_run(paused.id, run_input={"decision": "approve", "at_most": number})
        assert (await client.read_flow_run(paused.id)).state_type is StateType.PAUSED
        await aresume_flow_run(paused.id, run_input={"decision": "cancel"})
        await running
    assert world.rings() == {}


async def test_the_next_question_says_how_the_list_changed(world: World) -> None:
    await answered(world, "changed", decision="cancel")
    running = asyncio.create_task(
        asking(world, "changed", PEOPLE - 1, people=list(rows(PEOPLE + 5))[3:])(return_state=True)
    )
    async with get_client() as client:
        paused = await waiting(client, running)
        await aresume_flow_run(paused.id, run_input={"decision": "approve"})
        await running
    (page,) = [artifact.data for artifact in await artifacts(paused.id) if artifact.key == "changed-approval"]
    assert "when the list was last shown with 8 people, 5 came and 3 went." in page
    assert page.count("| new |") == 5
    assert sum(world.rings().values()) == PEOPLE + 2


def asked(**what: Any) -> Approval:
    return Approval(campaign="c", run_id="run", asked_at=datetime(2026, 1, 5, tzinfo=UTC), people=8, **what)


@pytest.mark.parametrize(
    ("answer", "comes_to"),
    [
        (Answer(), 8),
        (Answer(at_most=8), 8),
        (Answer(at_most=3), 3),
        (Answer(decision="fewer", at_most=7), 7),
        (Answer(decision="fewer", at_most=8), "the number was left at 8: nobody was called."),
        (Answer(decision="fewer"), "but not how many: nobody was called."),
        (Answer(at_most=9), "9 were approved for c, but the page showed only 8: nobody was called."),
        (Answer(at_most=0), "was not approved: nobody was called."),
        (Answer(decision="cancel", at_most=8, note="no"), "was not approved: nobody was called. Note: no"),
    ],
    ids=str,
)
def test_what_an_answer_comes_to(answer: Answer, comes_to: int | str) -> None:
    if isinstance(comes_to, int):
        assert check_answer(answer, asked()) == comes_to
    else:
        with pytest.raises(NotApproved) as refused:
            check_answer(answer, asked())
        assert str(refused.value).endswith(comes_to)


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
    assert "made 5 calls, as many as need no approval (approve_above)" in str(state.message)
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
    page = found.page(DialSettings(lines=4), averages, began)
    assert expected in page
