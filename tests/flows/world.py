"""A flow's world: a sandbox over TCP, blocks made for it, and eyes for what Prefect was told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from pydantic import SecretStr

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from tests.servers.process_reaper import ProcessReaper
from tests.servers.sandbox import SEED, RunningSandbox, start_sandbox


@dataclass
class World:
    """What a flow under test needs."""

    sandbox: RunningSandbox
    folder: Path

    @property
    def credentials(self) -> HamsaCredentials:
        """A key that the sandbox takes."""
        return HamsaCredentials(api_key=SecretStr(self.sandbox.api_key), base_url=self.sandbox.base_url)

    def agent(self, **fields: Any) -> VoiceAgent:
        """A voice agent of the sandbox."""
        return VoiceAgent(**{"credentials": self.credentials, "voice_agent_id": "agent-plain", **fields})

    def policy(self, **fields: Any) -> CallingPolicy:
        """No hours, no caps, quick looks."""
        quick = {"preset": "unrestricted", "lines": 20, "poll_min_seconds": 0.1, "poll_max_seconds": 0.3}
        return CallingPolicy(**{**quick, **fields})

    @property
    def ledger(self) -> CallLedger:
        """A SQLite ledger of this test's own."""
        return CallLedger(url=SecretStr(f"sqlite:///{self.folder / 'calls.db'}"))

    def rings(self) -> dict[str, int]:
        """How often each phone rang, by number."""
        rings: Mapping[str, int] = self.sandbox.stats()["rings_per_number"]
        return dict(rings)


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Customers at London's numbers for fiction."""
    return ({"id": f"c{n}", "phone": f"+4420794{60000 + n}", "name": f"Customer {n}"} for n in range(count))


async def artifacts(flow_run_id: Any) -> list[Any]:
    """All artifacts of a flow run, oldest first."""
    async with get_client() as client:
        found = await client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        )
    return sorted(found, key=lambda artifact: artifact.created)


@pytest.fixture(scope="session")
def shared_sandbox(reaper: ProcessReaper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    sandbox = start_sandbox(reaper, tmp_path_factory.mktemp("sandbox"))
    yield sandbox
    sandbox.program.stop()


@pytest.fixture
def world(shared_sandbox: RunningSandbox, tmp_path: Path, prefect_server: Any) -> World:
    """A sandbox whose calls last tenths of a second: all tests share its process, and each finds it empty."""
    shared_sandbox.reset(seed=SEED, scenario={"speed": 600.0, "magic_numbers": False, "opt_outs": 0})
    return World(shared_sandbox, tmp_path)
