"""A deployment's single call outside the hours: its run waits without a worker or a slot, and calls when it may."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.events import emit_event

from tests.contact.place import Place
from tests.servers.program import Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

BY_EVENT = Place.BY_EVENT
PHONE, OTHER_PHONE = "+12125550141", "+12125550142"
PARAMS = {"name": "Mona", "amount": 120.5}


@pytest.fixture
def one_at_a_time(place: Place) -> Iterator[None]:
    """The deployment with a concurrency limit of one."""

    def limit(runs: int) -> None:
        path = f"/deployments/{place.deployment(BY_EVENT)['id']}"
        place.ask("PATCH", path, {"concurrency_limit": runs, "concurrency_options": {"collision_strategy": "ENQUEUE"}})

    before = place.deployment(BY_EVENT)["global_concurrency_limit"]["limit"]
    limit(1)
    yield
    limit(before)


def hours(start: datetime, length: timedelta) -> dict[str, Any]:
    """Fields of a policy that lets phones ring in this stretch of every day, by the callee's clock."""
    window = {"days": ["every_day"], "start": f"{start:%H:%M}", "end": f"{start + length:%H:%M}"}
    return {"windows": [window]}


def waiting(place: Place, run: str, *, within_seconds: float = 240.0) -> dict[str, Any]:
    """Wait until a run has been at work and waits to go on. Returns the run."""
    deadline = time.monotonic() + within_seconds
    while True:
        found = dict(place.ask("GET", f"/flow_runs/{run}"))
        if found["state_type"] == "SCHEDULED" and found["run_count"]:
            return found
        assert found["state_type"] in {"SCHEDULED", "PENDING", "RUNNING"}, found["state"]
        assert time.monotonic() < deadline, f"still {found['state']}"
        time.sleep(0.2)


def slots_taken(place: Place) -> int:
    return int(place.deployment(BY_EVENT)["global_concurrency_limit"]["active_slots"])


async def test_two_events_for_one_invoice_wait_for_the_hours_and_then_ring_once(
    place: Place, worker: Program, event_trigger: str
) -> None:
    opens = (datetime.now(UTC) + timedelta(hours=3)).replace(second=0, microsecond=0)
    ledger_url = f"sqlite:///{place.folder / 'opening.db'}"
    await place.save_blocks(ledger_url=ledger_url, **hours(opens, timedelta(minutes=30)))
    place.sandbox.reset()
    earlier = {run["id"] for run in place.runs_of(BY_EVENT)}
    payload = {"invoice": "9", "customer_id": "c-9", "phone": PHONE, "params": PARAMS, "timezone": "UTC"}
    for shown in ("first", "second"):
        emit_event("invoice.overdue", resource={"prefect.resource.id": "invoice.9"}, payload={**payload, "told": shown})
    deadline = time.monotonic() + 240
    while len(runs := [run["id"] for run in place.runs_of(BY_EVENT) if run["id"] not in earlier]) < 2:
        assert time.monotonic() < deadline, "the events started no runs"
        time.sleep(0.2)
    wait = [waiting(place, run) for run in runs]
    assert slots_taken(place) == 0
    for run in wait:
        assert opens <= datetime.fromisoformat(run["next_scheduled_start_time"]) <= opens + timedelta(seconds=2)
        said = run["state"]["message"]
        assert said.startswith(f"Waits until {opens:%A %Y-%m-%d %H:%M} (UTC) to call c-9 (+1•••••0141): it is ")
    assert place.rings() == {}
    # Three hours pass: the hours are open now, and so is the time for which the runs are scheduled.
    await place.save_blocks(ledger_url=ledger_url)
    for run in wait:
        place.set_state(run["id"], "SCHEDULED", scheduled_time=datetime.now(UTC).isoformat())
    for run in wait:
        state = place.wait(run["id"])
        assert state["type"] == "COMPLETED", state["message"]
        after = place.ask("GET", f"/flow_runs/{run['id']}")
        assert after["run_count"] == 2
        assert after["expected_start_time"] == run["expected_start_time"], "the campaign's day stays the planned one"
    assert place.rings() == {PHONE: 1}
    assert slots_taken(place) == 0


async def test_a_run_that_waits_holds_up_nobody_and_calls_nobody_once_it_is_cancelled(
    place: Place, worker: Program, one_at_a_time: None
) -> None:
    opens = datetime.now(UTC) + timedelta(hours=3)
    # Open for two hours: a customer three hours to the east is within them now.
    rules = hours(opens.replace(minute=0), timedelta(hours=2))
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'waiting.db'}", **rules)
    place.sandbox.reset()
    given = {"campaign": "waiting", "params": PARAMS}
    west = {**given, "phone": PHONE, "recipient_id": "west", "timezone": "UTC"}
    run = place.start(BY_EVENT, **west)
    before = waiting(place, run)
    assert slots_taken(place) == 0
    east = place.start(BY_EVENT, **given, phone=OTHER_PHONE, recipient_id="east", timezone="Etc/GMT-3")
    assert place.wait(east)["type"] == "COMPLETED"
    assert place.rings() == {OTHER_PHONE: 1}
    assert place.state(run)["id"] == before["state"]["id"], "its worker saw nothing wrong in its going"
    # What the UI's button does.
    place.set_state(run, "CANCELLING")
    assert place.wait(run)["type"] == "CANCELLED"
    assert place.rings() == {OTHER_PHONE: 1}


async def test_a_run_waits_no_longer_than_it_may_and_not_at_all_as_a_part_of_another(
    place: Place, worker: Program
) -> None:
    opens = datetime.now(UTC) + timedelta(hours=3)
    await place.save_blocks(
        ledger_url=f"sqlite:///{place.folder / 'bounded.db'}", **hours(opens, timedelta(minutes=30))
    )
    place.sandbox.reset()
    given = {"campaign": "bounded", "phone": PHONE, "recipient_id": "c-9", "params": PARAMS, "timezone": "UTC"}
    bounds = (0, 0.5)
    runs = [place.start("call-customer/on-demand", **given, wait_at_most_hours=bound) for bound in bounds]
    # What Prefect's run_deployment makes within a flow: whoever started it follows it, and may do so for a while only.
    parent = place.ask("POST", "/task_runs/", {"task_key": "call", "dynamic_key": "0"})["id"]
    part = {"parameters": given, "parent_task_run_id": parent}
    path = f"/deployments/{place.deployment('call-customer/on-demand')['id']}/create_flow_run"
    runs.append(place.ask("POST", path, part)["id"])
    said = []
    for run in runs:
        state = place.wait(run)
        assert state["type"] == "FAILED", state
        said.append(state["message"].partition("possible from ")[2])
    when = f"{opens:%A %Y-%m-%d %H:%M} (UTC)"
    assert said == [
        f"{when}.",
        f"{when}, and a run waits for 0.5 hours at most (wait_at_most_hours): run it again then.",
        f"{when}.",
    ]
    assert place.rings() == {}
