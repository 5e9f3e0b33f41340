"""A deployed campaign that asks first: it leaves its worker, is answered as in the UI, and a worker starts it again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contact.place import CAMPAIGN, Place, customers
from tests.servers.program import Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

DEPLOYMENT = "call-overdue-customers/weekday-mornings"

PEOPLE, APPROVED = 30, 16

Attempts = Callable[[Path], dict[str, int]]


async def asking(place: Place, campaign: str) -> str:
    """Start a campaign that has to ask, and wait until it does and its process has left. Returns the run's id."""
    ledger = place.folder / f"{campaign}.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}", lines=2, approve_above=PEOPLE - 1)
    place.sandbox.reset()
    given: dict[str, Any] = {**CAMPAIGN, "campaign": campaign, "customers": customers(place.folder, PEOPLE, 100)}
    run = place.start(DEPLOYMENT, **given)
    state = place.wait(run, until=frozenset({"PAUSED", "FAILED"}))
    assert state["name"] == "Suspended", state["message"]
    (page,) = place.artifacts(run, key=f"{campaign}-approval")
    assert f"May {campaign} call {PEOPLE} people?" in page["data"]
    assert place.rings() == {}
    return run


def answer(place: Place, run: str, **given: Any) -> None:
    """What the UI's form sends."""
    done = place.ask("POST", f"/flow_runs/{run}/resume", {"run_input": given})
    assert done["status"] == "ACCEPT", done
    place.wait(run, until=frozenset({"PENDING", "RUNNING", "COMPLETED", "CANCELLED", "FAILED", "CRASHED"}))


async def test_fewer_are_called_by_a_run_that_was_resumed_twice(
    place: Place, worker: Program, attempts: Attempts
) -> None:
    run = await asking(place, "fewer")
    answer(place, run, decision="fewer", at_most=APPROVED, note="by the test")
    place.wait_for_rings(3)
    # Suspended in the midst of it: it starts over, asks nobody again and does not start counting again.
    place.set_state(run, "PAUSED", name="Suspended", pause_reschedule=True)
    place.events("hamsa.campaign.stopped", resource="hamsa.campaign.fewer")
    assert 3 <= len(place.rings()) < APPROVED
    place.ask("POST", f"/flow_runs/{run}/resume", {})
    place.wait(run, until=frozenset({"PENDING", "RUNNING"}))
    state = place.wait(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert f"{APPROVED} of {PEOPLE} customers called" in state["message"]
    assert sorted(place.rings().values()) == [1] * APPROVED
    assert len(place.artifacts(run, key="fewer-approval")) == 1, "it asked once"
    assert sum(attempts(place.folder / "fewer.db").values()) == APPROVED


async def test_a_list_that_changed_before_the_answer_is_called_as_far_as_it_was_shown(
    place: Place, worker: Program
) -> None:
    run = await asking(place, "changed")
    customers(place.folder, PEOPLE + 5, 100)  # five came
    path = place.folder / "customers-100.csv"
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([rows[0], *rows[4:]]), encoding="utf-8")  # and three went
    answer(place, run, decision="approve")
    state = place.wait(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert f"{PEOPLE - 3} of {PEOPLE + 2} customers called" in state["message"]
    assert set(place.rings()) == {f"+4420794{60000 + number}" for number in range(103, 100 + PEOPLE)}
    (summary,) = place.artifacts(run, key="changed-summary")
    assert "not among those who were approved" in summary["data"]


async def test_cancelled_nobody_is_called_and_the_run_ends_with_the_note(
    place: Place, worker: Program, attempts: Attempts
) -> None:
    run = await asking(place, "refused")
    answer(place, run, decision="cancel", note="the list is last month's")
    state = place.wait(run)
    assert state["type"] == "CANCELLED", state
    assert state["message"] == "refused was not approved: nobody was called. Note: the list is last month's"
    assert place.rings() == {}
    assert attempts(place.folder / "refused.db") == {}
