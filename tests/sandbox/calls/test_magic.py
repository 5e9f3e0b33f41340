"""Magic numbers do what the table says, whatever the seed and the scenario."""

import httpx
import pytest

from sandbox import ManualClock, Sandbox, Scenario, preset
from sandbox.calls.magic import MAGIC_NUMBERS, magic_number
from sandbox.scenario.scenario import PRESETS
from tests.sandbox.asking import PLACE, job, order, place
from tests.sandbox_transport import SandboxTransport


@pytest.fixture(params=["plain", "everyone_answers", "instant"])
def sandbox(request: pytest.FixtureRequest, clock: ManualClock) -> Sandbox:
    return Sandbox(seed=11, clock=clock, scenario=preset(request.param))


@pytest.mark.parametrize("area", ["212", "305", "907"])
async def test_each_magic_number_does_its_trick_twice(
    area: str, sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    number = {last: f"+1{area}555{last}" for last in MAGIC_NUMBERS}

    async def status(last: str) -> str:
        made = await place(http, number[last])
        clock.advance(86_400)
        return str((await job(http, made["id"]))["status"])

    for time in (1, 2):
        assert await status("0190") == "NO_ANSWER"
        assert await status("0191") == "FAILED"
        with pytest.raises(httpx.ReadError):
            await http.post(PLACE, json=order(number["0192"]))
        assert sandbox.rings(number["0192"]) == time
        first = await http.post(PLACE, json=order(number["0193"]))
        assert (first.status_code, "retry-after" in first.headers) == ((429, True) if time == 1 else (200, False))
        html = await http.post(PLACE, json=order(number["0194"]))
        assert (html.status_code, html.text[:6]) == (502, "<html>")
        assert (await http.post(PLACE, json=order(number["0195"]))).status_code == 500
        assert sandbox.rings(number["0195"]) == time
        assert await status("0196") == "IN_PROGRESS"
        assert (await http.post(PLACE, json=order(number["0199"]))).status_code == 400
        assert await status("0197") == "COMPLETED"
        assert await status("0198") == "COMPLETED"
    assert await status("0193") == "COMPLETED"
    assert sandbox.rings(number["0194"]) == sandbox.rings(number["0199"]) == 0
    assert all(call["outcome"]["wants_no_more_calls"] for call in sandbox.calls(number["0197"]))
    for call in sandbox.calls(number["0198"]):
        assert call["outcome"]["promised_to_pay"]
        assert call["outcome"]["promised_date"] > call["created_at"][:10]
    assert {call["status"] for call in sandbox.calls(number["0192"])} == {"COMPLETED"}


async def test_magic_can_be_switched_off(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock, scenario=preset("instant", magic_numbers=False))
    async with httpx.AsyncClient(
        transport=SandboxTransport(sandbox), base_url="http://sandbox", headers={"Authorization": "Token any"}
    ) as http:
        for last in MAGIC_NUMBERS:
            made = await place(http, f"+1212555{last}")
            assert (await job(http, made["id"]))["status"] == "COMPLETED"
    assert sandbox.stats()["faults"] == {}


async def test_a_script_goes_before_magic(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock)
    sandbox.fail_next("ok", number="+12125550199")
    assert sandbox.world.meet_fault("+12125550199") is None
    assert sandbox.world.meet_fault("+12125550199") is not None


@pytest.mark.parametrize(
    "number",
    ["+12125550189", "+12125550200", "+12125551190", "+442079460190", "+12126550190", "+9665550190", "+121255501900"],
)
def test_other_numbers_are_ordinary(number: str) -> None:
    assert magic_number(number) is None


def test_every_preset_is_a_scenario() -> None:
    for name in PRESETS:
        assert isinstance(preset(name), Scenario)
