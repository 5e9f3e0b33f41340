"""Requests are strict, responses are tolerant."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from hamsa import CallRequest, VoiceAgentRecord, WebhookAuth
from hamsa.models import (
    FINAL_STATUSES,
    CallPage,
    CallParams,
    CallSummary,
    JobRecord,
    JobStatus,
    Project,
    WebhookEvent,
    is_final,
)

TO = "+12125550123"
FROM = "+12125550199"


def refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        CallRequest(**{"to_number": TO, "voice_agent_id": "agent-1", **fields})
    return str(refused.value)


# ---------------------------------------------------------------------------------------------------------- requests


def test_a_request_with_an_agent_goes_to_the_documented_path_with_the_documented_names() -> None:
    call = CallRequest(
        to_number=TO,
        from_number=FROM,
        voice_agent_id="agent-1",
        params={"name": "Mona", "amount": 120.5},
        webhook_url="https://hooks.example.com/hamsa",
        webhook_auth=WebhookAuth(auth_key="Bearer", auth_secret=SecretStr("hush")),
    )
    assert call.to_wire() == (
        "/v1/voice-agents/call",
        {
            "toNumber": TO,
            "fromNumber": FROM,
            "voiceAgentId": "agent-1",
            "params": {"name": "Mona", "amount": 120.5},
            "webhookUrl": "https://hooks.example.com/hamsa",
            "webhookAuth": {"authKey": "Bearer", "authSecret": "hush"},
        },
    )


def test_an_inline_agent_goes_without_agent_id_and_params() -> None:
    call = CallRequest(to_number=TO, agent_details={"greetingMessage": "Hello", "params": {"call_key": "k"}})
    assert call.to_wire()[1] == {
        "toNumber": TO,
        "agentDetails": {"greetingMessage": "Hello", "params": {"call_key": "k"}},
    }


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [
        ("own", "/v1/voice-agents/phone-number/call", "phoneNumber"),
        ("twilio", "/v1/voice-agents/twilio/call", "twilioPhoneNumber"),
    ],
)
def test_numbers_of_ones_own_have_their_own_paths(source: Any, path: str, name: str) -> None:
    call = CallRequest(to_number=TO, voice_agent_id="agent-1", from_number=FROM, number_source=source)
    assert call.to_wire() == (path, {"toNumber": TO, name: FROM, "voiceAgentId": "agent-1", "params": {}})
    assert "from_number" in refusal(number_source=source)


def test_a_call_by_twilio_may_name_a_webhook() -> None:
    auth = WebhookAuth(auth_key="Bearer", auth_secret=SecretStr("hush"))
    hook: dict[str, Any] = {"webhook_url": "https://hooks.example.com", "webhook_auth": auth}
    call = CallRequest(to_number=TO, voice_agent_id="a", from_number=FROM, number_source="twilio", **hook)
    assert call.to_wire()[1] == {
        "toNumber": TO,
        "twilioPhoneNumber": FROM,
        "voiceAgentId": "a",
        "params": {},
        "webhookUrl": "https://hooks.example.com",
        "webhookAuth": {"authKey": "Bearer", "authSecret": "hush"},
    }


def test_the_apis_own_spelling_is_understood() -> None:
    call = CallRequest.model_validate({"toNumber": TO, "voiceAgentId": "agent-1", "params": {"name": "Mona"}})
    assert call == CallRequest(to_number=TO, voice_agent_id="agent-1", params={"name": "Mona"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"voice_agent_id": None}, "give voice_agent_id or agent_details"),
        ({"agent_details": {}}, "not both"),
        ({"voice_agent_id": None, "agent_details": {}, "params": {"name": "Mona"}}, "agent_details['params']"),
        ({"webhook_auth": WebhookAuth(auth_key="Bearer", auth_secret=SecretStr("s"))}, "needs a webhook_url"),
        ({"number_source": "own", "from_number": FROM, "webhook_url": "https://hooks.example.com"}, "leave it out"),
        *(
            (
                {"number_source": source, "from_number": FROM, "voice_agent_id": None, "agent_details": {}},
                "needs voice_",
            )
            for source in ("own", "twilio")
        ),
        ({"voice_agent_id": ""}, "voice_agent_id"),
        ({"voice_agent_id": 7}, "voice_agent_id"),
        ({"params": [("name", "Mona")]}, "params"),
        ({"number_source": "skype"}, "number_source"),
        ({"to_numbr": TO}, "to_numbr"),
    ],
)
def test_a_contradictory_request_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    assert words in refusal(**fields)


@pytest.mark.parametrize(
    "number",
    ["0501234567", "12125550123", "+1 212 555 0123", "+02125550123", "+1", "+1212555012३", "", " +12125550123"],
)
@pytest.mark.parametrize("field", ["to_number", "from_number"])
def test_a_number_that_is_not_e164_is_refused_without_being_repeated(field: str, number: str) -> None:
    text = refusal(**{field: number})
    assert field in text
    assert "E.164" in text
    assert len(number) < 3 or number not in text


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example.com/x", "http://10.0.0.7/x", "http://127.0.0.1.example.com/", "ftp://example.com"),
        *("hooks.example.com", "https://", "https://[", "https://exa mple.com", "https://example.com:port/"),
    ],
)
def test_a_webhook_that_others_could_overhear_is_refused(url: str) -> None:
    assert "webhook_url" in refusal(webhook_url=url)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "hooks.localhost", "hooks", "hooks.local", "hooks.internal", "127.0.0.1", "[::1]"),
        *(
            "10.0.0.7",
            "172.16.0.1",
            "192.168.1.5:8443",
            "169.254.169.254",
            "100.64.0.1",
            "[fd00::1]",
            "[fe80::1]",
            "10.0.0.7.",
        ),
    ],
)
def test_a_webhook_that_hamsa_cannot_reach_is_refused(host: str) -> None:
    assert "Hamsa sends no events to this machine" in refusal(webhook_url=f"https://{host}/hamsa")


@pytest.mark.parametrize(
    "host", ["localhost.example.com", "8.8.8.8", "172.32.0.1", "[2606:4700::1111]", "local.example"]
)
def test_a_webhook_that_only_looks_private_is_accepted(host: str) -> None:
    assert CallRequest(to_number=TO, voice_agent_id="agent-1", webhook_url=f"https://{host}/hamsa").webhook_url


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/x?y=1", "http://127.0.0.1:8000/x", "http://localhost/x", "http://[::1]:80/x"]
)
def test_a_webhook_over_https_or_on_this_machine_is_accepted(url: str) -> None:
    assert CallRequest(to_number=TO, voice_agent_id="agent-1", webhook_url=url).to_wire()[1]["webhookUrl"] == url


def test_what_is_personal_or_secret_shows_neither_in_a_request_nor_in_its_refusal() -> None:
    call = CallRequest(
        to_number=TO,
        agent_details={"llmConfig": {"apiKey": "hush-1"}},
        webhook_url="https://hooks.example.com",
        webhook_auth=WebhookAuth(auth_key="Bearer", auth_secret=SecretStr("hush-2")),
    )
    shown = repr(call) + str(call)
    assert TO not in shown
    assert "hush" not in shown
    assert "hush" not in refusal(agent_details={"llmConfig": {"apiKey": "hush-1"}})
    assert "hush" not in refusal(webhook_auth={"auth_key": "", "auth_secret": "hush-2"})


# --------------------------------------------------------------------------------------------------------- responses

MODELS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (JobRecord, {"id": "j"}),
    (CallSummary, {"id": "c"}),
    (CallPage, {"calls": []}),
    (CallParams, {}),
    (Project, {"id": "p"}),
    (VoiceAgentRecord, {"id": "v"}),
    (WebhookEvent, {"eventType": "call.ended"}),
]
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just('{"a": 1}'),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(("model", "needed"), MODELS)
@given(data=st.data())
def test_no_field_but_the_id_can_make_a_record_unreadable(
    model: type[BaseModel], needed: dict[str, Any], data: st.DataObject
) -> None:
    from pydantic.alias_generators import to_camel

    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    nonsense = {
        spell(name): data.draw(NONSENSE)
        for name in data.draw(st.lists(st.sampled_from(optional), unique=True) if optional else st.just([]))
        for spell in (to_camel, str)
    }
    record = model.model_validate({**nonsense, **needed, "somethingNew": {"a": [1]}})
    assert (record.model_extra or {})["somethingNew"] == {"a": [1]}
    assert record.model_dump_json()


@pytest.mark.parametrize(("model", "needed"), [(m, n) for m, n in MODELS if n])
def test_a_record_without_its_id_is_no_record(model: type[BaseModel], needed: dict[str, Any]) -> None:
    for missing in ({}, dict.fromkeys(needed, None), dict.fromkeys(needed, "")):
        with pytest.raises(ValidationError):
            model.model_validate(missing)


def test_a_wrongly_shaped_field_costs_that_field_alone() -> None:
    record = JobRecord.model_validate(
        {"id": "j", "totalCost": "a lot", "usageTime": 90, "status": "PENDING", "createdAt": "soon", "title": ["?"]}
    )
    assert (record.total_cost, record.usage_time, record.status) == (None, "90", "PENDING")
    assert (record.created_at, record.title) == (None, None)


def test_the_documented_job_record_is_read() -> None:
    record = JobRecord.model_validate(
        {
            "id": "j-1",
            "title": "Call",
            "model": "m",
            "type": "VOICE_AGENTS",
            "totalCost": 0.12,
            "usageTime": "00:01:30",
            "mediaUrl": "https://media.example.com/j-1.mp3",
            "jobResponse": {"data": {"outcomeResult": {"paid": "yes", "dates": '["2026-01-02"]'}}},
            "status": "COMPLETED",
            "agentDetails": {"preamble": "You call {{name}}.", "params": {"name": "Mona", "call_key": "k-1"}},
            "voiceAgentId": "agent-1",
            "callParams": {"machineNumber": FROM, "userNumber": TO},
            "createdAt": "2026-01-02T03:04:05.678Z",
            "updatedAt": "2026-01-02T05:04:05+02:00",
        }
    )
    assert record.created_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert record.updated_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (record.id, record.title, record.model, record.type) == ("j-1", "Call", "m", "VOICE_AGENTS")
    assert (record.status, record.voice_agent_id) == ("COMPLETED", "agent-1")
    assert (record.total_cost, record.usage_time) == (0.12, "00:01:30")
    assert record.media_url == "https://media.example.com/j-1.mp3"
    assert record.params == {"name": "Mona", "call_key": "k-1"}
    assert record.call_key == "k-1"
    assert record.outcome_result == {"paid": "yes", "dates": ["2026-01-02"]}
    assert record.call_params is not None
    assert record.call_params.user_number == TO
    assert record == JobRecord.model_validate(record.model_dump())


TEXTS: tuple[str, ...] = (
    "title",
    "model",
    "type",
    "processingType",
    "webhookUrl",
    "usageTime",
    "fromLng",
    "toLng",
    "mediaUrl",
)
TEXTS += ("fromScript", "toScript", "status", "relevantJobId", "billingId", "voiceAgentId")


def test_every_documented_field_of_a_job_record_is_kept_but_those_of_keys() -> None:
    sent: dict[str, Any] = {name: f"a {name}" for name in TEXTS}
    sent |= {"id": "j-1", "totalCost": 0.12, "jobResponse": {"a": 1}, "agentDetails": {"preamble": "Hello"}}
    sent |= {"createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:05:05Z"}
    keys = {"apiKeyId": "k-1", "systemModelKey": "k-2"}
    assert len(sent | keys) == 23, "as many as are documented"
    assert JobRecord.model_validate(sent | keys).as_json() == sent


def test_the_documented_row_of_the_list_is_read() -> None:
    row = {
        "id": "j-1",
        "createdAt": "2026-01-02T03:04:05.678Z",
        "status": "NO_ANSWER",
        "voiceAgentId": "agent-1",
        "agentName": "Salma",
        "duration": 12.5,
        "channelType": "Telephone",
        "callParams": {"machineNumber": FROM, "userNumber": TO},
    }
    page = CallPage.model_validate({"total": 3, "filtered": 2, "calls": [row, {**row, "channelType": "TELEPHONE"}]})
    assert (page.total, page.filtered, len(page.calls)) == (3, 2, 2)
    call = page.calls[0]
    assert (call.id, call.status, call.voice_agent_id, call.agent_name) == ("j-1", "NO_ANSWER", "agent-1", "Salma")
    assert (call.created_at, call.duration) == (datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), 12.5)
    assert call.call_params == CallParams(machine_number=FROM, user_number=TO)


def test_the_documented_event_is_read() -> None:
    event = WebhookEvent.model_validate(
        {
            "eventType": "call.answered",
            "callId": "j-1",
            "timestamp": "2026-01-02T03:04:05.678Z",
            "projectId": "p-1",
            "agentId": "agent-1",
            "agentName": "Salma",
            "data": {"ringing": 7},
        }
    )
    assert (event.event_type, event.call_id, event.project_id) == ("call.answered", "j-1", "p-1")
    assert (event.agent_id, event.agent_name, event.data) == ("agent-1", "Salma", {"ringing": 7})
    assert event.timestamp == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def test_the_short_answer_of_ones_own_numbers_is_a_job_record() -> None:
    assert JobRecord.model_validate({"voiceAgentId": "agent-1", "jobId": "j-1"}).id == "j-1"


@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ({}, {}),
        ({"params": {"a": 1}}, {"a": 1}),
        ({"params": '{"a": 1}'}, {"a": 1}),
        ({"agentDetails": '{"params": {"a": 1}}'}, {"a": 1}),
        ({"agentDetails": {"params": None}, "params": {"a": 1}}, {"a": 1}),
        ({"agentDetails": {"params": "none"}}, {}),
    ],
)
def test_params_are_found_wherever_hamsa_echoes_them(fields: dict[str, Any], params: dict[str, Any]) -> None:
    assert JobRecord.model_validate({"id": "j", **fields}).params == params


@pytest.mark.parametrize(
    ("sent", "kept"),
    [('{"a": 1}', {"a": 1}), ("[1]", {"value": [1]}), ("spoke", {"value": "spoke"}), (None, None), ({}, {})],
)
def test_a_job_response_that_is_no_object_is_kept_all_the_same(sent: object, kept: object) -> None:
    assert JobRecord.model_validate({"id": "j", "jobResponse": sent}).job_response == kept


def test_times_without_a_zone_are_taken_as_utc() -> None:
    summary = CallSummary.model_validate({"id": "c", "createdAt": "2026-01-02T03:04:05"})
    assert summary.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    moment = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=3)))
    assert CallSummary(id="c", created_at=moment).created_at == datetime(2026, 1, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("COMPLETED", "COMPLETED"), ("no-answer", "NO_ANSWER"), ("in progress", "IN_PROGRESS"), ("Dreaming", "Dreaming")],
)
def test_a_known_status_is_spelled_as_documented_and_an_unknown_one_kept(sent: str, kept: str) -> None:
    assert JobRecord.model_validate({"id": "j", "status": sent}).status == kept


def test_five_statuses_are_final_and_an_unknown_one_is_not() -> None:
    over = {"COMPLETED", "NO_ANSWER", "FAILED", "FORWARDED", "TERMINATED"}
    assert over == FINAL_STATUSES
    assert set(JobStatus) == over | {"PENDING", "IN_PROGRESS"}
    assert {status for status in JobStatus if is_final(status)} == over
    assert not is_final("Dreaming")
    assert not is_final(None)


def test_a_row_without_an_id_does_not_take_the_other_rows_with_it() -> None:
    page = CallPage.model_validate(
        {"total": 9, "filtered": 4, "calls": [{"id": "a", "duration": "?"}, {"id": None}, "junk", None, {"jobId": "b"}]}
    )
    assert [call.id for call in page.calls] == ["a", "b"]
    assert (page.total, page.filtered) == (9, 4)


def test_an_agents_placeholders_are_found_in_greeting_and_preamble() -> None:
    agent = VoiceAgentRecord.model_validate(
        {"id": "v", "greetingMessage": "Hello {{name}}, {{ name }}!", "preamble": "Owes {{amount_due}}. {{}} {{ اسم }}"}
    )
    assert agent.placeholders() == {"name", "amount_due", "اسم"}
    assert VoiceAgentRecord(id="v").placeholders() == frozenset()


@pytest.mark.parametrize(
    "data",
    [
        {"data": {"outcomeResult": {"call_key": "k-1", "dates": '["2026-01-02"]', "paid": None}}},
        {"data": '{"outcomeResult": {"call_key": "k-1", "dates": ["2026-01-02"], "paid": null}}'},
        '{"data": {"outcomeResult": "{\\"call_key\\": \\"k-1\\", \\"dates\\": [\\"2026-01-02\\"], \\"paid\\": null}"}}',
    ],
)
def test_an_events_outcome_and_call_key_are_read_through_json_strings(data: object) -> None:
    event = WebhookEvent.model_validate({"eventType": "call.ended", "callId": "j-1", "data": data})
    assert event.outcome_result == {"call_key": "k-1", "dates": ["2026-01-02"], "paid": None}
    assert event.call_key == "k-1"


@pytest.mark.parametrize("data", [None, {}, {"data": None}, {"data": {"outcomeResult": None}}, "text", []])
def test_an_event_without_an_outcome_has_an_empty_one(data: object) -> None:
    event = WebhookEvent.model_validate({"eventType": "call.started", "callId": None, "timestamp": None, "data": data})
    assert event.outcome_result == {}
    assert event.call_key is None


@pytest.mark.parametrize("model", [CallRequest, WebhookAuth, *(model for model, _ in MODELS)])
def test_every_field_is_described_in_a_sentence(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert (field.description or "").endswith("."), name


def test_what_we_do_not_know_of_a_record_stays_out_of_its_text() -> None:
    record = JobRecord.model_validate({"id": "j", "userPhone": TO, "agentDetails": {"preamble": "private"}})
    assert repr(record).startswith("JobRecord(id='j', status=None")
    assert TO not in repr(record)
    assert "private" not in str(record)
