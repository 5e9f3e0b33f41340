"""A campaign without Prefect, in process and on a clock that is turned by hand: sandbox, ledger, client, dialer."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from campaign.agent import CallingAgent
from campaign.attempts import Attempt
from campaign.dialing.dialer import Dialer
from campaign.following.call_events import CallEvent
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import Ledger
from campaign.reporting.results import Batch, Result
from campaign.rules.policy.dial_settings import DialSettings
from campaign.rules.policy.policy import Policy
from hamsa import HamsaClient
from sandbox import ManualClock, Sandbox, Scenario
from sandbox.calls import Phase
from tests import empty_ledger
from tests.sandbox_transport import SandboxTransport

T = TypeVar("T")

UNRESTRICTED = Policy(preset="unrestricted")

IDLE_SECONDS = 0.001
"""Real time without work after which the clock is turned, if also no thread works and nobody waits for a database."""


def people(count: int, *, start: int = 0, params: dict[str, Any] | None = None) -> list[Recipient]:
    """Recipients with numbers reserved for fiction: London's, of which there are a thousand."""
    return [
        Recipient(
            id=f"c{number}",
            phone=f"+4420794{60000 + number}",
            zones=("Europe/London",),
            country="GB",
            params={"name": f"Customer {number}", **(params or {})},
            row=number + 1,
        )
        for number in range(start, start + count)
    ]


@dataclass
class CampaignWorld:
    """One world: several runs may share it."""

    path: Path
    url: str
    clock: ManualClock = field(default_factory=ManualClock)
    sandbox: Sandbox = field(init=False)
    facts: list[CallEvent] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        if self.url == f"sqlite:///{self.path}" and not self.path.exists():
            empty_ledger.lay(self.path)
        self.sandbox = Sandbox(clock=self.clock, scenario=Scenario(magic_numbers=False))

    def client(self) -> HamsaClient:
        """A client of the sandbox."""
        return HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=SandboxTransport(self.sandbox))

    @asynccontextmanager
    async def dialer(
        self,
        *,
        policy: Policy = UNRESTRICTED,
        settings: DialSettings | None = None,
        campaign: str = "c",
        agent: CallingAgent | None = None,
        run_id: str | None = None,
        **more: Any,
    ) -> AsyncIterator[Dialer]:
        """A run's dialer, open, with a ledger connection of its own as another process would have."""
        self.runs += 1
        async with (
            self.client() as client,
            Ledger(self.url, clock=self.clock) as ledger,
            Dialer(
                client=client,
                ledger=ledger,
                agent=agent or CallingAgent(voice_agent_id="agent-plain"),
                rules=policy.resolved(),
                campaign=campaign,
                run_id=run_id or f"run-{self.runs}",
                account="project",
                settings=settings or DialSettings(),
                clock=self.clock,
                on_event=self.facts.append,
                **more,
            ) as dialer,
        ):
            yield dialer

    async def dial(self, recipients: Sequence[Recipient], **how: Any) -> list[Result]:
        """One run over these recipients, on its own dialer, the clock turned as needed."""

        async def run() -> list[Result]:
            async with self.dialer(**how) as dialer:
                return await dialer.run(Batch(1, recipients))

        return await self.drive(run())

    def somebody_did_not_answer(self) -> None:
        """A call that nobody answered, made by hand: a list without any such call proves nothing."""
        number = people(1, start=999)[0].phone
        self.sandbox.plant_call(number, voice_agent_id="agent-plain", ends_as=Phase.NO_ANSWER)

    async def drive(self, work: Awaitable[T]) -> T:
        """Turn the clock until `work` is done."""
        return await self.clock.drive(work, idle=IDLE_SECONDS)

    async def hold(self, campaign: str, note: str) -> None:
        """Put a campaign on hold."""
        async with Ledger(self.url, clock=self.clock) as ledger:
            await ledger.hold(campaign, note=note)

    async def attempts(self, **which: Any) -> list[Attempt]:
        """The ledger's rows."""
        async with Ledger(self.url, clock=self.clock) as ledger:
            return await ledger.attempts(**which)


def quickly_settled(settings: DialSettings | None = None) -> DialSettings:
    """Settings under which absence is believed after minutes."""
    quickly = {"settle_grace_seconds": 120, "settle_looks": 2, "settle_look_every_seconds": 30}
    return (settings or DialSettings()).model_copy(update=quickly)
