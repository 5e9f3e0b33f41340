"""A local Hamsa on a clock that is turned by hand, and blocks that lead to it."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from sandbox import ManualClock, Sandbox
from tests.sandbox_transport import SandboxTransport

T = TypeVar("T")

API_KEY = "sk-4f1b9c7d2e"
IDLE_SECONDS = 0.001
"""Real time without work after which the clock is turned: SQLite flushes to disk in a thread."""


@dataclass
class World:
    """A sandbox, a ledger file, and the agent and rules that single calls are made with."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(clock=self.clock, api_key=API_KEY)
        self.ledger = CallLedger(url=f"sqlite:///{self.folder / 'calls.db'}")
        self.policy = CallingPolicy(preset="unrestricted")

    def credentials(self) -> HamsaCredentials:
        return HamsaCredentials(api_key=API_KEY, base_url="http://127.0.0.1:8765").use_transport(
            SandboxTransport(self.sandbox)
        )

    def agent(self, **fields: Any) -> VoiceAgent:
        if not fields.keys() & {"voice_agent_id", "agent_details"}:
            fields["voice_agent_id"] = "agent-plain"
        return VoiceAgent(credentials=self.credentials(), **fields)

    @property
    def how(self) -> dict[str, Any]:
        """What a call is triggered with, besides whom."""
        return {"campaign": "c", "ledger": self.ledger, "policy": self.policy, "clock": self.clock}

    async def drive(self, work: Awaitable[T]) -> T:
        """Turn the clock until `work` is done."""
        return await self.clock.drive(work, idle=IDLE_SECONDS)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
