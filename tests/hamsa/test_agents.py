"""A voice agent is understood whichever version of the API it came from, and whatever shape its parts have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamsa import VoiceAgentRecord

SINGLE_PROMPT: dict[str, Any] = {
    "id": "agent-1",
    "type": "Single Prompt",
    "name": "Collections",
    "conversation": {
        "greetingMessage": "Hello {{name}}, this is {{agent_name}}.",
        "greetingMessageType": "STATIC",
        "preamble": "Today is {{current_weekday}}. {% if language == 'ar' %}Speak Arabic.{% endif %} You owe "
        "{{amount | default('an amount')}}. {{#if due_date}}Due {{due_date}}.{{/if}} {{language}}",
        "pokeMessages": ["Are you there, {{nickname}}?"],
        "params": {"language": "en"},
    },
    "callSettings": {"maxCallDuration": 300},
    "llm": {"provider": "OpenAI", "apiKey": "sk-made-up"},
    "webhookAuth": {"authKey": "Bearer", "authSecret": "made-up-too"},
    "webhookUrl": "https://hooks.example.com/hamsa?token=made-up-as-well",
    "workflow": {},
    "outcomeResponseShape": {"type": "object", "properties": {"promised": {"type": "boolean"}, "wantsNoMore": {}}},
    "updatedAt": "2026-11-01T02:00:00+02:00",
}


def read(**changes: Any) -> VoiceAgentRecord:
    return VoiceAgentRecord.model_validate({"id": "agent-1", **changes})


def test_an_agent_of_version_2_is_understood() -> None:
    agent = VoiceAgentRecord.model_validate(SINGLE_PROMPT)
    assert (agent.name, agent.type) == ("Collections", "Single Prompt")
    assert agent.placeholders() == {"name", "nickname"}
    assert agent.default_params == {"language"}
    assert agent.outcome_fields == frozenset({"promised", "wantsNoMore"})
    assert agent.webhook_host == "hooks.example.com"
    assert agent.updated_at is not None
    assert agent.updated_at.isoformat() == "2026-11-01T00:00:00+00:00"
    assert agent.unreadable_texts == ()
    kept = agent.model_dump_json()
    assert "sk-made-up" not in kept
    assert "made-up-too" not in kept
    assert "hooks" not in repr(agent)


def test_an_agent_of_version_1_is_understood() -> None:
    agent = read(
        agentName="Salma",
        greetingMessage="Hello {{name}}, this is {{agent_name}}.",
        preamble="Owes {{amount}} {{currency}}.",
        pokeMessages='["{{nickname}}?"]',
        params={"currency": "USD"},
        outcomeResponseShape='{"type": "object", "properties": {"promised": {}}}',
    )
    assert agent.name == "Salma"
    assert agent.placeholders() == {"name", "amount", "nickname"}
    assert agent.outcome_fields == frozenset({"promised"})


def test_a_flow_agent_needs_what_its_nodes_say_and_none_of_them_extracts() -> None:
    agent = read(
        workflow={
            "nodes": [
                {
                    "id": "1",
                    "type": "conversation",
                    "label": "Hi",
                    "message": "Hello {{name}} of {{branch}} on {{current_date}}.",
                },
                {"id": "2", "type": "extract", "variables": [{"id": "v1", "name": "new_day", "type": "string"}]},
                {"id": "3", "type": "conversation", "extractedVariables": {"reason": "why they call"}},
                {"id": "4", "type": "api", "config": {"output_variable": "slot", "url": "https://x.example/{{order}}"}},
                {"id": "5", "type": "transfer", "transferMessage": "{{name}}, {{new_day}}, {{reason}}, {{slot}}"},
                {"id": "6", "transitions": [{"condition": "{{ tier }} is gold", "target": "1"}]},
                {"id": "7", "message": "{{no_default}} {{blank}}"},
                {"id": "8", "type": "listen", "store_as": "mood", "message": "{{mood}}"},
            ],
            "edges": [{"id": "e", "label": "{{edge}}"}],
            "customVariables": [
                {"id": "branch", "default": "the clinic"},
                {"id": "no_default", "default": None},
                {"id": "blank", "default": " \u200b"},
            ],
        }
    )
    assert agent.placeholders() == {"name", "order", "tier", "edge", "no_default", "blank", "mood"}
    assert agent.extracted_names >= {"new_day", "reason", "slot"}


@pytest.mark.parametrize(
    "node",
    [
        {"type": "extract", "variables": [{"name": "mood"}]},
        {"type": "EXTRACT_VARIABLE", "variableName": "mood"},
        {"type": "extract", "config": {"variables": [{"id": "1", "name": "mood", "type": "string"}]}},
        {"type": "extraction", "data": {"settings": {"fields": [{"name": "mood"}]}}},
        {"type": "extract", "config": '{"variables": {"mood": "how they feel"}}'},
        {"type": "conversation", "extractVariables": ["mood"]},
        {"type": "api", "config": {"output": "mood"}},
    ],
    ids=range(7),
)
def test_what_a_node_extracts_is_found_however_deep_in_the_node_it_is_named(node: dict[str, Any]) -> None:
    says = {"id": "2", "type": "conversation", "message": "{{mood}} {{name}}"}
    assert read(workflow={"nodes": [{"id": "1", **node}, says]}).placeholders() == {"name"}


def test_what_another_node_has_fields_of_is_not_taken_for_extracted() -> None:
    form = {"id": "1", "type": "form", "config": {"fields": [{"name": "mood"}], "variables": [{"name": "mood"}]}}
    after = {"id": "2", "type": "conversation", "message": "{{mood}}"}
    assert read(workflow={"nodes": [form, after]}).placeholders() == {"mood"}


@pytest.mark.parametrize(
    ("params", "missing"),
    [
        ({"name": "you"}, False),
        ({"name": 0}, False),
        ({"name": False}, False),
        ({"name": {"default": "you"}}, False),
        ({"name": {"first": "Mona"}}, False),
        ([{"name": "name", "value": "you"}], False),
        ('{"name": "you"}', False),
        ({"name": ""}, True),
        ({"name": None}, True),
        ({"name": {"default": ""}}, True),
        ({"Name": "you"}, True),
        ([], True),
        ("you", True),
        (7, True),
    ],
    ids=repr,
)
def test_what_has_a_default_is_not_demanded_and_an_empty_default_is_none(params: object, missing: bool) -> None:
    for agent in (
        read(greetingMessage="{{name}}", params=params),
        read(conversation={"greetingMessage": "{{name}}", "params": params}),
        read(greetingMessage="{{name}}", workflow={"customVariables": params}),
    ):
        assert agent.placeholders() == ({"name"} if missing else set())


def test_placeholders_are_looked_for_in_texts_and_not_in_the_values_of_defaults() -> None:
    said = {"greetingMessage": "Hello {{name}} of {{shop}}", "params": {"shop": "{{brand}}"}}
    assert read(conversation=said).placeholders() == {"name"}
    flow = {
        "nodes": [{"id": "1", "message": "Hello {{name}} of {{shop}}"}],
        "customVariables": [{"id": "shop", "default": "{{brand}}", "description": "such as {{brand}}"}],
    }
    assert read(workflow=flow).placeholders() == {"name"}


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ({"type": "object", "properties": {"a": {}, "b": {}}}, "a b"),
        ({"schema": {"type": "object", "properties": {"a": {}}}}, "a"),
        ({"a": "boolean", "b": "string"}, "a b"),
        ([{"name": "a", "type": "string"}, "b"], "a b"),
        ('{"properties": {"a": {}}}', "a"),
        ({"type": "object", "properties": {}}, None),
        ({"type": "object"}, None),
        ({}, None),
        (None, None),
        ("", None),
        (7, None),
    ],
    ids=repr,
)
def test_what_it_extracts_is_known_or_known_to_be_unknown(shape: object, fields: str | None) -> None:
    assert read(outcomeResponseShape=shape).outcome_fields == (frozenset(fields.split()) if fields else None)


def test_a_text_that_cannot_be_parsed_demands_nothing_and_says_where() -> None:
    agent = read(conversation={"greetingMessage": "Hello {{first name}} {{x}}", "preamble": "{{name}}"})
    assert agent.placeholders() == {"name"}
    [problem] = agent.unreadable_texts
    assert problem.startswith("conversation.greetingMessage (line 1: expected token")


_FIELDS = st.sampled_from(
    [
        "id",
        "name",
        "default",
        "value",
        "type",
        "nodes",
        "edges",
        "customVariables",
        "params",
        "message",
        "variables",
        "extractedVariables",
        "output",
        "properties",
        "schema",
        "greetingMessage",
        "pokeMessages",
        "transitions",
    ]
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["{{name}}", "{% if x", '["a"]']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_FIELDS, inner, max_size=5),
    max_leaves=20,
)
_PARTS = st.sampled_from(
    [
        "conversation",
        "workflow",
        "params",
        "pokeMessages",
        "outcomeResponseShape",
        "greetingMessage",
        "preamble",
        "webhookUrl",
        "updatedAt",
        "agentName",
        "type",
    ]
)


@given(st.dictionaries(_PARTS, _JSON))
def test_no_shape_of_its_parts_breaks_an_agent(parts: dict[str, Any]) -> None:
    agent = read(**parts)
    assert agent.placeholders().isdisjoint({"agent_name"})
    assert isinstance(agent.unreadable_texts, tuple)
    assert agent.outcome_fields is None or agent.outcome_fields
    assert agent.webhook_host is None or isinstance(agent.webhook_host, str)
