"""Before anybody is called it is known what the agent needs to be told, wherever the agent is described."""

from typing import Any

import pytest

from campaign.agent import CallingAgent
from campaign.dialing.account import ask_account
from tests.campaign.campaign_world import CampaignWorld


@pytest.mark.parametrize(
    ("details", "needs"),
    [
        ({"greetingMessage": "Hello {{name}}", "preamble": "They owe {{ amount }}."}, {"name", "amount"}),
        ({"greeting_message": "Hello {{name}}"}, {"name"}),
        ({"greetingMessage": "Hello {{name}} of {{shop}}", "params": {"shop": "ours"}}, {"name"}),
        ({"greetingMessage": "Hello {{name}}", "preamble": "Key {{call_key}}", "params": None}, {"name"}),
        ({"greetingMessage": 7, "preamble": ["{{name}}"]}, set()),
        ({"agentName": "A"}, set()),
    ],
)
async def test_an_agent_that_is_described_needs_what_its_texts_name_and_it_does_not_bring(
    world: CampaignWorld, details: dict[str, Any], needs: set[str]
) -> None:
    async with world.client() as client:
        account = await ask_account(client, CallingAgent(agent_details=details))
    assert account.placeholders == needs


async def test_an_agent_of_hamsas_needs_what_hamsa_says(world: CampaignWorld) -> None:
    async with world.client() as client:
        account = await ask_account(client, CallingAgent(voice_agent_id="agent-collections"))
    assert account.placeholders == {"name"}
