"""What can go wrong does so as the table says, and the truth tells whether the phone rang."""

import httpx
import pytest

from sandbox import ManualClock, Sandbox, preset
from sandbox.scenario.faults import FAULTS, Manner
from sandbox.scenario.scenario import PLACING_CHANCES, Scenario, read_scenario
from tests.sandbox.asking import ANN, BEN, LIST, PLACE, fictional, job, order, place


@pytest.mark.parametrize("kind", FAULTS)
async def test_every_fault_rings_exactly_if_the_table_says_so(
    kind: str, sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    fault = FAULTS[kind]
    sandbox.change(slow_seconds=60)
    sandbox.fail_next(kind)
    http.timeout = httpx.Timeout(30)
    raised: type[Exception] | None = None
    response = None
    try:
        response = await clock.drive(http.post(PLACE, json=order()))
    except httpx.TransportError as error:
        raised = type(error)
    assert sandbox.rings(ANN) == int(fault.places)
    expected = {
        Manner.CLOSE: httpx.ReadError,
        Manner.NO_CONNECTION: httpx.ConnectError,
        Manner.SLOW: httpx.ReadTimeout,
    }.get(fault.manner)
    assert raised is expected
    if response is not None:
        assert response.status_code == fault.status
        assert (response.headers.get("retry-after") == "1") == fault.hints
    if fault.manner is Manner.ERROR and response is not None:
        assert response.json() == {"message": fault.message, "messageKey": fault.message_key}
    if fault.manner is Manner.HTML and response is not None:
        assert response.headers["content-type"].startswith("text/html")
    if fault.manner is Manner.GARBAGE and response is not None:
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            response.json()
    if fault.manner is Manner.NO_ID and response is not None:
        assert response.json()["data"] == {}
    assert sandbox.stats()["faults"] == {kind: 1}
    if fault.places:
        assert sandbox.calls()[0]["fault"] == kind


async def test_a_scripted_fault_strikes_once(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.fail_next("error_before", "ok", "rate_limited")
    statuses = [(await http.post(PLACE, json=order())).status_code for _ in range(4)]
    assert statuses == [500, 200, 429, 200]


async def test_a_fault_for_one_number_leaves_the_others_alone(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.fail_next("error_after", number=BEN)
    assert (await http.post(PLACE, json=order(ANN))).status_code == 200
    assert (await http.post(PLACE, json=order(BEN))).status_code == 500
    assert (await http.post(PLACE, json=order(BEN))).status_code == 200


async def test_a_request_that_cannot_be_understood_uses_up_no_scripted_fault(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    sandbox.fail_next("error_before")
    assert (await http.post(PLACE, json=order(toNumber="nobody"))).status_code == 400
    assert (await http.post(PLACE, json=order())).status_code == 500


def test_an_unknown_fault_is_refused_by_name(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="there is no fault named 'earthquake'"):
        sandbox.fail_next("earthquake")


async def test_a_late_ring_comes_though_the_client_has_gone(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(slow_seconds=60)
    sandbox.fail_next("late_ring")
    http.timeout = httpx.Timeout(10)
    began = clock.now()
    with pytest.raises(httpx.ReadTimeout):
        await clock.drive(http.post(PLACE, json=order()))
    assert (clock.now() - began).total_seconds() == 10
    assert (await http.get(LIST)).json()["data"]["calls"] == []
    clock.advance(50)
    assert len((await http.get(LIST)).json()["data"]["calls"]) == 1


async def test_lines_that_are_full_refuse_until_one_is_free(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(lines=2, retry_after_seconds=4)
    for number in (ANN, BEN):
        await place(http, number)
    refused = await http.post(PLACE, json=order("+12125550103"))
    assert (refused.status_code, refused.json()["messageKey"]) == (429, "ConcurrencyLimitReached")
    assert refused.headers["retry-after"] == "4"
    assert sandbox.rings("+12125550103") == 0
    clock.advance(3600)
    await place(http, "+12125550103")
    assert sandbox.stats()["most_lines_at_once"] == 2


async def test_an_answer_without_retry_after_can_be_had(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.change(retry_after_seconds=None)
    sandbox.fail_next("rate_limited")
    assert "retry-after" not in (await http.post(PLACE, json=order())).headers


async def test_a_call_that_never_ends_keeps_its_line(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(never_ends=1.0)
    made = await place(http)
    clock.advance(30 * 86_400)
    assert (await job(http, made["id"]))["status"] == "IN_PROGRESS"
    assert sandbox.stats()["lines_in_use"] == 1
    assert sandbox.calls()[0]["never_ends"]


async def test_only_answered_calls_never_end(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock, scenario=Scenario(never_ends=0.5))
    for ordinal in range(200):
        sandbox.plant_call(fictional(ordinal))
    clock.advance(86_400)
    calls = sandbox.calls()
    assert 40 < sum(call["never_ends"] for call in calls) < 110
    assert all(call["answered_at"] for call in calls if call["never_ends"])


@pytest.mark.parametrize("kind", PLACING_CHANCES)
async def test_a_chance_strikes_about_as_often_as_it_says(kind: str, clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock, scenario=read_scenario({kind: 0.25}))
    met = [sandbox.world.meet_fault(fictional(ordinal)) for ordinal in range(1000)]
    assert 190 < sum(fault is not None for fault in met) < 310
    assert {fault[0] for fault in met if fault} == {kind}


def test_which_requests_a_chance_strikes_does_not_depend_on_the_order_of_numbers() -> None:
    numbers = [fictional(ordinal) for ordinal in range(100)]

    def struck(order_of_calls: list[str]) -> dict[str, list[str | None]]:
        world = Sandbox(clock=ManualClock(), scenario=preset("hostile")).world
        met: dict[str, list[str | None]] = {number: [] for number in numbers}
        for number in order_of_calls:
            fault = world.meet_fault(number)
            met[number].append(fault[0] if fault else None)
        return met

    assert struck(numbers * 3) == struck(sorted(numbers * 3, key=lambda number: number[::-1]))


async def test_reads_fail_as_the_scenario_has_it(sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient) -> None:
    sandbox.fail_next("html_502", "rate_limited", "unauthorized", "unreadable", "lost_answer", "ok", reads=True)
    assert (await http.get(LIST)).status_code == 502
    assert (await http.get(LIST)).headers["retry-after"] == "1"
    assert (await http.get(LIST)).json()["messageKey"] == "KeyRotated"
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        (await http.get(LIST)).json()
    with pytest.raises(httpx.ReadError):
        await http.get(LIST)
    assert (await http.get(LIST)).status_code == 200
    sandbox.fail_next("slow", reads=True)
    with pytest.raises(httpx.ReadTimeout):
        await clock.drive(http.get(LIST))
    sandbox.change(reads_fail=1.0)
    assert (await http.get(LIST)).status_code == 502
    await place(http)
