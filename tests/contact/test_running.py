"""What `make deploy` made works: deployed again, run by workers, started by events, cancelled and killed."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from tests.contact.conftest import SharedWorker
from tests.contact.place import CAMPAIGN, Place, customers
from tests.servers.program import PROJECT, Program

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.processes,
    # Two deploys and a worker's start come before the first of these.
]

Attempts = Callable[[Path], dict[str, int]]


def test_a_second_deploy_changes_nothing_that_somebody_switched(place: Place) -> None:
    name = "call-overdue-customers/weekday-mornings"
    before = place.deployment(name)
    (schedule,) = before["schedules"]
    assert schedule["active"] is False, "created switched off"
    assert before["global_concurrency_limit"]["limit"] == 1
    assert before["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    place.ask("PATCH", f"/deployments/{before['id']}/schedules/{schedule['id']}", {"active": True})
    assert place.trigger()["enabled"] is False, "created switched off"
    place.switch_trigger(on=True)
    printed = place.deploy()
    wanted = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert printed.startswith(f"{len(wanted)} deployments are on ")
    after = place.deployment(name)
    assert after["id"] == before["id"]
    assert [each["active"] for each in after["schedules"]] == [True]
    redial = place.deployment("call-overdue-customers/redial-afternoons")
    assert [each["active"] for each in redial["schedules"]] == [False]
    assert place.trigger()["enabled"] is True, "and there is one of that name"
    place.switch_trigger(on=False)
    place.ask("PATCH", f"/deployments/{before['id']}/schedules/{after['schedules'][0]['id']}", {"active": False})


def test_a_run_without_its_block_fails_with_a_sentence_that_names_it(place: Place, worker: Program) -> None:
    place.delete_blocks("collections")
    place.sandbox.reset()
    state = place.wait(place.start("call-customer/on-demand", phone="+12125550123", recipient_id="c-1"))
    assert state["type"] == "FAILED"
    assert "There is no block hamsa-voice-agent/collections" in state["message"]
    assert "save a Hamsa Voice Agent block with the name `collections`" in state["message"]
    assert place.rings() == {}


async def test_one_person_is_called_on_demand(place: Place, worker: Program) -> None:
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'on-demand.db'}")
    place.sandbox.reset()
    params = {"name": "Mona", "amount": 120.5}
    run = place.start("call-customer/on-demand", phone="+12125550121", recipient_id="c-1", params=params)
    state = place.wait(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert "+12125550121" not in state["message"]
    assert place.rings() == {"+12125550121": 1}
    settled = place.wait(place.start("settle-calls/every-5-minutes"))
    assert settled["type"] == "COMPLETED"
    assert "unfinished: nothing" in settled["message"]


async def test_a_cancelled_campaign_stops_at_once_and_leaves_nothing_behind(
    place: Place, worker: Program, attempts: Attempts
) -> None:
    ledger = place.folder / "cancelled.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}", lines=5)
    place.sandbox.reset()
    given = {**CAMPAIGN, "campaign": "cancelled-by-worker", "customers": customers(place.folder, 200, 0)}
    run = place.start("call-overdue-customers/weekday-mornings", **given)
    place.wait_for_rings(8)
    place.set_state(run, "CANCELLING")
    state = place.wait(run)
    assert state["type"] == "CANCELLED", state
    rang = len(place.rings())
    (summary,) = place.artifacts(run, key="cancelled-by-worker-summary")
    assert "of 200 customers called" in summary["description"]
    assert "The run was cancelled: no more calls are made." in summary["description"]
    (stopped,) = place.events("hamsa.campaign.stopped", resource="hamsa.campaign.cancelled-by-worker")
    assert stopped["payload"]["flow_run_id"] == run
    assert sum(stopped["payload"]["buckets"].values()) == 200
    assert any("of 200 customers called" in (each["message"] or "") for each in place.states(run))
    assert place.errors(run) == []
    assert "Traceback" not in worker.log_text()
    assert len(place.rings()) == rang < 200, "dialing stopped at once"
    found = attempts(ledger)
    assert "claimed" not in found
    assert found.get("uncertain", 0) <= 5, "at most those whose POST was on its way"
    given["customers"] = customers(place.folder, 20, 0)
    again = place.start("call-overdue-customers/weekday-mornings", **given)
    assert place.wait(again)["type"] == "COMPLETED", "nothing of the cancelled run stands in the way of the next"
    assert set(place.rings().values()) == {1}


async def test_a_run_that_was_killed_is_taken_up_by_the_next_and_rings_nobody_twice(
    place: Place, worker: Program, attempts: Attempts
) -> None:
    lines, ledger = 5, place.folder / "killed.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}", lines=lines)
    place.sandbox.reset()
    given = {**CAMPAIGN, "campaign": "killed", "customers": customers(place.folder, 25, 300)}
    run = place.start("call-overdue-customers/redial-afternoons", **given)
    place.wait_for_rings(6)
    for child in psutil.Process(worker.pid).children(recursive=True):
        os.kill(child.pid, signal.SIGKILL)
    assert place.wait(run)["type"] == "CRASHED"
    again = place.start("call-overdue-customers/redial-afternoons", **given)
    state = place.wait(again)
    assert state["type"] == "COMPLETED", state["message"]
    assert set(place.rings().values()) == {1}
    found = attempts(ledger)
    assert sum(found.values()) == 25, "everybody has an attempt"
    # Whose POST was on its way when the worker died waits for the grace period before anybody says whether it rang.
    unclear = found.pop("claimed", 0)
    assert unclear <= lines
    assert not {"uncertain", "placed"} & set(found)
    assert len(place.rings()) >= 25 - unclear


@pytest.mark.thorough
async def test_a_failed_run_retried_from_the_ui_calls_the_rest_and_rings_nobody_twice(
    place: Place, worker: Program, attempts: Attempts
) -> None:
    ledger = place.folder / "retried.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}", lines=30, calls_per_minute=240)
    place.sandbox.reset()
    given = {**CAMPAIGN, "campaign": "retried", "customers": customers(place.folder, 40, 600)}
    run = place.start("call-overdue-customers/redial-afternoons", **given)
    place.wait_for_rings(6)
    place.sandbox.change_scenario(key_rotated=True)
    try:
        state = place.wait(run)
    finally:
        place.sandbox.change_scenario(key_rotated=False)
    assert state["type"] == "FAILED"
    assert "Hamsa does not accept the API key" in state["message"]
    rang = dict(place.rings())
    assert 6 <= len(rang) < 40
    # What the UI's button does.
    place.set_state(run, "SCHEDULED", name="AwaitingRetry")
    state = place.wait(run, until=frozenset({"PENDING", "RUNNING"}))
    state = place.wait(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert "40 of 40 customers called" in state["message"], "what its first try called is this run's too"
    assert sorted(place.rings().values()) == [1] * 40
    assert not {"claimed", "uncertain", "placed", "refused"} & set(attempts(ledger))


@pytest.mark.thorough
async def test_a_run_that_is_suspended_stops_and_goes_on_when_it_is_resumed(
    place: Place, worker: Program, attempts: Attempts
) -> None:
    ledger = place.folder / "suspended.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}", lines=5)
    place.sandbox.reset()
    given = {**CAMPAIGN, "campaign": "suspended", "customers": customers(place.folder, 30, 700)}
    run = place.start("call-overdue-customers/redial-afternoons", **given)
    place.wait_for_rings(8)
    # What the UI's buttons do.
    place.set_state(run, "PAUSED", name="Suspended", pause_reschedule=True)
    (stopped,) = place.events("hamsa.campaign.stopped", resource="hamsa.campaign.suspended")
    assert "suspended: no more calls are made until somebody resumes it" in stopped["payload"]["reason"]
    assert sum(stopped["payload"]["buckets"].values()) == 30
    rang = len(place.rings())
    assert rang < 30
    assert "claimed" not in attempts(ledger)
    deadline = time.monotonic() + 240
    while "of 30 customers called" not in ((state := place.state(run))["message"] or ""):
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    assert state["name"] == "Suspended"
    assert place.errors(run) == []
    place.ask("POST", f"/flow_runs/{run}/resume", {})
    place.wait(run, until=frozenset({"PENDING", "RUNNING"}))
    assert len(place.rings()) == rang, "nobody was called while it was suspended"
    state = place.wait(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert "30 of 30 customers called" in state["message"], "what it called before is its own"
    assert sorted(place.rings().values()) == [1] * 30


@pytest.mark.thorough
async def test_a_worker_that_is_killed_under_a_campaign_and_started_again_rings_nobody_twice(
    place: Place, shared_worker: SharedWorker, attempts: Attempts
) -> None:
    worker = shared_worker.running()
    ledger = place.folder / "restarted.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}", lines=5)
    place.sandbox.reset()
    given = {**CAMPAIGN, "campaign": "restarted", "customers": customers(place.folder, 25, 800)}
    run = place.start("call-overdue-customers/redial-afternoons", **given)
    place.wait_for_rings(6)
    # The worker alone: the flow run is a process of its own.
    os.kill(worker.pid, signal.SIGKILL)
    worker.process.wait()
    shared_worker.running()
    again = place.start("call-overdue-customers/redial-afternoons", **given)
    states = [place.wait(each) for each in (run, again)]
    # Prefect's console ends a process that cannot write to its worker any more, at the next line of its log.
    assert states[0]["type"] in {"COMPLETED", "CRASHED"}, states
    assert states[1]["type"] == "COMPLETED", states
    assert place.artifacts(run, key="restarted-summary"), "also then it says where every row stands"
    assert sorted(place.rings().values()) == [1] * 25
    assert "claimed" not in attempts(ledger)
