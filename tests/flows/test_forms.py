"""The forms in which Prefect asks for a flow's parameters: names for people, one input for each value, bounds."""

import inspect
from datetime import date
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import ValidationError, validate
from pydantic import TypeAdapter

from flows.call_customer import call_customer
from flows.call_overdue_customers import call_overdue_customers
from flows.erase_person import erase_person
from flows.explain_customer import explain_customer
from flows.hold_campaign import hold_campaign
from flows.import_opt_outs import import_opt_outs
from flows.lift_opt_out import lift_opt_out
from flows.resume_campaign import resume_campaign
from flows.settle_calls import settle_calls

FLOWS: tuple[Flow[..., Any], ...] = (
    call_customer,
    call_overdue_customers,
    settle_calls,
    hold_campaign,
    resume_campaign,
    lift_opt_out,
    import_opt_outs,
    erase_person,
    explain_customer,
)
REQUIRED: dict[str, dict[str, Any]] = {
    "call-customer": {
        "agent": {"$ref": {"block_document_slug": "hamsa-voice-agent/collections"}},
        "phone": "+12125550123",
        "recipient_id": "c-17",
    },
    "call-overdue-customers": {
        "agent": {"$ref": {"block_document_slug": "hamsa-voice-agent/collections"}},
        "customers": {"path": "overdue.csv"},
    },
    "settle-calls": {"credentials": {"$ref": {"block_document_slug": "hamsa-credentials/default"}}},
    "hold-campaign": {"campaign": "November", "note": "Wrong number in the greeting"},
    "resume-campaign": {"campaign": "November"},
    "lift-opt-out": {"customer": "c-17", "lifted_by": "Huda", "reason": "asked for a call by e-mail"},
    "import-opt-outs": {"people": {"path": "opt-outs.csv"}},
    "erase-person": {"customer": "c-17", "erased_by": "Huda", "reason": "asked by e-mail on 3 November"},
    "explain-customer": {"customer": "c-17"},
}
SOURCES = {"customers", "people", "do_not_call", "still_due"}
"""What is chosen between by tabs: a query, a file, and where it may be left out, none."""

every_flow = pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)


def schema_of(flow: Flow[..., Any]) -> dict[str, Any]:
    return parameter_schema(flow).model_dump()


@every_flow
def test_every_parameter_has_a_title_of_its_own(flow: Flow[..., Any]) -> None:
    schema_of_flow = schema_of(flow)
    for name, schema in schema_of_flow["properties"].items():
        # A form within the form has the title of its own definition.
        titled = schema if "title" in schema else schema_of_flow["definitions"][schema["$ref"].rpartition("/")[2]]
        assert titled["title"].strip(), name
        assert titled["title"] != name


@every_flow
def test_a_parameter_is_one_input_unless_it_is_a_source_of_rows(flow: Flow[..., Any]) -> None:
    properties = schema_of(flow)["properties"]
    assert {name for name, schema in properties.items() if "anyOf" in schema} == SOURCES & set(properties)


@every_flow
def test_a_form_left_untouched_is_taken_whether_it_omits_what_is_empty_or_sends_null(flow: Flow[..., Any]) -> None:
    schema, given = schema_of(flow), REQUIRED[flow.name]
    assert set(schema["required"]) == set(given)
    validate(given, schema, raise_on_error=True)
    empty = {name: each.get("default") for name, each in schema["properties"].items() if name not in given}
    validate({**empty, **given}, schema, raise_on_error=True)
    kinds = get_type_hints(flow.fn, include_extras=True)
    for name, value in empty.items():
        default = inspect.signature(flow.fn).parameters[name].default
        assert TypeAdapter(kinds[name]).validate_python(value) == default


@every_flow
def test_a_saved_block_may_be_chosen_where_none_has_to_be(flow: Flow[..., Any]) -> None:
    schema = schema_of(flow)
    chosen = {
        name: {"$ref": {"block_document_slug": f"{kind}/default"}}
        for name, kind in (("policy", "calling-policy"), ("ledger", "call-ledger"))
        if name in schema["properties"]
    }
    for name in chosen:
        definition = schema["properties"][name]["$ref"].rpartition("/")[2]
        assert "block_type_slug" in schema["definitions"][definition], "or it would not be a picker"
    validate({**REQUIRED[flow.name], **chosen}, schema, raise_on_error=True)


@pytest.mark.parametrize(
    ("flow", "name", "value", "sentence"),
    [
        (call_customer, "phone", "1" * 65, "'phone'.* is too long"),
        (call_customer, "region", "USA", "'region'.*'USA' is too long"),
        (call_customer, "recipient_id", "x" * 256, "'recipient_id'.* is too long"),
        (call_customer, "campaign", "x" * 256, "'campaign'.* is too long"),
        (call_customer, "wait_at_most_hours", -1, "'wait_at_most_hours'.*-1 is less than the minimum of 0"),
        (call_customer, "outcome_fields", ["x"] * 101, "'outcome_fields'.* is too long"),
        (call_overdue_customers, "min_days_overdue", -1, "'min_days_overdue'.*-1 is less than the minimum of 0"),
        (call_overdue_customers, "min_amount", 1e16, "'min_amount'.*greater than the maximum"),
        (hold_campaign, "note", "x" * 2001, "'note'.* is too long"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(
    flow: Flow[..., Any], name: str, value: object, sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        validate({**REQUIRED[flow.name], name: value}, schema_of(flow), raise_on_error=True)


def test_an_amount_and_a_date_are_taken_in_python_as_ever() -> None:
    kinds = get_type_hints(call_overdue_customers.fn, include_extras=True)
    for amount in (Decimal("20.50"), 20.5, "20.50"):
        assert TypeAdapter(kinds["min_amount"]).validate_python(amount) == Decimal("20.50")
    assert TypeAdapter(kinds["as_of"]).validate_python("2026-01-11") == date(2026, 1, 11)
