"""What is noted with the end of a call: only what its own record showed."""

import json
from typing import Any

import httpx
import pytest

from campaign.reporting.results import Batch
from hamsa import HamsaClient
from tests.campaign.campaign_world import CampaignWorld, people
from tests.sandbox_transport import SandboxTransport


class ChangingParams(SandboxTransport):
    """Hamsa, whose records give back other params than those that were sent, or none."""

    def __init__(self, *args: Any, params: dict[str, str] | None) -> None:
        super().__init__(*args)
        self._params = params

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.url.path != "/v1/jobs":
            return answer
        document = json.loads(await answer.aread())
        if self._params is not None:
            document["data"]["agentDetails"]["params"] |= self._params
        return httpx.Response(answer.status_code, content=json.dumps(document))


@pytest.mark.parametrize(
    ("params", "echoed"),
    [(None, True), ({"call_key": "of-somebody-else"}, False), ({"call_key": ""}, False), ({"more": "yes"}, True)],
    ids=["as sent", "another key", "an empty key", "more than sent"],
)
async def test_an_echo_is_noted_only_of_a_record_that_gives_our_own_key_back(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch, params: dict[str, str] | None, echoed: bool
) -> None:
    transport = ChangingParams(world.sandbox, params=params)
    monkeypatch.setattr(
        world, "client", lambda: HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=transport)
    )

    async def run() -> None:
        async with world.dialer() as dialer:
            await dialer.run(Batch(1, people(3)))

    await world.drive(run())
    assert {attempt.echoed for attempt in await world.attempts()} == {echoed}


async def test_an_account_that_gives_no_params_back_is_not_noted_as_one_that_does(world: CampaignWorld) -> None:
    world.sandbox.change(echo_params=False)
    await world.dial(people(3))
    assert {attempt.echoed for attempt in await world.attempts()} == {False}
