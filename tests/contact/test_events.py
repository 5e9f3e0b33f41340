"""Events that call people: with whatever JSON type in a field, one ring an invoice or a run that says what is wrong."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prefect.events import emit_event

from flows.call_customer import call_customer
from runtime.run_states.wrong_parameters import WrongParameter
from tests.contact.place import POOL, Place
from tests.servers.program import PROJECT, Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.timeout(600)]

CASE = PROJECT.parent / "shared" / "data" / "cases" / "event-with-numbers.json"
EVENT: dict[str, Any] = {
    "event": "invoice.overdue",
    "resource": {"prefect.resource.id": "invoice.2041"},
    "payload": {
        "invoice": 2041,
        "customer_id": 17,
        "phone": "+12125550123",
        "params": {"name": "Mona", "amount": 120.5},
    },
}
MISSING = object()


def emit(place: Place, payload: Mapping[str, Any], name: str = "invoice.overdue") -> dict[str, Any]:
    """Emit an event, and wait for the run that it starts. One after the other: see test_automations."""
    before = {run["id"] for run in place.runs_of(place.BY_EVENT)}
    emit_event(name, resource=EVENT["resource"], payload=dict(payload))
    return place.new_runs(place.BY_EVENT, since=before)[0]


def changed(**fields: Any) -> dict[str, Any]:
    """The event's payload with some of its fields otherwise."""
    payload = {**EVENT["payload"], **fields}
    return {name: value for name, value in payload.items() if value is not MISSING}


def rows(ledger: Path) -> set[tuple[str, str, str]]:
    with sqlite3.connect(ledger) as connection:
        found = set(connection.execute("select campaign, recipient_id, phone from call_attempts").fetchall())
    connection.close()
    return found


@pytest.fixture
def nobody_works(place: Place) -> Iterator[None]:
    """The pool is paused: runs are made, and none is begun."""
    place.ask("PATCH", f"/work_pools/{POOL}", {"is_paused": True})
    yield
    for run in place.runs_of(place.BY_EVENT):
        if run["state_type"] in {"SCHEDULED", "PENDING"}:
            place.set_state(run["id"], "CANCELLED")
    place.ask("PATCH", f"/work_pools/{POOL}", {"is_paused": False})


@pytest.mark.skipif(not CASE.exists(), reason="the case lies beside the repository, and is not there")
def test_the_event_that_is_tried_here_is_the_one_that_once_made_no_run() -> None:
    assert json.loads(CASE.read_text(encoding="utf-8")) == EVENT


async def test_one_invoice_rings_once_whether_its_numbers_come_as_numbers_or_as_text(
    place: Place, worker: Program, event_trigger: str
) -> None:
    ledger = place.folder / "numbers.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}")
    place.sandbox.reset()
    payloads = [
        EVENT["payload"],
        changed(invoice="2041", customer_id="17"),
        changed(invoice=2041.0, customer_id=17.0),
    ]
    for payload in payloads:
        run = emit(place, payload)
        assert run["parameters"]["campaign"] == "invoice-overdue-2041"
        state = place.wait(run["id"])
        assert state["type"] == "COMPLETED", state["message"]
        assert state["message"].startswith("17 (+1•••••0123)")
    assert place.rings() == {"+12125550123": 1}
    assert rows(ledger) == {("invoice-overdue-2041", "17", "+12125550123")}


async def test_a_number_with_its_region_and_params_of_every_kind_arrive_as_they_were_sent(
    place: Place, worker: Program, event_trigger: str
) -> None:
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'params.db'}")
    place.sandbox.reset()
    params = {
        "name": """Mona "Mo" O'Neil <b>&amp;</b> {{ event.id }} {% x %}""",
        "amount": 120.5,
        "count": 3,
        "urgent": True,
        "items": [{"sku": "a-1", "prices": [1, 2.5]}, {"sku": "b\n2"}],
    }
    run = emit(place, changed(invoice="Q-7", phone=2125550124, region="US", timezone=None, params=params))
    state = place.wait(run["id"])
    assert state["type"] == "COMPLETED", state["message"]
    assert place.rings() == {"+12125550124": 1}
    (call,) = place.sandbox.calls()
    sent = {name: value for name, value in call["params"].items() if name in params}
    assert sent == params


async def test_an_event_that_lacks_the_customer_is_a_failed_run_with_a_sentence_and_rings_nobody(
    place: Place, worker: Program, event_trigger: str
) -> None:
    await place.save_blocks()
    place.sandbox.reset()
    run = emit(place, changed(customer_id=None, invoice=True))
    state = place.wait(run["id"])
    assert state["type"] == "FAILED"
    assert state["message"].endswith(
        'The parameter `recipient_id` is empty. The parameter `campaign` holds {"invoice": true}, which is neither a '
        "text nor a number. Nobody was called."
    )
    assert place.rings() == {}
    logs = place.ask("POST", "/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    assert not [each for each in logs if "+12125550123" in each["message"] or "Traceback" in each["message"]]
    assert "+12125550123" not in worker.log_text(), "Prefect logs all parameters of a run that it refuses"


TAKEN: list[tuple[str, Any, str]] = [
    ("customer_id", "0017", "0017"),
    ("customer_id", "C 'x' \"17\"", "C 'x' \"17\""),
    ("customer_id", 0, "0"),
    ("customer_id", -17.0, "-17"),
    ("customer_id", 17.5, "17.5"),
    ("customer_id", 2**60, str(2**60)),
    ("phone", 12125550123, "12125550123"),
    ("region", None, ""),
    ("region", MISSING, ""),
    ("timezone", MISSING, ""),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("customer_id", MISSING, "The parameter `recipient_id` is empty."),
    ("customer_id", "  ", "The parameter `recipient_id` is empty."),
    ("customer_id", True, "The parameter `recipient_id` holds true, which is neither a text nor a number."),
    ("customer_id", [17], "The parameter `recipient_id` holds [17], which is neither a text nor a number."),
    ("customer_id", {"id": 17}, 'The parameter `recipient_id` holds {"id": 17}, which is neither a text nor a number.'),
    ("customer_id", 1e22, "The parameter `recipient_id` holds a number of so many digits that some may be lost"),
    ("phone", MISSING, "The parameter `phone` is empty."),
    ("phone", None, "The parameter `phone` is empty."),
    ("phone", 1.2125550123e10, "The parameter `phone` holds a number with a fraction or an exponent"),
    ("phone", False, "The parameter `phone` holds false, which is neither a text nor a number."),
    ("phone", ["+12125550123"], 'The parameter `phone` holds ["+•••••••••••"], which is neither a text nor a number.'),
    ("invoice", MISSING, 'The parameter `campaign` holds {"invoice": null}'),
    ("invoice", None, 'The parameter `campaign` holds {"invoice": null}'),
    ("invoice", " ", 'The parameter `campaign` holds {"invoice": " "}'),
    ("invoice", [2041], 'The parameter `campaign` holds {"invoice": [2041]}'),
    ("params", "Mona", "The parameter `params`: input should be a valid dictionary."),
    ("params", [1], "The parameter `params`: input should be a valid dictionary."),
]
OF_FIELD = {"customer_id": "recipient_id", "invoice": "campaign"}


async def test_each_json_type_in_each_field_makes_a_run_that_takes_it_as_text_or_names_what_is_wrong(
    place: Place, nobody_works: None, event_trigger: str
) -> None:
    """What the server makes of an event is judged as the flow judges it, without a process for each."""
    await place.save_blocks()
    for field, value, expected in TAKEN:
        run = emit(place, changed(**{field: value}))
        taken = call_customer.validate_parameters(run["parameters"])
        assert taken[OF_FIELD.get(field, field)] == expected, (field, value)
    for field, value, sentence in REFUSED:
        run = emit(place, changed(**{field: value}))
        with pytest.raises(WrongParameter) as refused:
            call_customer.validate_parameters(run["parameters"])
        assert sentence in str(refused.value), (field, value)
