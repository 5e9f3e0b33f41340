"""A desk from which single calls are made and followed, in a world whose clock is turned by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from campaign.agent import CallingAgent
from campaign.dialing.single_call import Caller, OpenedCall
from campaign.ledger.ledger import Ledger
from campaign.rules.policy.policy import Policy
from hamsa import HamsaClient
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld

LONDON = "+442079460123"

AGENT = CallingAgent(voice_agent_id="agent-plain")


class Desk:
    """Makes and follows single calls in a world, each from a run of its own unless one is named."""

    def __init__(self, world: CampaignWorld) -> None:
        self.world = world
        self.runs = 0

    @asynccontextmanager
    async def caller(
        self,
        *,
        policy: Policy = UNRESTRICTED,
        agent: CallingAgent = AGENT,
        run_id: str | None = None,
        client: HamsaClient | None = None,
    ) -> AsyncIterator[Caller]:
        self.runs += 1
        world = self.world
        async with (
            client or world.client() as hamsa,
            Ledger(world.url, clock=world.clock) as ledger,
        ):
            yield Caller(
                hamsa,
                ledger,
                agent,
                policy,
                campaign="c",
                run_id=run_id or f"run-{self.runs}",
                clock=world.clock,
                on_event=world.facts.append,
            )

    async def open(
        self,
        phone: str = LONDON,
        params: dict[str, Any] | None = None,
        *,
        how: dict[str, Any] | None = None,
        **whom: Any,
    ) -> OpenedCall:
        async def work() -> OpenedCall:
            async with self.caller(**(how or {})) as caller:
                return await caller.open(phone, params, **whom)

        return await self.world.drive(work())

    async def follow(self, opened: OpenedCall, **how: Any) -> Any:
        async def work() -> Any:
            async with self.caller(**how) as caller:
                return await caller.follow(opened.attempt.call_key)

        return await self.world.drive(work())
