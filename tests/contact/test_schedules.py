"""Schedules fire: switched on as in the UI, each makes its run, a worker takes it, and phones ring once."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.contact.place import CAMPAIGN, OVER, Place, listed
from tests.servers.program import Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

MORNINGS, REDIAL = "call-overdue-customers/weekday-mornings", "call-overdue-customers/redial-afternoons"

Schedule = Callable[..., set[str]]


@pytest.fixture
def schedule(place: Place) -> Iterator[Schedule]:
    """Changes a deployment's schedule and switches it on, as the UI's form does. Gives the runs that were there before.

    Afterwards the schedule is as it was: off.
    """
    before: list[tuple[str, dict[str, Any]]] = []

    def switch_on(deployment: str, when: dict[str, Any], **parameters: Any) -> set[str]:
        known = place.deployment(deployment)
        (found,) = known["schedules"]
        path = f"/deployments/{known['id']}/schedules/{found['id']}"
        before.append((path, {name: found[name] for name in ("active", "schedule", "parameters")}))
        runs = {run["id"] for run in place.runs_of(deployment)}
        place.ask("PATCH", path, {"active": True, "schedule": when, "parameters": parameters})
        return runs

    yield switch_on
    for path, was in before:
        place.ask("PATCH", path, was)
    for deployment in {path.split("/")[2] for path, _ in before}:
        place.let_end(deployment)


def switch_off_once_it_fired(place: Place, deployment: str, *, since: set[str]) -> None:
    """Wait until a worker has taken a run that the schedule made, and let no other come."""
    deadline = time.monotonic() + 240
    while not [
        run for run in place.runs_of(deployment, states=OVER | {"PENDING", "RUNNING"}) if run["id"] not in since
    ]:
        assert time.monotonic() < deadline, f"the schedule of {deployment} did not fire"
        time.sleep(1)
    known = place.deployment(deployment)
    place.ask("PATCH", f"/deployments/{known['id']}/schedules/{known['schedules'][0]['id']}", {"active": False})


def first_run(place: Place, deployment: str, *, since: set[str]) -> dict[str, Any]:
    """Wait until the first of the runs that a schedule made is over. Returns the run."""
    deadline = time.monotonic() + 240
    while True:
        if over := [run for run in place.runs_of(deployment, states=OVER) if run["id"] not in since]:
            return min(over, key=lambda run: str(run["expected_start_time"]))
        assert time.monotonic() < deadline, f"no run of {deployment} is over: {place.runs_of(deployment)}"
        time.sleep(0.5)


async def test_a_cron_schedule_calls_the_customers_that_the_deployment_names(
    place: Place, worker: Program, schedule: Schedule
) -> None:
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'cron.db'}")
    place.sandbox.reset()
    since = schedule(MORNINGS, {"cron": "* * * * *", "timezone": "America/New_York"})
    switch_off_once_it_fired(place, MORNINGS, since=since)
    run = first_run(place, MORNINGS, since=since)
    assert run["auto_scheduled"]
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert datetime.fromisoformat(run["expected_start_time"]).second == 0
    rings = place.rings()
    assert rings
    assert set(rings.values()) == {1}


@pytest.mark.thorough
async def test_an_interval_schedule_that_fires_again_and_again_rings_once(
    place: Place, worker: Program, schedule: Schedule
) -> None:
    ledger = place.folder / "interval.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}")
    place.sandbox.reset()
    when = {"interval": 10, "anchor_date": datetime.now(UTC).isoformat(), "timezone": "UTC"}
    who = listed(place.folder, {"c-1": "+12125550131", "c-2": "+12125550132"}, "by-interval")
    since = schedule(REDIAL, when, **CAMPAIGN, campaign="by-interval", customers=who)
    run = first_run(place, REDIAL, since=since)
    assert run["auto_scheduled"]
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    again = first_run(place, REDIAL, since=since | {run["id"]})
    assert again["state_type"] == "COMPLETED", again["state"]["message"]
    assert place.rings() == {"+12125550131": 1, "+12125550132": 1}
