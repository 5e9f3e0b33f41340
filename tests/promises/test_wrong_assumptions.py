"""What follows where an assumption about Hamsa is wrong and the attempt does not stay uncertain: what is documented.

Each is on the page *Why nobody is called twice*; all others of its table keep the phone from ringing again.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from campaign.attempts import AttemptState
from campaign.buckets import Bucket
from campaign.rules.policy.policy import Policy
from hamsa import HamsaClient
from tests.campaign.campaign_world import CampaignWorld, people
from tests.sandbox_transport import SandboxTransport


class OtherHamsa(SandboxTransport):
    """The sandbox, except that `change` makes another answer of each that it gives."""

    change: Callable[[httpx.Request, int, Any], tuple[int, Any]]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        status, body = self.change(request, answer.status_code, json.loads(await answer.aread()))
        return httpx.Response(status, json=body)


@pytest.fixture
def hamsa(world: CampaignWorld, monkeypatch: pytest.MonkeyPatch) -> OtherHamsa:
    """A Hamsa that all clients of the world ask."""
    transport = OtherHamsa(world.sandbox)
    monkeypatch.setattr(
        world, "client", lambda: HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=transport)
    )
    return transport


def refuse_the_first_call_that_was_made(with_status: int) -> Callable[[httpx.Request, int, Any], tuple[int, Any]]:
    """The phone rings, and the answer says that no call was made; later calls are answered as they should."""
    calls = 0

    def change(request: httpx.Request, status: int, body: Any) -> tuple[int, Any]:
        nonlocal calls
        calls += request.method == "POST"
        return (with_status, {"message": "No."}) if request.method == "POST" and calls == 1 else (status, body)

    return change


async def test_a_429_after_which_the_phone_rings_all_the_same_has_it_ring_once_more(
    world: CampaignWorld, hamsa: OtherHamsa
) -> None:
    hamsa.change = refuse_the_first_call_that_was_made(429)
    for _ in range(2):
        await world.dial(people(1))
    assert world.sandbox.rings() == 2
    (attempt,) = await world.attempts()
    assert world.sandbox.stats()["call_keys_that_rang_twice"] == [attempt.call_key], "as its key proves"


async def test_a_400_after_which_the_phone_rings_all_the_same_has_a_later_run_call_again(
    world: CampaignWorld, hamsa: OtherHamsa
) -> None:
    hamsa.change = refuse_the_first_call_that_was_made(400)
    (result,) = await world.dial(people(1))
    assert (result.bucket, world.sandbox.rings()) == (Bucket.REFUSED, 1)
    for _ in range(2):
        await world.dial(people(1))
    assert world.sandbox.rings() == 2


async def test_a_status_that_is_not_final_though_it_sounds_so_lets_the_next_attempt_come_while_somebody_talks(
    world: CampaignWorld, hamsa: OtherHamsa
) -> None:
    def change(_: httpx.Request, status: int, body: Any) -> tuple[int, Any]:
        return status, json.loads(json.dumps(body).replace('"IN_PROGRESS"', '"FAILED"'))

    hamsa.change = change
    world.sandbox.change(never_ends=1)
    twice = Policy(preset="unrestricted", max_attempts=2)
    for _ in range(3):
        await world.dial(people(1), policy=twice)
    assert {attempt.state for attempt in await world.attempts()} == {AttemptState.FAILED}
    assert [call["status"] for call in world.sandbox.calls()] == ["IN_PROGRESS", "IN_PROGRESS"], "and no third one"
