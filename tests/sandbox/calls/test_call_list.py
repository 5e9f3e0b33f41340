"""The call list: filters, pages, orders, lag, and ways to write numbers; and it stays quick."""

import time
from collections.abc import Collection
from typing import Any

import httpx
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamsa.models import FINAL_STATUSES, JobStatus
from sandbox import ManualClock, Sandbox, Scenario
from sandbox.calls.call_list import Call, CallList, Wanted
from sandbox.calls.lives import Life, Phase
from tests.sandbox.asking import ANN, BEN, LIST, fictional, listed, place

STATUSES = [str(status) for status in JobStatus]


async def test_rows_have_the_documented_fields(sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient) -> None:
    made = await place(http)
    clock.advance(3600)
    row = (await listed(http))["calls"][0]
    assert row == {
        "id": made["id"],
        "createdAt": made["createdAt"],
        "status": "COMPLETED",
        "voiceAgentId": "agent-collections",
        "agentName": "Collections",
        "duration": sandbox.calls()[0]["talk_seconds"] and row["duration"],
        "channelType": "Telephone",
        "callParams": {"machineNumber": "+18449292835", "userNumber": ANN},
    }


async def test_a_page_can_be_filtered_by_agent_status_and_time(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    first = await place(http, ANN)
    clock.advance(3600)
    second = await place(http, BEN, voiceAgentId="agent-plain")
    now_ms = int(clock.now().timestamp() * 1000)

    async def ids(**query: Any) -> list[str]:
        return [row["id"] for row in (await listed(http, **query))["calls"]]

    assert await ids() == [second["id"], first["id"]]
    assert await ids(voiceAgentId="agent-plain") == [second["id"]]
    assert await ids(status="COMPLETED") == [first["id"]]
    assert await ids(status=["COMPLETED", "PENDING"]) == [second["id"], first["id"]]
    assert await ids(startTime=now_ms) == [second["id"]]
    assert await ids(startTime=now_ms + 1) == []
    assert await ids(endTime=now_ms - 1) == [first["id"]]
    assert await listed(http, voiceAgentId="nobody") == {"total": 2, "filtered": 0, "calls": []}


@pytest.mark.parametrize(
    "query",
    [
        {"perPage": 201},
        {"perPage": 0},
        {"page": 0},
        {"page": "two"},
        {"startTime": "2026-11-03"},
        {"endTime": -1},
        {"status": "RINGING"},
    ],
)
async def test_a_bad_query_is_refused_by_the_name_of_its_field(query: dict[str, Any], http: httpx.AsyncClient) -> None:
    response = await http.get(LIST, params=query)
    assert response.status_code == 400
    assert response.json()["params"]["field"] == next(iter(query))


async def test_a_hundred_rows_are_a_page_unless_asked_otherwise(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    for ordinal in range(150):
        sandbox.plant_call(fictional(ordinal))
    page = await listed(http)
    assert (page["total"], page["filtered"], len(page["calls"])) == (150, 150, 100)
    assert len((await listed(http, page=2))["calls"]) == 50
    assert (await listed(http, page=3))["calls"] == []


async def test_the_list_lags_behind_as_the_scenario_has_it_and_a_single_call_does_not(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(list_lag_seconds=10)
    made = await place(http)
    clock.advance(9.9)
    assert await listed(http) == {"total": 0, "filtered": 0, "calls": []}
    assert (await http.get("/v1/jobs", params={"jobId": made["id"]})).status_code == 200
    clock.advance(0.2)
    assert [row["status"] for row in (await listed(http))["calls"]] == ["PENDING"]


@pytest.mark.parametrize("order", ["newest", "oldest", "random"])
async def test_every_order_gives_each_call_once_over_its_pages(
    order: Any, sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(list_order=order)
    for ordinal in range(25):
        await place(http, fictional(ordinal))
        clock.advance(1)
    rows = [row for page in (1, 2, 3) for row in (await listed(http, page=page, perPage=10))["calls"]]
    created = [row["createdAt"] for row in rows]
    assert len({row["id"] for row in rows}) == 25
    expected = {"newest": sorted(created, reverse=True), "oldest": sorted(created)}.get(order)
    if expected is None:
        assert created not in (sorted(created), sorted(created, reverse=True))
    else:
        assert created == expected


@pytest.mark.parametrize(
    ("style", "written"),
    [
        ("e164", "+12125550101"),
        ("without_plus", "12125550101"),
        ("double_zero", "0012125550101"),
        ("national", "(212) 555-0101"),
        ("international", "+1 212-555-0101"),
    ],
)
async def test_numbers_can_be_written_otherwise(
    style: Any, written: str, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    sandbox.change(list_numbers=style)
    made = await place(http)
    assert (await listed(http))["calls"][0]["callParams"]["userNumber"] == written
    talk = (await http.get(f"/v1/voice-agents/conversation/{made['id']}")).json()["data"]
    assert talk["callParams"]["userNumber"] == written


async def test_mixed_writing_is_mixed_and_names_the_same_numbers(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.change(list_numbers="mixed")
    for ordinal in range(40):
        sandbox.plant_call(fictional(ordinal * 90))
    sandbox.plant_call("+442079460123")
    written = {row["callParams"]["userNumber"] for row in (await listed(http))["calls"]}
    assert len({number[0] for number in written}) >= 4
    for number in written - {"020 7946 0123"}:
        digits = "".join(digit for digit in number if digit.isdigit())
        assert phonenumbers.is_possible_number(phonenumbers.parse("+1" + digits[-10:], None)), number


async def test_a_call_from_the_dashboard_is_listed_like_any_other_but_counts_as_no_ring_of_ours(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    body = {
        "toNumber": ANN,
        "voiceAgentId": "agent-collections",
        "createdAt": "2026-11-03T14:00:00Z",
        "endsAs": "no_answer",
    }
    planted = await http.post("/_sandbox/calls", json=body)
    assert planted.status_code == 201
    clock.advance(60)
    row = (await listed(http))["calls"][0]
    assert (row["id"], row["status"], row["createdAt"]) == (
        planted.json()["job_id"],
        "NO_ANSWER",
        "2026-11-03T14:00:00.000Z",
    )
    assert sandbox.rings(ANN) == 0
    assert sandbox.stats()["dashboard_calls"] == 1
    assert sandbox.calls(ANN)[0]["source"] == "dashboard"


@pytest.mark.parametrize(
    "body",
    [
        {"toNumber": "Ann", "voiceAgentId": "a"},
        {"toNumber": ANN, "voiceAgentId": "a", "createdAt": "yesterday"},
        {"toNumber": ANN, "voiceAgentId": "a", "createdAt": "2026-11-03T14:00:00"},
        {"toNumber": ANN, "voiceAgentId": "a", "endsAs": "ringing"},
    ],
)
async def test_a_call_that_cannot_be_planted_is_refused_in_a_sentence(
    body: dict[str, Any], http: httpx.AsyncClient
) -> None:
    response = await http.post("/_sandbox/calls", json=body)
    assert response.status_code == 400
    assert response.json()["message"].endswith(".")


def expected_page(sandbox: Sandbox, wanted: Wanted, now: float) -> tuple[int, list[str]]:
    """What a page must hold, found the slow way: by looking at every call."""
    matching = []
    for ordinal, shown in enumerate(sandbox.calls()):
        call = sandbox.world.call(shown["job_id"])
        if call is None or not wanted.from_ms <= call.created_ms <= wanted.to_ms:
            continue
        if wanted.agent_id not in (None, call.agent_id):
            continue
        if wanted.statuses and call.life.status_at(now) not in wanted.statuses:
            continue
        matching.append(((call.id,) if wanted.order == "random" else (call.created_ms, ordinal), call.id))
    matching.sort(reverse=wanted.order == "newest")
    start = (wanted.page - 1) * wanted.per_page
    return len(matching), [call_id for _, call_id in matching[start : start + wanted.per_page]]


@given(
    births=st.lists(st.tuples(st.integers(-400, 60), st.sampled_from(["a", "b", None])), max_size=30),
    looks=st.lists(
        st.tuples(
            st.integers(0, 200),
            st.sampled_from(["a", "b", "c", None]),
            st.frozensets(st.sampled_from(STATUSES), max_size=4),
            st.sampled_from(["newest", "oldest", "random"]),
            st.integers(1, 3),
            st.integers(1, 12),
            st.none() | st.integers(-300, 300),
        ),
        max_size=5,
    ),
)
def test_a_page_is_what_one_would_find_by_looking_at_every_call(
    births: list[tuple[int, str | None]],
    looks: list[tuple[int, str | None, Collection[str], str, int, int, int | None]],
) -> None:
    clock = ManualClock()
    sandbox = Sandbox(clock=clock, scenario=Scenario(never_ends=0.1))
    began = clock.now().timestamp()
    for ordinal, (born, agent_id) in enumerate(births):
        sandbox.plant_call(fictional(ordinal), voice_agent_id=agent_id, created=began + born)
    for passed, agent_id, statuses, order, page, per_page, since in looks:
        clock.advance(passed)
        wanted = Wanted(
            agent_id=agent_id,
            statuses=frozenset(statuses),
            order=order,
            page=page,
            per_page=per_page,
            from_ms=float("-inf") if since is None else int((began + since) * 1000),
        )
        found = sandbox.world.page(wanted)
        now = clock.now().timestamp()
        assert (found.filtered, [call.id for call in found.calls]) == expected_page(sandbox, wanted, now)


def test_a_page_of_a_hundred_thousand_calls_costs_milliseconds() -> None:
    calls = CallList()
    for ordinal in range(100_000):
        made = ordinal / 50
        phases = (Phase.QUEUED, Phase.TALKING, Phase.COMPLETED if ordinal % 3 else Phase.NO_ANSWER)
        calls.add(
            Call(
                id=str(ordinal),
                ordinal=ordinal,
                ring=1,
                number=ANN,
                machine_number=BEN,
                agent_id="a",
                agent_name="A",
                params={},
                created=made,
                life=Life(phases, (made, made + 1, made + 90), 89, made + 90),
                outcome=None,
                cost=0,
                source="hamsa",
            )
        )
    now = 2010.0

    def seconds(wanted: Wanted) -> float:
        began = time.perf_counter()
        calls.page(wanted, now)
        return time.perf_counter() - began

    recent = Wanted(agent_id="a", per_page=200, from_ms=1_900_000)
    in_progress = Wanted(agent_id="a", per_page=200, statuses=frozenset({"IN_PROGRESS"}), order="oldest")
    for wanted in (
        recent,
        in_progress,
        Wanted(agent_id="a", per_page=200),
        Wanted(agent_id="a", per_page=200, statuses=frozenset(FINAL_STATUSES)),
    ):
        seconds(wanted)  # files once what is over
        assert min(seconds(wanted) for _ in range(5)) < 0.05, wanted
    assert calls.page(recent, now).filtered == 5000
    assert calls.page(in_progress, now).filtered == 80 * 50 - 1
    assert calls.page(in_progress, now).total == 100_000


def test_calls_end_in_every_way_that_hamsa_knows() -> None:
    clock = ManualClock()
    sandbox = Sandbox(clock=clock)
    for ordinal in range(400):
        sandbox.plant_call(fictional(ordinal))
    clock.advance(86_400)
    assert {call["status"] for call in sandbox.calls()} == FINAL_STATUSES
    assert {str(Phase(status.lower())) for status in FINAL_STATUSES} <= set(Phase)
