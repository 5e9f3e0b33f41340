"""What goes into every call besides the recipient: the agent, its own params, and the claim's key."""

from campaign.agent import CallingAgent

PHONE = "+442079460000"


def test_an_agent_of_hamsas_gets_the_rows_params_and_the_key_beside_its_id() -> None:
    path, body = (
        CallingAgent(voice_agent_id="a").request(PHONE, {"name": "Mona", "call_key": "theirs"}, "ours").to_wire()
    )
    assert path == "/v1/voice-agents/call"
    assert body == {"toNumber": PHONE, "voiceAgentId": "a", "params": {"name": "Mona", "call_key": "ours"}}


def test_an_inline_agent_gets_them_within_its_details_beside_its_own() -> None:
    details = {"greetingMessage": "Hello {{name}} of {{shop}}", "params": {"shop": "ours", "name": "you"}}
    _, body = CallingAgent(agent_details=details).request(PHONE, {"name": "Mona"}, "key").to_wire()
    assert body == {
        "toNumber": PHONE,
        "agentDetails": {**details, "params": {"shop": "ours", "name": "Mona", "call_key": "key"}},
    }
    assert details["params"] == {"shop": "ours", "name": "you"}, "the block's own stay as they are"
