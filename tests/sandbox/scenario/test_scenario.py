"""Scenarios are checked, can be changed while the sandbox runs, and come from a file or by name."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from sandbox import Sandbox, Scenario, ScenarioProblem, load_scenario, preset
from sandbox.scenario.faults import FAULTS
from sandbox.scenario.scenario import PLACING_CHANCES
from tests.sandbox.asking import PLACE, order

BAD: list[tuple[dict[str, Any], str]] = [
    ({"lost_anser": 0.1}, "lost_anser"),
    ({"lost_answer": 1.5}, "lost_answer"),
    ({"lost_answer": 0.6, "error_after": 0.6}, "more than 1"),
    ({"promises": 0.9, "opt_outs": 0.2}, "more than 1"),
    ({"speed": 0}, "speed"),
    ({"script": ["ok", "earthquake"]}, "earthquake"),
    ({"script_by_number": {"+12125550101": ["earthquake"]}}, "earthquake"),
    ({"script_reads": ["earthquake"]}, "earthquake"),
    ({"list_order": "sideways"}, "list_order"),
    ({"dwells": {"talk": {"mean_seconds": -1}}}, "dwells"),
    ({"transitions": {"ringing": [{"to": "talking", "weight": 1, "dwell": "lunch"}]}}, "lunch"),
    ({"transitions": {"talking": []}}, "not final"),
]


@pytest.mark.parametrize(("fields", "named"), BAD)
async def test_a_field_that_will_not_do_is_named_in_one_sentence_and_changes_nothing(
    fields: dict[str, Any], named: str, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    before = sandbox.scenario
    for method in ("PUT", "PATCH"):
        response = await http.request(method, "/_sandbox/scenario", json=fields)
        assert response.status_code == 400
        assert named in response.json()["message"]
        assert "\n" not in response.json()["message"]
    with pytest.raises(ScenarioProblem, match=named):
        sandbox.change(**fields)
    assert sandbox.scenario is before


async def test_it_can_be_looked_at_changed_in_part_and_replaced(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    path = "/_sandbox/scenario"
    assert (await http.get(path)).json()["lost_answer"] == 0
    changed = (await http.patch(path, json={"lines": 3, "dwells": {"talk": {"mean_seconds": 5}}})).json()
    assert (changed["lines"], changed["dwells"]["talk"]["mean_seconds"]) == (3, 5)
    assert changed["dwells"]["ring_out"]["mean_seconds"] == 30
    assert (await http.patch(path, json={"lines": 4})).json()["dwells"]["talk"]["mean_seconds"] == 5
    replaced = (await http.put(path, json={"error_before": 1})).json()
    assert (replaced["lines"], replaced["error_before"]) == (None, 1)
    assert replaced["dwells"]["talk"]["mean_seconds"] == 90
    assert (await http.post(PLACE, json=order())).status_code == 500
    # What is told can be given back.
    assert (await http.put(path, json=replaced)).json() == replaced


async def test_what_is_left_of_a_script_can_be_seen(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    await http.patch("/_sandbox/scenario", json={"script": ["error_before", "lost_answer"]})
    await http.post(PLACE, json=order())
    assert (await http.get("/_sandbox/scenario")).json()["script"] == ["lost_answer"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
async def test_a_scenario_that_is_no_object_is_refused(body: bytes, http: httpx.AsyncClient) -> None:
    response = await http.put("/_sandbox/scenario", content=body)
    assert response.status_code == 400


def test_a_field_set_in_python_is_checked_too() -> None:
    scenario = Scenario()
    scenario.lost_answer = 0.5
    with pytest.raises(ValidationError):
        scenario.error_after = 0.6
    with pytest.raises(ValidationError):
        scenario.lines = -1


def test_a_file_holds_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "monday.json"
    path.write_text(json.dumps({"lost_answer": 0.1}), encoding="utf-8")
    assert load_scenario(str(path)).lost_answer == 0.1
    assert load_scenario("hostile") == preset("hostile")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "JSON object"),
        ('{"lines": -1}', "lines"),
        ("\xff", "JSON"),
    ],
)
def test_a_file_that_will_not_do_is_named_with_what_is_wrong(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "monday.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ScenarioProblem, match=said) as raised:
        load_scenario(str(path))
    assert str(path) in str(raised.value)


def test_an_unknown_preset_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ScenarioProblem, match="hostile"):
        preset("sunday")


def test_every_fault_is_a_chance_or_a_switch_or_for_scripts() -> None:
    for kind in PLACING_CHANCES:
        assert kind in FAULTS
        assert kind in Scenario.model_fields
    lies = {"says_no", "says_no_after", "nobodys_id", "nobodys_id_after", "redirect", "redirect_after"}
    lies |= {"refused_after", "rate_limited_after"}
    assert set(FAULTS) - set(PLACING_CHANCES) == {"unauthorized", "forbidden", "no_connection"} | lies


def test_every_field_is_described() -> None:
    for name, field in Scenario.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
