"""Prefect's concurrency limits: a campaign's next run waits for the one before, a round of settling is left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.contact.place import CAMPAIGN, Place, listed
from tests.servers.program import Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

REDIAL, SETTLE = "call-overdue-customers/redial-afternoons", "settle-calls/every-5-minutes"


@contextmanager
def taken(place: Place, limit: str) -> Iterator[None]:
    """Take the only slot of a limit, as a run that is in progress does."""
    body: dict[str, Any] = {"names": [limit], "slots": 1, "mode": "concurrency"}
    assert place.ask("POST", "/v2/concurrency_limits/increment", body)
    yield
    place.ask("POST", "/v2/concurrency_limits/decrement", body)


async def test_a_run_waits_while_the_one_before_is_at_work_and_then_calls(place: Place, worker: Program) -> None:
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'queued.db'}")
    place.sandbox.reset()
    who = listed(place.folder, {"c-1": "+12125550135"}, "queued")
    with taken(place, f"deployment:{place.deployment(REDIAL)['id']}"):
        run = place.start(REDIAL, **CAMPAIGN, campaign="queued", customers=who)
        place.wait_for_name(run, "AwaitingConcurrencySlot")
        assert place.rings() == {}
    state = place.wait(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert place.rings() == {"+12125550135": 1}


async def test_a_round_of_settling_that_would_overlap_is_left_out(place: Place, worker: Program) -> None:
    await place.save_blocks()
    with taken(place, f"deployment:{place.deployment(SETTLE)['id']}"):
        assert place.wait(place.start(SETTLE))["type"] == "CANCELLED"


async def test_runs_share_a_limit_that_the_policy_names(place: Place, worker: Program) -> None:
    place.ask("POST", "/v2/concurrency_limits/", {"name": "phone-lines", "limit": 1})
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'lines.db'}", concurrency_limit="phone-lines")
    place.sandbox.reset()
    phones = {f"c-{n}": f"+1212555013{n}" for n in range(6, 9)}
    given = {**CAMPAIGN, "campaign": "lines", "customers": listed(place.folder, phones, "lines")}
    with taken(place, "phone-lines"):
        run = place.start(REDIAL, **given)
        place.wait_for_name(run, "Running")
        place.events("hamsa.campaign.started", resource="hamsa.campaign.lines")
        assert place.rings() == {}
    state = place.wait(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert place.rings() == dict.fromkeys(phones.values(), 1)
    assert place.sandbox.stats()["most_lines_at_once"] == 1
