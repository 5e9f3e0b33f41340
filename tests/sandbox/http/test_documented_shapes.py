"""Whatever the sandbox shows has the fields that Hamsa's pages name, under those names and of those types."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from sandbox import ManualClock, Sandbox
from sandbox.calls import HAMSA_NUMBERS
from sandbox.scenario.agents import AgentSpec
from tests.sandbox.asking import ANN, fictional, job, order, place

V1 = """
    id agentName greetingMessage preamble pokeMessages outcome outcomeResponseShape params webhookUrl webhookAuth
    maxCallDuration llmConfig createdAt updatedAt
"""
V2 = """
    id type name conversation voice llm callSettings tools knowledgeBaseItemsIds phoneNumber webhookUrl webhookAuth
    workflow outcomeResponseShape createdAt updatedAt account
"""
INSIDE_V2 = {
    "conversation": "greetingMessage greetingMessageType preamble pokeMessages params alignment",
    "voice": "lang",
    "llm": "provider model temperature baseUrl apiKey",
    "callSettings": "maxCallDuration interrupt",
    "phoneNumber": "type id",
    "webhookAuth": "authKey authSecret",
    "account": "plan",
}
CONVERSATION = """
    id status type jobResponse mediaUrl callParams callDuration channelType callAnalysis logs performanceMetrics
"""


def names(text: str) -> set[str]:
    return set(text.split())


async def data_of(http: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    response = await http.get(path, params=query)
    assert response.status_code == 200
    assert response.json()["success"] is True
    data: dict[str, Any] = response.json()["data"]
    return data


async def test_an_agent_of_version_1_is_flat(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.change(agents={"a": {"name": "A", "max_call_duration": 120, "updated_at": "2026-11-02T10:00:00.000Z"}})
    agent = await data_of(http, "/v1/voice-agents/a")
    assert set(agent) >= names(V1)
    assert (agent["agentName"], agent["maxCallDuration"]) == ("A", 120)
    assert agent["updatedAt"] == "2026-11-02T10:00:00.000Z"
    assert "promised_to_pay" in agent["outcomeResponseShape"]["properties"]
    assert agent["llmConfig"]["apiKey"]


async def test_an_agent_of_version_2_is_nested(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    hook = "https://theirs.example.com/hook"
    sandbox.change(agents={"a": {"name": "A", "max_call_duration": 120, "webhook_url": hook}})
    agent = await data_of(http, "/v2/voice-agents/a")
    assert set(agent) == names(V2)
    assert {name: set(agent[name]) for name in INSIDE_V2} == {name: names(text) for name, text in INSIDE_V2.items()}
    assert (agent["name"], agent["type"], agent["workflow"]) == ("A", "Single Prompt", {})
    assert (agent["callSettings"]["maxCallDuration"], agent["webhookUrl"]) == (120, hook)


async def test_a_flow_agent_has_nodes_edges_and_variables(http: httpx.AsyncClient) -> None:
    agent = await data_of(http, "/v2/voice-agents/agent-flow")
    flow = agent["workflow"]
    assert agent["type"] != "Single Prompt"
    assert set(flow) == {"nodes", "edges", "customVariables"}
    start, _, transfer = flow["nodes"]
    assert set(start) == {"id", "type", "label", "message", "messageType", "transitions"}
    assert "transferMessage" in transfer
    assert [(edge["source"], edge["target"]) for edge in flow["edges"]] == [("start", "ask")]
    assert set(flow["customVariables"][0]) >= {"id", "default"}


@pytest.mark.parametrize(("seconds", "possible"), [(29, False), (30, True), (600, True), (601, False)])
def test_no_agent_lets_a_call_last_for_less_than_half_a_minute_or_more_than_ten(seconds: int, possible: bool) -> None:
    try:
        AgentSpec(name="A", max_call_duration=seconds)
    except ValidationError:
        assert not possible
    else:
        assert possible


async def test_agents_are_listed_in_the_shape_in_which_one_is_shown(http: httpx.AsyncClient) -> None:
    listed = await data_of(http, "/v2/voice-agents")
    assert set(listed) == {"total", "filtered", "voiceAgents"}
    assert all(set(agent) == names(V2) for agent in listed["voiceAgents"])


async def test_a_job_record_has_the_agents_prompts_and_what_it_is_to_extract(
    clock: ManualClock, http: httpx.AsyncClient
) -> None:
    made = await place(http)
    details = made["agentDetails"]
    documented = "preamble greetingMessage params outcome outcomeResponseShape llmConfig webhookAuth"
    assert set(details) >= names(documented)
    clock.advance(3600)
    ended = await job(http, made["id"])
    assert isinstance(ended["totalCost"], float)
    assert isinstance(ended["usageTime"], str)
    assert isinstance(ended["jobResponse"], dict)
    shown = (await http.get("/v1/jobs", params={"jobId": made["id"]})).json()
    assert set(shown) == {"message", "previewUrl", "data"}
    assert shown["previewUrl"].startswith("https://")


async def test_job_records_may_know_three_statuses_where_the_list_knows_seven(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    sandbox.change(job_statuses="three")
    nobody = "+12125550190"
    made = [await place(http), await place(http, nobody)]
    clock.advance(20)
    assert [(await job(http, each["id"]))["status"] for each in made] == ["PENDING", "PENDING"]
    clock.advance(3600)
    assert [(await job(http, each["id"]))["status"] for each in made] == ["COMPLETED", "FAILED"]
    assert [call["status"] for call in sandbox.calls()] == ["COMPLETED", "NO_ANSWER"]


async def test_a_conversation_is_shown_by_the_id_of_its_job(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient
) -> None:
    made = await place(http)
    clock.advance(3600)
    # As Hamsa's own client asks.
    talk = await data_of(http, f"/v1/voice-agents/conversation/{made['id']}", jobId=made["id"])
    assert set(talk) == names(CONVERSATION)
    assert (talk["id"], talk["status"], talk["type"]) == (made["id"], "COMPLETED", "VOICE_AGENTS")
    assert (talk["channelType"], talk["callParams"]["userNumber"]) == ("TELEPHONE", ANN)
    assert talk["callDuration"] == round(sandbox.calls()[0]["talk_seconds"], 1)
    assert talk["mediaUrl"].endswith(".mp3")
    assert talk["logs"]
    assert all(set(entry) == {"id", "timestamp", "payload"} for entry in talk["logs"])


async def test_what_is_not_in_progress_cannot_be_hung_up(clock: ManualClock, http: httpx.AsyncClient) -> None:
    made = await place(http)
    path = f"/v1/voice-agents/conversation/{made['id']}/terminate"
    assert (await http.get(path, headers={"Authorization": "Token pk_1"})).status_code == 401
    clock.advance(3600)
    for gone in (path, "/v1/voice-agents/conversation/nobodys/terminate"):
        assert (await http.get(gone)).status_code == 400
    assert (await job(http, made["id"]))["status"] == "COMPLETED"


async def test_the_same_request_made_twice_rings_twice(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    first, second = await place(http), await place(http)
    assert first["id"] != second["id"]
    assert sandbox.rings(ANN) == 2


async def test_hamsa_calls_from_one_of_its_two_caller_ids(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    assert HAMSA_NUMBERS == ("+18449292835", "+18558961879")
    for ordinal, number in enumerate((*HAMSA_NUMBERS, None)):
        await place(http, fictional(ordinal), fromNumber=number)
    assert [call["machine_number"] for call in sandbox.calls()] == [*HAMSA_NUMBERS, HAMSA_NUMBERS[0]]


async def test_a_call_by_twilio_may_bring_an_agents_details_beside_its_id(
    sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    body = {
        "toNumber": ANN,
        "twilioPhoneNumber": "+12125550177",
        "voiceAgentId": "agent-plain",
        "params": {"name": "Mona"},
        "agentDetails": {"greetingMessage": "Hello"},
        "webhookUrl": "https://hooks.example.com/hamsa",
        "webhookAuth": {"authKey": "Bearer", "authSecret": "s3cret"},
    }
    made = (await http.post("/v1/voice-agents/twilio/call", json=body)).json()["data"]
    assert (made["voiceAgentId"], made["agentDetails"]["greetingMessage"]) == ("agent-plain", "Hello")
    (call,) = sandbox.calls()
    assert (call["voice_agent_id"], call["params"]) == ("agent-plain", {"name": "Mona"})
    refused = await http.post("/v1/voice-agents/twilio/call", json={**body, "agentDetails": "Amal"})
    assert (refused.status_code, refused.json()["params"]["field"]) == (400, "agentDetails")
    for both in (order(agentDetails={}), order(voiceAgentId=None, params=None)):
        assert (await http.post("/v1/voice-agents/call", json=both)).status_code == 400


async def test_an_error_has_a_message_a_key_and_params(http: httpx.AsyncClient) -> None:
    said = (await http.post("/v1/voice-agents/call", json=order(toNumber="nobody"))).json()
    assert set(said) == {"message", "messageKey", "params"}


@pytest.mark.parametrize(
    ("fault", "status", "key"),
    [
        ("rate_limited", 429, "ApiKeyRateLimited"),
        ("unauthorized", 401, "KeyRotated"),
        ("forbidden", 403, "KeyNotForAgent"),
    ],
)
async def test_errors_that_were_seen_have_the_keys_that_were_seen(
    fault: str, status: int, key: str, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    sandbox.fail_next(fault)
    refused = await http.post("/v1/voice-agents/call", json=order())
    assert (refused.status_code, refused.json()["messageKey"]) == (status, key)
    assert ("retry-after" in refused.headers) is (status == 429)
    assert refused.headers.get("retry-after", "0").isdecimal()


async def test_an_agent_that_is_not_deployed_has_the_key_that_was_seen(http: httpx.AsyncClient) -> None:
    refused = await http.post("/v1/voice-agents/call", json=order(voiceAgentId="not-deployed"))
    assert (refused.status_code, refused.json()["messageKey"]) == (409, "EnvironmentNotDeployed")
