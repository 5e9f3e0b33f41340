"""Placing a call over the API: what goes well, and what is refused as Hamsa would refuse it."""

import contextlib
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamsa import CallRequest, VoiceAgentRecord
from hamsa.models import CallPage, JobRecord, JobStatus, Project
from sandbox import PLANTED_SECRETS, ManualClock, Sandbox
from sandbox.calls.magic import MAGIC_AGENTS
from sandbox.calls.orders import BadOrder, read_order
from tests.sandbox.asking import ANN, LIST, PLACE, job, listed, order, place
from tests.sandbox_transport import SandboxTransport


async def test_a_call_lives_from_pending_to_its_end_on_the_clock(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    made = await place(http)
    assert made["status"] == "PENDING"
    clock.advance(2)
    assert (await job(http, made["id"]))["status"] == "IN_PROGRESS"
    clock.advance(3600)
    ended = await job(http, made["id"])
    assert ended["status"] == "COMPLETED"
    assert set(ended["jobResponse"]["outcomeResult"]) >= {"promised_to_pay", "wants_no_more_calls", "summary"}
    assert ended["totalCost"] > 0
    assert float(ended["usageTime"]) > 0
    assert made["createdAt"] < ended["updatedAt"]


async def test_calls_live_as_many_times_as_fast_as_the_scenario_says(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(speed=60, dwells={"talk": {"mean_seconds": 90}, "pick_up": {"mean_seconds": 8}})
    made = await place(http)
    clock.advance((1 + 8 + 90) / 60 - 0.01)
    assert (await job(http, made["id"]))["status"] == "IN_PROGRESS"
    clock.advance(0.02)
    ended = await job(http, made["id"])
    assert (ended["status"], ended["usageTime"]) == ("COMPLETED", "90.0")


async def test_success_is_false_although_a_call_was_placed_as_documented(http: httpx.AsyncClient) -> None:
    body = (await http.post(PLACE, json=order())).json()
    assert body["success"] is False
    assert body["data"]["id"]


async def test_any_2xx_can_be_the_answer(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.change(created_status=201)
    assert (await http.post(PLACE, json=order())).status_code == 201


async def test_a_job_record_holds_the_documented_fields_and_the_secrets_that_must_be_dropped(
    http: httpx.AsyncClient,
) -> None:
    auth = {"authKey": "Bearer", "authSecret": "s3cret"}
    made = await place(http, webhookUrl="https://example.com/hook", webhookAuth=auth)
    assert set(made) >= {
        "id", "title", "model", "type", "processingType", "webhookUrl", "totalCost", "usageTime", "fromLng", "toLng",
        "mediaUrl", "jobResponse", "fromScript", "toScript", "status", "relevantJobId", "agentDetails", "apiKeyId",
        "billingId", "systemModelKey", "voiceAgentId", "createdAt", "updatedAt",
    }  # fmt: skip
    assert made["agentDetails"]["llmConfig"]["apiKey"] == PLANTED_SECRETS[0]
    assert made["agentDetails"]["webhookAuth"] == auth
    assert (await place(http))["agentDetails"]["webhookAuth"]["authSecret"] == PLANTED_SECRETS[1]


@pytest.mark.parametrize("echoes", [True, False])
async def test_params_are_echoed_only_if_the_scenario_says_so(
    echoes: bool, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    sandbox.change(echo_params=echoes)
    by_id = await place(http, params={"call_key": "k1", "name": "Mona"})
    inline = await place(http, voiceAgentId=None, params=None, agentDetails={"agentName": "A", "params": {"x": 1}})
    assert by_id["agentDetails"].get("params") == ({"call_key": "k1", "name": "Mona"} if echoes else None)
    assert inline["agentDetails"].get("params") == ({"x": 1} if echoes else None)


async def test_the_sister_routes_answer_in_their_own_ways(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    own = {"toNumber": ANN, "phoneNumber": "+12125550177", "voiceAgentId": "agent-plain", "params": {}}
    said = (await http.post("/v1/voice-agents/phone-number/call", json=own)).json()["data"]
    assert said == {"voiceAgentId": "agent-plain", "jobId": sandbox.calls()[0]["job_id"]}
    twilio = {"toNumber": ANN, "twilioPhoneNumber": "+12125550177", "voiceAgentId": "agent-plain"}
    said = (await http.post("/v1/voice-agents/twilio/call", json=twilio)).json()["data"]
    assert said["callParams"] == {"machineNumber": "+12125550177", "userNumber": ANN}
    assert [call["source"] for call in sandbox.calls()] == ["own", "twilio"]


@pytest.mark.parametrize(
    ("route", "changes", "field"),
    [
        ("phone-number", {"params": None}, "params"),
        ("phone-number", {"voiceAgentId": None}, "voiceAgentId"),
        ("phone-number", {"phoneNumber": None}, "phoneNumber"),
        ("phone-number", {"agentDetails": {}}, "agentDetails"),
        ("phone-number", {"webhookUrl": "https://example.com"}, "webhookUrl"),
        ("twilio", {"voiceAgentId": None, "agentDetails": {}}, "voiceAgentId"),
        ("twilio", {"twilioPhoneNumber": None}, "twilioPhoneNumber"),
    ],
    ids=lambda value: value if isinstance(value, str) else ", ".join(value),
)
async def test_the_sister_routes_want_what_is_documented_as_required_and_nothing_else(
    route: str, changes: dict[str, Any], field: str, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    number = "phoneNumber" if route == "phone-number" else "twilioPhoneNumber"
    body = {"toNumber": ANN, number: "+12125550177", "voiceAgentId": "agent-plain", "params": {}} | changes
    response = await http.post(f"/v1/voice-agents/{route}/call", json={k: v for k, v in body.items() if v is not None})
    assert (response.status_code, response.json()["params"]["field"]) == (400, field)
    assert sandbox.rings() == 0


@pytest.mark.parametrize("source", ["hamsa", "own", "twilio"])
async def test_what_the_projects_own_models_send_is_understood_and_what_comes_back_they_understand(
    source: Any, sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    request = CallRequest(
        to_number=ANN, from_number="+12125550177", voice_agent_id="agent-collections", params={"call_key": "k1"},
        number_source=source,
    )  # fmt: skip
    path, body = request.to_wire()
    made = JobRecord.model_validate((await http.post(path, json=body)).json()["data"])
    clock.advance(3600)
    record = JobRecord.model_validate(await job(http, made.id))
    assert (record.status, record.call_key, record.voice_agent_id) == (JobStatus.COMPLETED, "k1", "agent-collections")
    assert record.outcome_result["summary"]
    page = CallPage.model_validate(await listed(http))
    assert page.calls[0].call_params is not None
    assert (page.calls[0].id, page.calls[0].call_params.user_number) == (made.id, ANN)
    said = (await http.get(f"/v1/voice-agents/conversation/{made.id}")).json()["data"]
    assert said["callDuration"]
    assert (said["channelType"], said["type"]) == ("TELEPHONE", "VOICE_AGENTS")
    assert Project.model_validate((await http.get("/v1/projects/by-api-key")).json()["data"]).id


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_agent_says_what_it_needs_and_extracts_in_both_versions(http: httpx.AsyncClient, version: str) -> None:
    said = (await http.get(f"/{version}/voice-agents/agent-collections")).json()["data"]
    agent = VoiceAgentRecord.model_validate(said)
    assert agent.name == "Collections"
    assert agent.placeholders() == {"name"}
    assert agent.outcome_fields is not None
    assert {"promised_to_pay", "wants_no_more_calls"} < agent.outcome_fields
    assert all(planted in str(said) for planted in PLANTED_SECRETS)
    assert not any(planted in agent.model_dump_json() for planted in PLANTED_SECRETS)


async def test_a_flow_agent_is_shown_with_its_nodes_and_variables(http: httpx.AsyncClient) -> None:
    said = (await http.get("/v2/voice-agents/agent-flow")).json()["data"]
    assert VoiceAgentRecord.model_validate(said).placeholders() == {"name", "appointment"}


async def test_all_agents_are_listed_with_what_the_project_has_in_progress_and_has_spent(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    listed = (await http.get("/v2/voice-agents")).json()["data"]
    assert listed["total"] == listed["filtered"] == len(listed["voiceAgents"])
    assert {agent["id"] for agent in listed["voiceAgents"]} == set(sandbox.scenario.agents)
    assert all(VoiceAgentRecord.model_validate(agent).name for agent in listed["voiceAgents"])
    await place(http)
    query = {"voiceAgentId": "agent-collections", "period": "day"}
    overview = (await http.get("/v1/agent-analytics/overview", params=query)).json()["data"]
    assert overview == {"liveSessionsNumber": 1, "totalSessionsNumber": 1}
    spent = (await http.get("/v1/projects/statistics/numbers")).json()["data"]
    assert spent["price"] == {"value": sandbox.stats()["cost"], "unit": "USD"}


async def test_only_the_versions_of_the_scenario_are_served(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    async def statuses() -> list[int]:
        return [(await http.get(f"/{version}/voice-agents/agent-plain")).status_code for version in ("v1", "v2")]

    assert await statuses() == [200, 200]
    sandbox.change(agent_versions="v1")
    assert await statuses() == [200, 404]
    sandbox.change(agent_versions="v2")
    assert await statuses() == [404, 200]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"toNumber": None}, "toNumber"),
        ({"toNumber": "0501234567"}, "toNumber"),
        ({"toNumber": 12125550101}, "toNumber"),
        ({"fromNumber": "my phone"}, "fromNumber"),
        ({"voiceAgentId": None}, "voiceAgentId"),
        ({"voiceAgentId": ""}, "voiceAgentId"),
        ({"voiceAgentId": 5}, "voiceAgentId"),
        ({"agentDetails": {}}, "agentDetails"),
        ({"voiceAgentId": None, "agentDetails": {}}, "params"),
        ({"voiceAgentId": None, "params": None, "agentDetails": "Amal"}, "agentDetails"),
        ({"params": "name=Mona"}, "params"),
        ({"webhookUrl": "http://example.com/hook"}, "webhookUrl"),
        ({"webhookUrl": "ftp://localhost/hook"}, "webhookUrl"),
        ({"webhookUrl": "https://"}, "webhookUrl"),
        ({"webhookUrl": "https://10.0.0.7/hook"}, "webhookUrl"),
        ({"webhookUrl": "https://localhost/hook"}, "webhookUrl"),
        ({"webhookUrl": "https://[oops/hook"}, "webhookUrl"),
        ({"webhookUrl": "https://example.com", "webhookAuth": {"authKey": "Bearer"}}, "webhookAuth"),
        ({"webhookUrl": "https://example.com", "webhookAuth": "Bearer x"}, "webhookAuth"),
        ({"webhookAuth": {"authKey": "Bearer", "authSecret": "x"}}, "webhookAuth"),
        ({"to_number": ANN}, "to_number"),
    ],
)
async def test_a_bad_body_is_refused_by_the_name_of_its_field_and_nobody_is_called(
    changes: dict[str, Any], field: str, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    response = await http.post(PLACE, json=order(**changes))
    said = response.json()
    assert (response.status_code, said["messageKey"], said["params"]["field"]) == (400, "ValidationError", field)
    assert said["message"].startswith(field)
    assert sandbox.rings() == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"call Ann"', b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(body: bytes, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    assert (await http.post(PLACE, content=body)).status_code == 400
    assert sandbox.rings() == 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.dictionaries(
            st.sampled_from(
                ["toNumber", "voiceAgentId", "params", "agentDetails", "webhookUrl", "webhookAuth", "authKey"]
            ),
            x,
        ),
    )
)
def test_no_body_breaks_the_reader(body: object) -> None:
    with contextlib.suppress(BadOrder):
        assert read_order(body, "hamsa").number.startswith("+")


@pytest.mark.parametrize("agent_id", MAGIC_AGENTS)
async def test_some_agents_are_always_refused(agent_id: str, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    for response in (
        await http.post(PLACE, json=order(voiceAgentId=agent_id)),
        await http.get(f"/v1/voice-agents/{agent_id}"),
    ):
        expected = MAGIC_AGENTS[agent_id]
        assert (response.status_code, response.json()["messageKey"]) == (expected.status, expected.message_key)
    assert sandbox.rings() == 0


async def test_unknown_agents_are_refused_where_the_scenario_is_strict(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    await place(http, voiceAgentId="somebody")
    sandbox.change(any_agent=False)
    assert (await http.post(PLACE, json=order(voiceAgentId="somebody"))).status_code == 404
    await place(http, voiceAgentId="agent-plain")
    sandbox.change(agents={"somebody": {"name": "Somebody", "greeting_message": "Hello {{first_name}}"}})
    await place(http, voiceAgentId="somebody")
    said = (await http.get("/v1/voice-agents/somebody")).json()["data"]
    assert VoiceAgentRecord.model_validate(said).placeholders() == {"first_name"}


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("", "Unauthorized"),
        ("Token", "Unauthorized"),
        ("Token ", "Unauthorized"),
        ("Bearer abc", "Unauthorized"),
        ("Token  abc", "Unauthorized"),
        ("Token pk_live_1", "PublicKeyNotAllowed"),
        ("Token ct_1", "CallTokenNotAllowed"),
    ],
)
async def test_without_a_secret_key_nothing_is_done(
    header: str, key: str, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    for response in (
        await http.post(PLACE, json=order(), headers={"Authorization": header}),
        await http.get(LIST, headers={"Authorization": header}),
    ):
        assert (response.status_code, response.json()["messageKey"]) == (401, key)
    assert sandbox.rings() == 0


async def test_only_the_given_key_is_let_in_if_one_was_given(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock, api_key="right")
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox") as http:
        wrong = await http.get(LIST, headers={"Authorization": "Token wrong"})
        right = await http.get(LIST, headers={"Authorization": f"Token {sandbox.api_key}"})
    assert (wrong.status_code, wrong.json()["messageKey"], right.status_code) == (401, "KeyRotated", 200)


async def test_a_key_that_is_rotated_in_mid_campaign_opens_nothing_more(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    await place(http)
    sandbox.change(key_rotated=True)
    assert (await http.post(PLACE, json=order())).status_code == 401
    assert (await http.get(LIST)).status_code == 401
    assert sandbox.rings() == 1


async def test_what_is_not_there_is_not_found_in_hamsas_words(http: httpx.AsyncClient) -> None:
    for path in ("/v1/jobs?jobId=none", "/v1/voice-agents/conversation/none", "/v1/nowhere", "/v1/jobs/"):
        response = await http.get(path)
        assert response.status_code == 404, path
        assert set(response.json()) >= {"message", "messageKey"}
    assert (await http.get("/v1/jobs")).status_code == 400
    assert (await http.delete(PLACE)).status_code == 405


async def test_the_servers_clock_may_be_wrong(sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient) -> None:
    sandbox.change(clock_skew_seconds=-90)
    response = await http.post(PLACE, json=order())
    assert response.json()["data"]["createdAt"] == "2026-11-03T14:58:30.000Z"
    assert response.headers["date"] == "Tue, 03 Nov 2026 14:58:30 GMT"
    shown_ms = int(clock.now().timestamp() * 1000) - 90_000
    assert (await listed(http, startTime=shown_ms, endTime=shown_ms))["filtered"] == 1
    assert (await listed(http, startTime=shown_ms + 1))["filtered"] == 0
    assert sandbox.calls()[0]["created_at"] == "2026-11-03T15:00:00+00:00"


async def test_results_can_come_as_json_strings_and_are_still_understood(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(json_strings=True)
    made = await place(http)
    clock.advance(3600)
    record = await job(http, made["id"])
    assert isinstance(record["jobResponse"], str)
    assert JobRecord.model_validate(record).outcome_result["summary"]
