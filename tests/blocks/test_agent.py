"""A voice agent that cannot make a call is refused when it is made; one that can calls each person once."""

import logging
import pickle
from typing import Any

import pytest
from prefect import flow, get_run_logger

from blocks import CallLedger, HamsaCredentials, VoiceAgent
from blocks.checked import BlockError
from campaign.dialing.one_recipient import NotCalled
from campaign.dialing.single_call import NoEndYet
from campaign.reporting.call_result import CallResult
from hamsa import Refused
from tests.blocks.conftest import API_KEY, World
from tests.servers.prefect import PrefectServer

LONDON = "+442079460123"
NEVER_ANSWERS, NEVER_ENDS, LOSES_THE_ANSWER = "+12125550190", "+12125550196", "+12125550192"
"""Magic numbers of the sandbox."""

KEY = HamsaCredentials(api_key=API_KEY)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "a call needs an agent: give voice_agent_id or agent_details"),
        (
            {"voice_agent_id": "a1", "agent_details": {"agentName": "Amal"}},
            "give `voice_agent_id` or",
        ),
        (
            {"voice_agent_id": "a1", "from_number": "212 555 0123"},
            "`from_number`: a phone number must be in E.164",
        ),
        ({"voice_agent_id": "a1", "from_number": "1" * 65}, "`from_number`: String should have at most 64 characters"),
        (
            {"voice_agent_id": "a1", "webhook_url": f"https://example.com/{'x' * 2048}"},
            "`webhook_url`: String should have at most 2048 characters",
        ),
        (
            {"voice_agent_id": "a1", "webhook_auth_key": "x" * 256},
            "`webhook_auth_key`: String should have at most 255 characters",
        ),
        ({"voice_agent_id": "a1", "number_source": "twilio"}, "number_source 'twilio' needs from_number"),
        (
            {
                "voice_agent_id": "a1",
                "number_source": "own",
                "from_number": "+12125550123",
                "webhook_url": "https://example.com/x",
            },
            "Hamsa takes no webhook_url for number_source 'own': leave it out. Events of such calls go to the webhook",
        ),
        ({"voice_agent_id": "a1", "number_source": "fax"}, "`number_source` should be 'hamsa', 'own' or 'twilio'"),
        ({"voice_agent_id": "a1", "webhook_url": "http://example.com/x"}, "`webhook_url` must begin with https://"),
        ({"voice_agent_id": "a1", "webhook_auth_secret": "hush"}, "`webhook_auth_secret` needs a `webhook_url`"),
        ({"agent_details": {"agentName": "Amal", "params": "none"}}, "`agent_details.params` must be an object"),
        ({"voice_agent_id": "a1", "voice_agent": "a2"}, "there is no field `voice_agent`; perhaps `voice_agent_id` is"),
    ],
)
def test_an_agent_that_could_make_no_call_is_refused_in_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BlockError) as raised:
        VoiceAgent(credentials=KEY, **fields)
    assert str(raised.value).startswith(f"Hamsa Voice Agent: {sentence}")
    assert "\n" not in str(raised.value)


def test_credentials_are_asked_for_by_name() -> None:
    with pytest.raises(BlockError, match=r"^Hamsa Voice Agent: `credentials` is missing\.$"):
        VoiceAgent(voice_agent_id="a1")  # type: ignore[call-arg]  # the mistake under test


def test_what_a_form_leaves_empty_means_nothing() -> None:
    agent = VoiceAgent(credentials=KEY, voice_agent_id=" a1\n", agent_details={}, from_number="", webhook_url=None)
    assert agent == VoiceAgent(credentials=KEY, voice_agent_id="a1")


def test_the_campaign_gets_all_of_the_agent() -> None:
    calling = VoiceAgent(
        credentials=KEY,
        voice_agent_id="a1",
        from_number="+18449292835",
        number_source="twilio",
        webhook_url="https://example.com/hook",
        webhook_auth_key="Basic",
        webhook_auth_secret="hush",
    ).calling_agent()
    path, body = calling.request(LONDON, {"name": "Mona"}, "k1").to_wire()
    assert path == "/v1/voice-agents/twilio/call"
    assert body == {
        "toNumber": LONDON,
        "twilioPhoneNumber": "+18449292835",
        "voiceAgentId": "a1",
        "params": {"name": "Mona", "call_key": "k1"},
        "webhookUrl": "https://example.com/hook",
        "webhookAuth": {"authKey": "Basic", "authSecret": "hush"},
    }


def test_nothing_that_prints_the_agent_shows_a_secret() -> None:
    agent = VoiceAgent(
        credentials=KEY,
        agent_details={"llmConfig": {"apiKey": "llm-key"}},
        webhook_url="https://example.com/hook",
        webhook_auth_secret="hush-hush",
    )
    shown = [repr(agent), str(agent), str(agent.model_dump()), agent.model_dump_json()]
    assert not [text for text in shown for secret in (API_KEY, "llm-key", "hush-hush") if secret in text]


# -- calling ---------------------------------------------------------------------------------------------------------


async def test_a_call_is_triggered_waited_for_and_its_record_fetched(world: World) -> None:
    agent = world.agent()
    call = await world.drive(agent.trigger(LONDON, {"name": "Mona"}, recipient_id="c1", **world.how))
    assert call.is_new
    with pytest.raises(NoEndYet, match=r"to \+44•••••0123 \(job .*\) is not over: wait_for_completion\(\) first"):
        await world.drive(call.fetch_result())
    await world.drive(call.wait_for_completion())
    result = await world.drive(call.fetch_result())
    assert isinstance(result, CallResult)
    assert result.is_over
    assert result.number == "+44•••••0123"
    assert result.job_id == call.job_id == world.sandbox.calls()[0]["job_id"]
    assert result.job_record is not None
    assert result.job_record["id"] == call.job_id
    shown = repr(call) + repr(result) + result.model_dump_json()
    assert LONDON[3:] not in shown


async def test_no_answer_is_a_result_and_not_an_error(world: World) -> None:
    call = await world.drive(world.agent().trigger(NEVER_ANSWERS, **world.how))
    await world.drive(call.wait_for_completion())
    assert (await world.drive(call.fetch_result())).state == "no_answer"


async def test_triggering_again_rings_no_second_time(world: World) -> None:
    first = await world.drive(world.agent().trigger(LONDON, **world.how))
    await world.drive(first.wait_for_completion())
    again = await world.drive(world.agent().trigger(LONDON, **world.how))
    await world.drive(again.wait_for_completion())
    assert not again.is_new
    assert await world.drive(again.fetch_result()) == await world.drive(first.fetch_result())
    assert world.sandbox.rings(LONDON) == 1


async def test_a_lost_answer_is_found_and_rings_no_second_time(world: World) -> None:
    call = await world.drive(world.agent().trigger(LOSES_THE_ANSWER, **world.how))
    await world.drive(call.wait_for_completion())
    assert (await world.drive(call.fetch_result())).is_over
    assert world.sandbox.rings(LOSES_THE_ANSWER) == 1


async def test_a_call_may_be_handed_to_another_process_and_takes_no_number_in_clear_along_in_its_name(
    world: World,
) -> None:
    agent = world.agent()
    call = await world.drive(agent.trigger(LONDON, **{**world.how, "clock": None}))
    agent.credentials.use_transport(None)
    copy = pickle.loads(pickle.dumps(call))  # noqa: S301 - our own
    assert (copy.job_id, copy.call_key, repr(copy)) == (call.job_id, call.call_key, repr(call))


async def test_the_strict_rules_hold_unless_others_are_given(world: World) -> None:
    world.clock.advance_to(world.clock.now().replace(hour=23))
    with pytest.raises(NotCalled, match=r"^\+44•••••0123 was not called: "):
        await world.drive(world.agent().trigger(LONDON, **{**world.how, "policy": None}))
    assert world.sandbox.rings() == 0


async def test_a_refusal_of_hamsas_reaches_the_caller(world: World) -> None:
    world.sandbox.fail_next("no_credit")
    with pytest.raises(Refused, match="402"):
        await world.drive(world.agent().trigger(LONDON, **world.how))


async def test_an_agent_described_in_the_block_makes_calls_too(world: World) -> None:
    agent = world.agent(agent_details={"agentName": "Amal", "greetingMessage": "Hello {{name}}"})
    call = await world.drive(agent.trigger(LONDON, {"name": "Mona"}, **world.how))
    await world.drive(call.wait_for_completion())
    assert world.sandbox.calls()[0]["params"]["name"] == "Mona"


@pytest.mark.prefect
async def test_in_a_flow_the_campaign_and_the_run_are_the_flows_own_and_the_log_shows_no_number(
    prefect_server: PrefectServer, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    @flow(name="remind one")
    async def remind(agent: VoiceAgent, ledger: CallLedger) -> CallResult:
        how = {**world.how, "ledger": ledger, "campaign": None}
        call = await agent.trigger(LONDON, {"name": "Mona"}, **how)
        await call.wait_for_completion()
        get_run_logger().info("Made %s", call)
        return await call.fetch_result()

    with caplog.at_level(logging.DEBUG):
        result = await world.drive(remind(world.agent(), world.ledger))
    assert result.campaign.startswith("remind one-20")
    assert world.sandbox.rings(LONDON) == 1
    reported = [record.getMessage() for record in caplog.records]
    assert any("+44•••••0123: " in line for line in reported)
    assert not [line for line in reported if LONDON[1:] in line or API_KEY in line]
