"""What Prefect's server has of a run's events: one per fact, with its resources and labels, and no phone number."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from campaign import CsvFile
from campaign.reporting.call_result import CallResult
from flows.call_overdue_customers import call_overdue_customers
from flows.settle_calls import settle_calls
from tasks import create_call
from tests.flows.emitted import Event, events_about
from tests.flows.world import World
from tests.servers.prefect import PrefectServer

pytestmark = pytest.mark.prefect

PEOPLE = {
    "rings-out": "+12125550190",
    "fails": "+12125550191",
    "lost": "+12125550192",
    "wants-no-more": "+12125550197",
    "promises": "+12125550198",
    "refused": "+12125550199",
}
"""The sandbox's magic numbers: each always does what its name says."""


@pytest.fixture
def world(start_sandbox: Any, tmp_path: Path, prefect_server: PrefectServer) -> World:
    """A sandbox in which magic numbers count, and whose calls last tenths of a second."""
    return World(start_sandbox(speed=600.0), tmp_path)


async def run(world: World, campaign: str, **arguments: Any) -> tuple[str, Any]:
    """Call all of `PEOPLE`. Returns the flow run's id and its report."""
    path = world.folder / "customers.csv"
    path.write_text("id,phone\n" + "".join(f"{who},{phone}\n" for who, phone in PEOPLE.items()), encoding="utf-8")
    given = {"agent": world.agent(), "policy": world.policy(), "ledger": world.ledger, "campaign": campaign}
    flow_of_anything: Any = call_overdue_customers
    state = await flow_of_anything(**given, customers=CsvFile(path=path), **arguments, return_state=True)
    assert state.is_completed(), state.message
    return str(state.state_details.flow_run_id), await state.aresult()


def facts(events: list[Event]) -> Counter[tuple[str, str]]:
    """How often each thing that happens to calls was emitted for each person."""
    return Counter(
        (event["payload"]["recipient_id"], event["event"])
        for event in events
        if event["event"].startswith("hamsa.call.")
    )


def related(event: Event) -> Mapping[str, str]:
    """The related resources of an event by their roles."""
    return {each["prefect.resource.role"]: each["prefect.resource.id"] for each in event["related"]}


async def test_a_run_emits_each_event_once_and_no_phone_number(world: World, prefect_server: PrefectServer) -> None:
    campaign = "told"
    run_id, _ = await run(world, campaign, outcome_fields=["promised_to_pay", "promised_date"])
    # What a run finds done already is not emitted a second time.
    await run(world, campaign)
    found = await events_about(prefect_server, f"hamsa.campaign.{campaign}", until="hamsa.campaign.finished", count=2)

    whole = ("hamsa.call.placed", "hamsa.call.ended")
    expected = {(who, kind) for who in PEOPLE if who not in ("lost", "refused") for kind in whole}
    # An answer that was lost: it was found in Hamsa's list, so it has an end and was never `placed`.
    expected |= {("lost", "hamsa.call.uncertain"), ("lost", "hamsa.call.ended")}
    assert facts(found) == dict.fromkeys(expected, 1)
    of_first = [event["event"] for event in found if event["payload"].get("flow_run_id") == run_id]
    assert of_first == ["hamsa.campaign.started", "hamsa.campaign.finished"]

    async with world.ledger.open() as ledger:
        attempts = {attempt.recipient_id: attempt for attempt in await ledger.attempts()}
    for event in (event for event in found if event["event"].startswith("hamsa.call.")):
        attempt = attempts[event["payload"]["recipient_id"]]
        uncertain = event["event"] == "hamsa.call.uncertain"
        assert event["payload"]["call_key"] == attempt.call_key
        assert event["payload"]["attempt"] == 1
        assert event["payload"]["job_id"] == (None if uncertain else attempt.job_id)
        assert event["resource"]["prefect.resource.id"] == (
            f"hamsa.call.{attempt.call_key if uncertain else attempt.job_id}"
        )
        assert related(event) == {
            "hamsa-campaign": f"hamsa.campaign.{campaign}",
            "hamsa-recipient": f"hamsa.recipient.{attempt.recipient_id}",
            "hamsa-agent": "hamsa.agent.agent-plain",
            "flow-run": f"prefect.flow-run.{run_id}",
            "flow": related(event)["flow"],
        }
    (uncertain,) = [event for event in found if event["event"] == "hamsa.call.uncertain"]
    assert uncertain["payload"]["reason"]

    of_run = await events_about(prefect_server, f"prefect.flow-run.{run_id}", until="prefect.flow-run.Completed")
    assert len(of_run) > len(of_first)
    shown = str([*found, *of_run])
    for phone in PEOPLE.values():
        assert phone.removeprefix("+1") not in shown, f"{phone} was told"


async def test_outcome_fields_that_were_named_are_labels_and_others_are_not_shown(
    world: World, prefect_server: PrefectServer
) -> None:
    campaign = "labels"
    await run(world, campaign, outcome_fields=["promised_to_pay", "promised_date"])
    found = await events_about(prefect_server, f"hamsa.campaign.{campaign}", until="hamsa.campaign.finished")
    ended = {event["payload"]["recipient_id"]: event for event in found if event["event"] == "hamsa.call.ended"}
    labels = {
        who: {name: value for name, value in event["resource"].items() if name.startswith("hamsa.")}
        for who, event in ended.items()
    }
    date = ended["promises"]["payload"]["outcome"]["promised_date"]
    assert labels["promises"] == {
        "hamsa.call.status": "completed",
        "hamsa.outcome.promised_to_pay": "true",
        "hamsa.outcome.promised_date": date,
    }
    assert labels["wants-no-more"] == {
        "hamsa.call.status": "completed",
        "hamsa.outcome.promised_to_pay": "false",
        "hamsa.outcome.promised_date": "none",
    }
    assert labels["rings-out"] == {"hamsa.call.status": "no_answer"}
    assert labels["fails"] == {"hamsa.call.status": "failed"}
    assert ended["promises"]["payload"]["outcome"] == {"promised_to_pay": True, "promised_date": date}
    assert ended["wants-no-more"]["payload"]["opted_out"] is True
    assert "asked not to be called" not in str(found), "the summary was not named"


async def test_without_events_per_call_only_the_campaigns_own_are_emitted(
    world: World, prefect_server: PrefectServer
) -> None:
    campaign = "quiet"
    run_id, report = await run(world, campaign, events_per_call=False)
    found = await events_about(prefect_server, f"hamsa.campaign.{campaign}", until="hamsa.campaign.finished")
    assert [event["event"] for event in found] == ["hamsa.campaign.started", "hamsa.campaign.finished"]
    of_run = await events_about(prefect_server, f"prefect.flow-run.{run_id}", until="prefect.flow-run.Completed")
    assert not facts(of_run)
    finished = found[-1]["payload"]
    assert finished["rows"] == len(PEOPLE) == sum(finished["buckets"].values())
    assert finished["calls"] == report.calls == len(PEOPLE) - 1


async def test_the_end_that_settling_finds_is_emitted_once(world: World, prefect_server: PrefectServer) -> None:
    campaign = "told-by-settling"

    @flow
    async def only_place() -> CallResult:
        phone = PEOPLE["promises"]
        given: dict[str, Any] = {"policy": world.policy(), "ledger": world.ledger, "campaign": campaign}
        call: CallResult = await create_call(world.agent(), phone, recipient_id="promises", **given)
        return call

    await only_place()
    any_flow: Any = settle_calls
    given = {"credentials": world.credentials, "ledger": world.ledger, "policy": world.policy(), "wait_seconds": 20}
    for _ in range(2):
        await any_flow(**given, outcome_fields=["promised_to_pay"])
    found = await events_about(prefect_server, f"hamsa.campaign.{campaign}", until="hamsa.call.ended")
    assert [event["event"] for event in found] == ["hamsa.call.placed", "hamsa.call.ended"]
    ended = found[-1]
    assert ended["resource"]["hamsa.outcome.promised_to_pay"] == "true"
    assert related(ended)["hamsa-recipient"] == "hamsa.recipient.promises"
