"""Events that call people: with whatever JSON type in a field, one ring an invoice or a run that says what is wrong."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prefect.events import emit_event

from flows.call_customer import call_customer
from runtime.run_states.wrong_parameters import WrongParameter
from tests.contact.place import POOL, Place
from tests.servers.program import PROJECT, Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

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
    with closing(sqlite3.connect(ledger)) as connection, connection:
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
    params = {
        "name": """Mona "Mo" O'Neil <b>&amp;</b> {{ event.id }} {% x %}""",
        "amount": 120.5,
        "count": 3,
        "urgent": True,
        "items": [{"sku": "a-1", "prices": [1, 2.5]}, {"sku": "b\n2"}],
    }
    payloads = [
        changed(phone=2125550123, region="US", timezone=None, params=params),
        changed(invoice="2041", customer_id="17"),
    ]
    for payload in payloads:
        run = emit(place, payload)
        assert run["parameters"]["campaign"] == "invoice-overdue-2041"
        state = place.wait(run["id"])
        assert state["type"] == "COMPLETED", state["message"]
        assert state["message"].startswith("17 (+1•••••0123)")
    assert place.rings() == {"+12125550123": 1}
    assert rows(ledger) == {("invoice-overdue-2041", "17", "+12125550123")}
    (call,) = place.sandbox.calls()
    sent = {name: value for name, value in call["params"].items() if name in params}
    assert sent == params, "params of every kind arrive as they were sent"


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


# Each event carries something to be judged in several fields, as it takes the server a second or two to act on it.
TAKEN: list[tuple[dict[str, Any], dict[str, str]]] = [
    (
        {"customer_id": "0017", "phone": 12125550123, "region": None},
        {"recipient_id": "0017", "phone": "12125550123", "region": ""},
    ),
    (
        {"customer_id": "C 'x' \"17\"", "region": MISSING, "timezone": MISSING, "invoice": 2041.0},
        {"recipient_id": "C 'x' \"17\"", "region": "", "timezone": "", "campaign": "invoice-overdue-2041"},
    ),
    ({"customer_id": 0}, {"recipient_id": "0"}),
    ({"customer_id": -17.0}, {"recipient_id": "-17"}),
    ({"customer_id": 17.5}, {"recipient_id": "17.5"}),
    ({"customer_id": 2**60}, {"recipient_id": str(2**60)}),
]
NEITHER = "which is neither a text nor a number."
REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"customer_id": MISSING, "phone": MISSING, "invoice": MISSING},
        [
            "The parameter `recipient_id` is empty.",
            "The parameter `phone` is empty.",
            'The parameter `campaign` holds {"invoice": null}',
        ],
    ),
    (
        {"customer_id": "  ", "phone": None, "invoice": None},
        [
            "The parameter `recipient_id` is empty.",
            "The parameter `phone` is empty.",
            'The parameter `campaign` holds {"invoice": null}',
        ],
    ),
    (
        {"customer_id": True, "phone": False, "invoice": " "},
        [
            f"The parameter `recipient_id` holds true, {NEITHER}",
            f"The parameter `phone` holds false, {NEITHER}",
            'The parameter `campaign` holds {"invoice": " "}',
        ],
    ),
    (
        {"customer_id": [17], "phone": ["+12125550123"], "invoice": [2041]},
        [
            f"The parameter `recipient_id` holds [17], {NEITHER}",
            f'The parameter `phone` holds ["+•••••••••••"], {NEITHER}',
            'The parameter `campaign` holds {"invoice": [2041]}',
        ],
    ),
    (
        {"customer_id": {"id": 17}, "phone": 1.2125550123e10},
        [
            f'The parameter `recipient_id` holds {{"id": 17}}, {NEITHER}',
            "The parameter `phone` holds a number with a fraction or an exponent",
        ],
    ),
    ({"customer_id": 1e22}, ["The parameter `recipient_id` holds a number of so many digits that some may be lost"]),
    ({"params": "Mona"}, ["The parameter `params`: input should be a valid dictionary."]),
    ({"params": [1]}, ["The parameter `params`: input should be a valid dictionary."]),
]


async def test_each_json_type_in_each_field_makes_a_run_that_takes_it_as_text_or_names_what_is_wrong(
    place: Place, nobody_works: None, event_trigger: str
) -> None:
    """What the server makes of an event is judged as the flow judges it, without a process for each."""
    await place.save_blocks()
    for fields, expected in TAKEN:
        run = emit(place, changed(**fields))
        taken = call_customer.validate_parameters(run["parameters"])
        assert {name: taken[name] for name in expected} == expected, fields
    for fields, sentences in REFUSED:
        run = emit(place, changed(**fields))
        with pytest.raises(WrongParameter) as refused:
            call_customer.validate_parameters(run["parameters"])
        assert [each for each in sentences if each not in str(refused.value)] == [], fields
