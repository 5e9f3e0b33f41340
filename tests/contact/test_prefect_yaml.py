"""What prefect.yaml says fits the flows and blocks that there are."""

import copy
import importlib.metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types
from prefect.blocks.core import Block
from prefect.flows import load_flow_from_entrypoint
from prefect.server.events.actions import RunDeployment
from prefect.utilities.callables import parameter_schema
from prefect.utilities.dispatch import lookup_type
from prefect.utilities.schema_tools import validate
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate

import blocks
from tests.servers.program import PROJECT

FILE: dict[str, Any] = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS: dict[str, dict[str, Any]] = {each["name"]: each for each in FILE["deployments"]}
EVENT = {
    "payload": {
        "invoice": 2041,
        "customer_id": "c-17",
        "phone": "+12125550123",
        "params": {"name": "Mona", "amount": 120.5},
    }
}
ASKED_FOR: dict[str, dict[str, Any]] = {
    "on-demand": {"phone": "+12125550123", "recipient_id": "c-17"},
    "hold": {"campaign": "overdue-2026-11-03", "note": "wrong amounts"},
    "resume": {"campaign": "overdue-2026-11-03"},
    "lift": {"customer": "c-17", "lifted_by": "Mona", "reason": "she asked to be called"},
    "import": {"people": {"path": "asked-by-mail.csv"}},
    "explain": {"customer": "c-17"},
    "erase": {"customer": "c-17", "erased_by": "Mona", "reason": "she asked for it"},
}
"""What a person fills into the form."""
NAMES = {
    "weekday-mornings",
    "redial-afternoons",
    "on-demand",
    "on-invoice-overdue",
    "every-5-minutes",
    "hold",
    "resume",
    "lift",
    "import",
    "explain",
    "erase",
}


def test_there_is_a_deployment_for_every_way_to_call() -> None:
    assert set(DEPLOYMENTS) == NAMES
    assert blocks.__all__


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_every_entrypoint_loads_and_takes_its_parameters(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    flow: Any = load_flow_from_entrypoint(str(PROJECT / deployment["entrypoint"]))
    schema = parameter_schema(flow).model_dump()
    given = dict(deployment["parameters"])
    for trigger in deployment.get("triggers", []):
        given |= _rendered(trigger["parameters"], EVENT)
    assert set(given) <= set(schema["properties"])
    given |= ASKED_FOR.get(name, {})
    validate(given, schema, raise_on_error=True)


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_what_a_deployment_says_of_itself_is_complete(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    assert deployment["version"] == importlib.metadata.version("hamsa-calls")
    assert deployment["tags"]
    assert deployment["work_pool"] == {"name": "hamsa-calls"}
    for reference in _references(deployment["parameters"]):
        assert reference in deployment["description"] or "same blocks" in deployment["description"]


def test_no_deployment_holds_a_secret_and_every_block_that_it_names_can_be_made() -> None:
    for deployment in DEPLOYMENTS.values():
        for reference in _references(deployment["parameters"]):
            kind, _, name = reference.partition("/")
            assert lookup_type(Block, kind).get_block_type_slug() == kind
            assert name in ("default", "collections")


def test_no_deployment_overlaps_itself_and_the_redial_is_the_mornings_campaign() -> None:
    morning, redial = DEPLOYMENTS["weekday-mornings"], DEPLOYMENTS["redial-afternoons"]
    # Each limit is its deployment's own: the ledger, not the limit, is what keeps the two from calling somebody twice.
    for deployment in (morning, redial):
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    # Both leave the campaign to its default, which is made of the flow's name and the day.
    assert morning["parameters"] == redial["parameters"]
    assert morning["entrypoint"] == redial["entrypoint"]
    assert "campaign" not in morning["parameters"]
    assert morning["schedules"][0]["timezone"] == redial["schedules"][0]["timezone"]


def test_the_docs_name_every_deployment() -> None:
    shown = (Path(PROJECT) / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert name in shown


def test_an_event_gives_whole_objects_and_what_it_lacks_is_empty() -> None:
    (trigger,) = DEPLOYMENTS["on-invoice-overdue"]["triggers"]
    assert _rendered(trigger["parameters"], EVENT) == {
        "phone": "+12125550123",
        "recipient_id": "c-17",
        "campaign": "invoice-overdue-2041",
        "params": {"name": "Mona", "amount": 120.5},
        "region": "",
        "timezone": "",
    }


def _rendered(parameters: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Parameters of an automation, as its action makes them from an event."""
    action = RunDeployment(deployment_id=uuid4(), parameters=parameters)
    parameters = copy.deepcopy(action.parameters or {})
    action._upgrade_v1_templates(parameters)  # noqa: SLF001 - or the test would have to repeat what it does
    context = HydrationContext(render_jinja=True, jinja_context={"event": event}, raise_on_error=True)
    return dict(hydrate(parameters, context))


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            return [value["$ref"]["block_document_slug"]]
        return [found for each in value.values() for found in _references(each)]
    return []
