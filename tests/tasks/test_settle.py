"""What a round of settling says, to whoever operates it."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from campaign.agent import CallingAgent
from campaign.attempts import Attempt, Claim
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.dialing.placing import lease_seconds, place_call
from campaign.following.settling import Settler
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import Ledger
from campaign.rules.policy.dial_settings import DialSettings
from hamsa import HamsaClient, Uncertain
from tasks.settle import settle
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people

AGENT = CallingAgent(voice_agent_id="agent-plain")


class Round:
    """Attempts whose answers were lost, and a round of settling."""

    def __init__(self, world: CampaignWorld, ledger: Ledger, client: HamsaClient) -> None:
        self.world = world
        self.ledger = ledger
        self.client = client

    async def lose(self, who: Recipient, fault: str) -> None:
        request = claim_request(
            who,
            Claimant(
                campaign="reminders",
                run_id="run",
                rules=UNRESTRICTED.resolved(),
                lease_seconds=lease_seconds(self.client),
                account="project",
                agent_id=AGENT.voice_agent_id,
            ),
        )
        claim = await self.ledger.claim(request)
        assert isinstance(claim, Claim)
        self.world.sandbox.fail_next(fault)
        with suppress(Uncertain):
            await place_call(self.client, self.ledger, claim, AGENT.request(who.phone, {}, claim.call_key))

    async def settle(self) -> list[Attempt]:
        settler = Settler(self.client, self.ledger, DialSettings(settle_grace_seconds=0, settle_looks=2))
        return await settle.fn(self.ledger, settler, account="project", campaign="reminders")


@pytest.fixture
async def settling(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Round]:
    world = CampaignWorld(path=tmp_path / "calls.db", url=f"sqlite:///{tmp_path / 'calls.db'}")
    caplog.set_level(logging.INFO, logger="tasks.settle")
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger(world.url, clock=world.clock))
        yield Round(world, ledger, await stack.enter_async_context(world.client()))


async def test_a_round_says_how_it_ended_and_whose_calls_are_not_known_yet(
    settling: Round, caplog: pytest.LogCaptureFixture
) -> None:
    absent, there, late, before, after = people(5)
    settling.world.somebody_did_not_answer()
    await settling.lose(before, "ok")
    settling.world.clock.advance(1)
    await settling.lose(absent, "error_before")
    await settling.lose(there, "lost_answer")
    await settling.settle()
    said = caplog.messages
    assert "Looked for 2 uncertain attempts: 1 found in Hamsa's list, 1 still uncertain" in said
    (doubt,) = [message for message in said if message.startswith("Still uncertain")]
    assert "attempt 1 at c0 in campaign reminders (Hamsa's call list does not show this call, but" in doubt
    assert not [who for who in (absent, there, late) if who.phone[-7:] in caplog.text]

    caplog.clear()
    settling.world.clock.advance(3600)
    await settling.lose(after, "ok")
    await settling.settle()
    settling.world.clock.advance(3600)
    await settling.lose(late, "error_before")
    await settling.settle()
    assert "Looked for 2 uncertain attempts: 1 surely not placed, 1 still uncertain" in caplog.messages


async def test_a_round_without_anything_to_settle_says_nothing(
    settling: Round, caplog: pytest.LogCaptureFixture
) -> None:
    assert await settling.settle() == []
    assert caplog.messages == []
