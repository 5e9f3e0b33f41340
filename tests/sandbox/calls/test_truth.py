"""The truth: what rang, how often, how long; told over HTTP as in process, and forgotten on demand."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import ManualClock, Sandbox
from sandbox.calls.truth import most_at_once
from tests.sandbox.asking import ANN, BEN, LIST, PLACE, fictional, listed, order, place
from tests.sandbox_transport import SandboxTransport


async def test_every_ring_is_shown_with_number_params_times_and_fault(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.fail_next("lost_answer")
    with pytest.raises(httpx.ReadError):
        await http.post(PLACE, json=order(ANN, params={"call_key": "k1", "name": "Ann"}))
    shown = (await http.get("/_sandbox/calls")).json()
    assert shown == sandbox.calls()
    assert shown[0] | {"job_id": ""} == {
        "job_id": "",
        "number": ANN,
        "machine_number": "+18449292835",
        "voice_agent_id": "agent-collections",
        "params": {"call_key": "k1", "name": "Ann"},
        "call_key": "k1",
        "source": "hamsa",
        "fault": "lost_answer",
        "created_at": "2026-11-03T15:00:00+00:00",
        "rang_at": None,
        "answered_at": None,
        "ended_at": None,
        "never_ends": False,
        "status": "PENDING",
        "talk_seconds": None,
        "cost": None,
        "outcome": None,
        "webhooks": [],
    }
    clock.advance(3600)
    over = sandbox.calls()[0]
    assert over["created_at"] < over["rang_at"] < over["answered_at"] < over["ended_at"]
    assert over["status"] == "COMPLETED"
    assert over["outcome"]["summary"]
    assert over["cost"] > 0


async def test_calls_can_be_asked_for_by_number(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    await place(http, ANN)
    await place(http, BEN)
    shown = (await http.get("/_sandbox/calls", params={"number": BEN})).json()
    assert [call["number"] for call in shown] == [BEN]
    assert sandbox.calls("+12125550103") == []


async def test_stats_count_rings_lines_requests_answers_and_faults(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(dwells={"queue": {"mean_seconds": 1}, "pick_up": {"mean_seconds": 9}, "talk": {"mean_seconds": 90}})
    await place(http, ANN, params={"call_key": "same"})
    clock.advance(40)
    await place(http, ANN, params={"call_key": "same"})
    clock.advance(80)
    await place(http, BEN, params={"call_key": "other"})
    sandbox.fail_next("error_before")
    await http.post(PLACE, json=order(BEN))
    await listed(http)
    clock.advance(50)
    shown = (await http.get("/_sandbox/stats")).json()
    assert shown == sandbox.stats()
    assert shown == {
        "rings": 3,
        "rings_per_number": {ANN: 2, BEN: 1},
        "most_rings_of_a_number": 2,
        "call_keys_that_rang_twice": ["same"],
        "dashboard_calls": 0,
        "statuses": {"COMPLETED": 2, "IN_PROGRESS": 1},
        "lines_in_use": 1,
        "most_lines_at_once": 2,
        "line_seconds": 250.0,
        "line_seconds_until_last_ring": 180.0,
        "first_ring_at": "2026-11-03T15:00:00+00:00",
        "last_ring_at": "2026-11-03T15:02:00+00:00",
        "cost": 0.32,
        "webhooks": {},
        "requests": {f"POST {PLACE}": 4, f"GET {LIST}": 1},
        "answers": {"200": 4, "500": 1},
        "faults": {"error_before": 1},
    }


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_most_at_once_is_what_one_finds_by_looking_at_every_moment(spans: list[tuple[int, int]]) -> None:
    expected = max((sum(begin <= moment < end for begin, end in spans) for moment in range(31)), default=0)
    assert most_at_once(spans) == expected


async def test_reset_forgets_calls_and_counts_and_keeps_the_scenario(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.change(lines=5)
    await place(http)
    assert (await http.post("/_sandbox/reset")).json()["seed"] == 7
    assert sandbox.calls() == []
    assert sandbox.stats()["requests"] == {}
    assert sandbox.rings() == sandbox.world.lines_in_use() == 0
    assert (await listed(http))["total"] == 0
    assert sandbox.scenario.lines == 5


async def test_reset_can_bring_a_new_seed_and_a_new_scenario(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    shown = (await http.post("/_sandbox/reset", json={"seed": 8, "scenario": {"lines": 2}})).json()
    assert (shown["seed"], shown["scenario"]["lines"], sandbox.world.seed) == (8, 2, 8)


@pytest.mark.parametrize("body", [{"seed": "x"}, {"sed": 1}, {"scenario": []}, {"scenario": {"lines": -1}}])
async def test_a_reset_that_cannot_be_understood_changes_nothing(
    body: dict[str, Any], sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    await place(http)
    assert (await http.post("/_sandbox/reset", json=body)).status_code == 400
    assert sandbox.rings() == 1


async def test_the_truth_needs_no_key_and_is_not_counted_as_a_request(clock: ManualClock, sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox") as http:
        assert (await http.get("/_sandbox/stats")).json()["requests"] == {}
        assert (await http.get("/_sandbox/calls")).json() == []


def test_job_ids_are_never_given_out_twice_even_by_a_sandbox_that_starts_again() -> None:
    def ids(clock: ManualClock) -> set[str]:
        sandbox = Sandbox(seed=7, clock=clock)
        for ordinal in range(200):
            sandbox.plant_call(fictional(ordinal % 50))
        return {call["job_id"] for call in sandbox.calls()}

    today, later = ManualClock(), ManualClock()
    later.advance(60)
    assert len(ids(today)) == 200
    assert not ids(today) & ids(later)
    assert ids(today) == ids(today)
