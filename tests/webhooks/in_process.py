"""The receiver in process, between a sandbox and a ledger, on a clock that is turned by hand."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from campaign.agent import CallingAgent
from campaign.attempts import Attempt, Claim
from campaign.clock import Clock
from campaign.following.call_events import CallEvent
from campaign.ledger.ledger import ClaimRequest, Ledger
from campaign.rules.rules import Go
from sandbox import Sandbox, Scenario
from tests.campaign.campaign_world import CampaignWorld
from tests.webhooks.running import AUTH, HEADERS, SECRET
from webhooks.receiver import create_app
from webhooks.recorder import Recorder
from webhooks.settings import WebhookSettings
from webhooks.spool import Spool

OPT_OUT = ("wants_no_more_calls",)


@dataclass
class House:
    """A receiver with what is behind it. `facts` are what Prefect would be told by the receiver."""

    world: CampaignWorld
    spool: Spool
    recorder: Recorder
    app: Starlette
    http: httpx.AsyncClient
    facts: list[CallEvent] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return self.world.clock

    @property
    def agent(self) -> CallingAgent:
        """An agent whose events come here."""
        return CallingAgent(voice_agent_id="agent-plain", webhook_url="http://127.0.0.1:9/hamsa", webhook_auth=AUTH)

    async def deliver(self, _url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post as the sandbox does."""
        return (await self.http.post("/hamsa", headers=dict(headers), content=body)).status_code

    async def post(self, event: dict[str, Any]) -> httpx.Response:
        """Post an event as Hamsa would."""
        return await self.http.post("/hamsa", headers=HEADERS, json=event)

    async def rest(self, seconds: float = 1.0, *, patience: float = 60.0) -> None:
        """Turn the clock by so many seconds, from one sleeper to the next, and let the recorder work at each.

        Args:
            seconds: Of the turned clock.
            patience: Real seconds that the recorder may take to work off what is due; it will not while its ledger
                is away.
        """
        clock = self.world.clock
        end = clock.now() + timedelta(seconds=seconds)
        await self._work_off(patience)
        while (wake := clock.next_wake) is not None and wake <= end:
            clock.advance_to(wake)
            await self._work_off(patience)
        clock.advance_to(end)
        await self._work_off(patience)

    async def _work_off(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            due = await self.spool.next_due()
            wake = self.world.clock.next_wake
            # What waits for a later moment has a sleeper, as soon as the recorder is back at rest.
            if due is None or (due > self.clock.now() and wake is not None and wake <= due):
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def house(
    folder: Path, *, world: CampaignWorld | None = None, name: str = "webhooks", **scenario: Any
) -> AsyncIterator[House]:
    """A receiver, open. A second one may share the first one's `world`."""
    first = world is None
    world = world or CampaignWorld(path=folder / "calls.db", url=f"sqlite:///{folder / 'calls.db'}")
    clock = world.clock
    facts: list[CallEvent] = []
    spool = Spool(folder / f"{name}.db", clock=clock)
    recorder = Recorder(
        spool,
        lambda: Ledger(world.url, clock=clock),
        emit=facts.append,
        opt_out_fields=OPT_OUT,
        keep=timedelta(days=7),
        clock=clock,
        rng=random.Random(1),
    )
    app = create_app(WebhookSettings(auth_secret=SECRET), spool, recorder, clock=clock)
    async with spool, httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://receiver") as http:
        made = House(world, spool, recorder, app, http, facts)
        if first:
            world.sandbox = Sandbox(
                clock=clock, scenario=Scenario(magic_numbers=False, **scenario), send_webhook=made.deliver
            )
        recorder.start()
        try:
            yield made
        finally:
            await recorder.stop()
            if first:
                await world.sandbox.aclose()


async def claim(ledger: Ledger, number: int = 1, *, campaign: str = "c") -> Claim:
    """A fresh claim."""
    request = ClaimRequest(
        campaign=campaign,
        recipient_id=f"r{number}",
        phone=f"+4420794{60000 + number}",
        run_id="run",
        lease_seconds=90.0,
        decide=lambda _history, _at: Go(1),
        account="project",
    )
    claimed = await ledger.claim(request)
    assert isinstance(claimed, Claim)
    return claimed


async def attempt_of(ledger: Ledger, key: str) -> Attempt:
    """The attempt as the ledger has it."""
    (attempt,) = await ledger.attempts(call_keys=[key])
    return attempt


def an_event(
    kind: str,
    call_id: str | None,
    *,
    at: datetime | str | None = "2026-11-03T15:01:00Z",
    result: dict[str, Any] | None = None,
    **data: Any,
) -> dict[str, Any]:
    """An event as Hamsa writes it; `data` are further facts beside the documented `data.outcomeResult`."""
    body = {"data": {"outcomeResult": result or {}}, **data} if kind == "call.ended" else None
    return {
        "eventType": kind,
        "callId": call_id,
        "timestamp": at.isoformat() if isinstance(at, datetime) else at,
        "projectId": "project",
        "agentId": "agent-plain",
        "agentName": "Plain",
        "data": body,
    }
