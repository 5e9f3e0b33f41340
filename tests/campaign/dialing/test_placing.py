"""Between a claim and its POST: a process that was asleep too long sends nothing, and gives its claim back."""

from datetime import timedelta

import pytest

from campaign.agent import CallingAgent
from campaign.attempts import AttemptState, Claim
from campaign.dialing.claiming import claim_request
from campaign.dialing.placing import LEASE_MARGIN_SECONDS, lease_seconds, place_call
from campaign.ledger.ledger import Ledger
from hamsa import NotPlaced
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people

AGENT = CallingAgent(voice_agent_id="agent-plain")


async def place_after(world: CampaignWorld, stalled_seconds: float) -> Claim:
    """Claim somebody, stand still for so long, and go on as if nothing had been."""
    (somebody,) = people(1)
    async with world.client() as client, Ledger(world.url, clock=world.clock) as ledger:
        claim = await ledger.claim(
            claim_request(
                somebody,
                campaign="c",
                run_id="run",
                rules=UNRESTRICTED.resolved(),
                lease_seconds=lease_seconds(client),
                account="project",
                agent_id=AGENT.voice_agent_id,
            )
        )
        assert isinstance(claim, Claim)
        world.clock.advance(stalled_seconds)
        await place_call(client, ledger, claim, AGENT.request(somebody.phone, {}, claim.call_key))
    return claim


async def test_a_claim_that_outlives_the_longest_request_is_placed(world: CampaignWorld) -> None:
    await place_after(world, LEASE_MARGIN_SECONDS)
    (attempt,) = await world.attempts()
    assert attempt.state is AttemptState.PLACED
    assert world.sandbox.rings() == 1


async def test_a_claim_that_could_lapse_during_its_request_is_given_back_unsent(world: CampaignWorld) -> None:
    with pytest.raises(NotPlaced, match="stalled until its claim was about to lapse; nothing was sent"):
        await place_after(world, LEASE_MARGIN_SECONDS + 0.001)
    (attempt,) = await world.attempts()
    assert attempt.state is AttemptState.RELEASED
    assert "stalled" in (attempt.error or "")
    assert world.sandbox.rings() == 0


def test_a_lease_is_longer_than_the_longest_request_by_a_minute(world: CampaignWorld) -> None:
    client = world.client()
    assert timedelta(seconds=lease_seconds(client) - client.request_deadline_seconds) == timedelta(minutes=1)
