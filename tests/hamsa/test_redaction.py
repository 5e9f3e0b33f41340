"""No secret that Hamsa sends is reachable from any record."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamsa.agents import VoiceAgentRecord
from hamsa.bodies import LEFT_OUT, MAX_DEPTH
from hamsa.models import (
    CallPage,
    CallParams,
    CallSummary,
    HamsaRecord,
    JobRecord,
    Project,
    WebhookEvent,
)
from hamsa.redaction import is_secret_name, without_secrets

SECRET = "PLANTED-s3cr3t"

SECRET_NAMES = [
    *("key", "apiKey", "api_key", "API_KEY", "apikey", "x-api-key", "openaiApiKey", "OpenAIAPIKey", "apiKeyId"),
    *("secret", "authSecret", "clientSecret", "SECRET", "authsecret", "token", "accessToken", "access_token2"),
    *("refreshTokens", "password", "dbPassword", "credential", "awsCredentials", "authorization", "Authorization"),
    *("auth", "webhookAuth", "authKey", "accesstoken", "aPiKeY", "systemModelKey", "private_key", "passphrase"),
]
HARMLESS_NAMES = [
    *("call_key", "callKey", "messageKey", "message_key", "id", "name", "author", "authority", "monkey", "keyword"),
    *("turkey", "amount", "secretary", "agentDetails", "params", "jobResponse", "callParams", "calls", "data"),
    *("outcomeResult", "status", "createdAt", "totalCost", "value", "title"),
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_says_secret_is_recognised_however_it_is_spelled(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_a_name_that_only_looks_like_one_is_kept(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("name", ["pass", "sipPass", "smtp_pass", "sipPin", "pin", "SIP_PIN", "pins"])
def test_a_short_name_of_a_secret_hides_a_text_or_a_number_and_no_yes(name: str) -> None:
    assert without_secrets({name: SECRET, "id": 1}) == {"id": 1}
    assert without_secrets({name: 1234}) == {}
    assert without_secrets({name: True}) == {name: True}


@pytest.mark.parametrize("name", ["pin_code", "pass_rate", "passed", "shipping", "passenger", "compass"])
def test_a_name_that_has_a_short_secret_in_it_is_kept(name: str) -> None:
    assert without_secrets({name: SECRET}) == {name: SECRET}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"postgresql://calls:{SECRET}@db.example.com/calls", "postgresql://calls:•••@db.example.com/calls"),
        (f"see https://:{SECRET}@example.com", "see https://:•••@example.com"),
        (f"Authorization: Bearer {SECRET}-and-more", "Authorization: Bearer •••"),
        (f"basic {SECRET}==", f"basic {SECRET}=="),
        ("token dXNlcjpwYXNzd29yZA==", "token •••"),
        ("use sk_live_0123456789abcdef here", "use ••• here"),
        ("the bearer of this letter", "the bearer of this letter"),
        ("a token of appreciation", "a token of appreciation"),
        ("at https://example.com/a:b@c", "at https://example.com/a:b@c"),
        ("ask-me-anything-anytime", "ask-me-anything-anytime"),
    ],
)
def test_a_secret_within_a_text_is_known_by_its_looks(text: str, kept: str) -> None:
    assert without_secrets(text) == kept
    assert without_secrets({"note": [text]}) == {"note": [kept]}
    assert json.loads(without_secrets(json.dumps({"note": text}))) == {"note": kept}


def _members(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    harmless = st.dictionaries(st.sampled_from(HARMLESS_NAMES), inner, max_size=4)
    # What a secret's name holds can itself be of any shape; each holds the planted text.
    planted = st.sampled_from([SECRET, [SECRET], {"inner": SECRET}, json.dumps({"x": SECRET})])
    secrets = st.dictionaries(st.sampled_from(SECRET_NAMES), planted, max_size=2)
    label = st.sampled_from(["Authorization", "x-api-key", "apiToken"])
    labelled = st.builds(lambda field, name: {field: name, "value": SECRET}, st.sampled_from(["name", "key"]), label)
    objects = st.builds(lambda one, two: {**one, **two}, harmless, secrets)
    return st.one_of(objects, labelled, st.lists(inner, max_size=3), objects.map(json.dumps), inner.map(json.dumps))


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.just("{{name}}, hello"))
TREES = st.recursive(LEAVES, _members, max_leaves=12)


@pytest.mark.parametrize(
    ("model", "needed"),
    [
        (JobRecord, {"id": "j"}),
        (CallSummary, {"id": "c"}),
        (CallPage, {}),
        (CallParams, {}),
        (Project, {"id": "p"}),
        (VoiceAgentRecord, {"id": "v"}),
        (WebhookEvent, {"eventType": "call.ended"}),
    ],
)
@given(tree=st.dictionaries(st.sampled_from([*HARMLESS_NAMES, *SECRET_NAMES]), TREES, max_size=6))
def test_no_planted_secret_is_reachable_from_any_record(
    model: type[HamsaRecord], needed: dict[str, Any], tree: dict[str, Any]
) -> None:
    planted = {name: SECRET if is_secret_name(name) else value for name, value in tree.items()}
    if model is CallPage:
        needed = {"calls": [{**planted, "id": "c"}]}
    record = model.model_validate({**planted, **needed})
    assert SECRET not in repr(record)
    assert SECRET not in record.model_dump_json()
    assert SECRET not in json.dumps(record.model_dump(mode="json"), ensure_ascii=False)
    assert SECRET.encode() not in pickle.dumps(record)


def test_the_documented_secrets_of_a_job_record_are_gone_and_its_neighbours_stay() -> None:
    record = JobRecord.model_validate(
        {
            "id": "j",
            "apiKeyId": SECRET,
            "agentDetails": {
                "llmConfig": {"apiKey": SECRET, "temperature": 0.2},
                "webhookAuth": {"authKey": "Bearer", "authSecret": SECRET},
                "params": {"call_key": "k-1", "name": "Mona"},
                "tools": [
                    {"headers": [{"name": "Authorization", "value": SECRET}, {"name": "Accept", "value": "*/*"}]}
                ],
            },
        }
    )
    assert record.agent_details == {
        "llmConfig": {"temperature": 0.2},
        "params": {"call_key": "k-1", "name": "Mona"},
        "tools": [{"headers": [{"name": "Authorization"}, {"name": "Accept", "value": "*/*"}]}],
    }
    assert record.call_key == "k-1"
    assert SECRET not in repr(record.__dict__) + repr(record.model_extra)


@given(st.text())
def test_text_without_secrets_is_left_exactly_as_it_is(text: str) -> None:
    assert without_secrets(text) == text
    assert without_secrets(json.dumps({"note": text}, indent=3)) == json.dumps({"note": text}, indent=3)


def nested(inner: Any, levels: int) -> Any:
    """`inner`, within so many objects."""
    for _ in range(levels):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize("inner", [{"b": 1}, [1], '"text"'], ids=["object", "list", "text of JSON"])
def test_what_is_nested_one_level_too_deeply_is_left_out(inner: Any) -> None:
    assert without_secrets(nested(inner, MAX_DEPTH - 1)) == nested(inner, MAX_DEPTH - 1)
    assert without_secrets(nested(inner, MAX_DEPTH)) == nested(LEFT_OUT, MAX_DEPTH)


def test_what_was_given_is_not_changed() -> None:
    given_data = {"a": [{"token": SECRET}], "b": '{"token": "x"}'}
    assert without_secrets(given_data) == {"a": [{}], "b": "{}"}
    assert given_data == {"a": [{"token": SECRET}], "b": '{"token": "x"}'}


@pytest.mark.parametrize("name", ["webhookUrl", "webhook_url"])
def test_a_webhooks_address_is_kept_without_its_query_and_a_recordings_with_it(name: str) -> None:
    """Whoever gives a webhook's address a query lets Hamsa in by it; a recording's address is of no use without."""
    record = {
        name: f"https://calls.example.com/hamsa?let-in={SECRET}",
        "agentDetails": {name: f"https://calls.example.com/hamsa?{SECRET}#x"},
        "mediaUrl": "https://media.example.com/a.mp3?X-Amz-Signature=0123",
        "odd": {name: None},
    }
    assert without_secrets(record) == {
        name: "https://calls.example.com/hamsa",
        "agentDetails": {name: "https://calls.example.com/hamsa"},
        "mediaUrl": "https://media.example.com/a.mp3?X-Amz-Signature=0123",
        "odd": {name: None},
    }
