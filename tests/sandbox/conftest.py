"""A sandbox whose clock is turned by hand, and a client with a key that talks to it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sandbox import ManualClock, Sandbox, preset
from tests.sandbox_transport import SandboxTransport


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sandbox(clock: ManualClock) -> Sandbox:
    """Everybody answers and talks."""
    return Sandbox(seed=7, clock=clock, scenario=preset("everyone_answers"))


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=SandboxTransport(sandbox),
        base_url="http://sandbox",
        headers={"Authorization": f"Token {sandbox.api_key}"},
    ) as client:
        yield client
