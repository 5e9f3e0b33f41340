"""What follows where an assumption about Hamsa is wrong and the attempt does not stay uncertain: what is documented.

Each is on the page *Why nobody is called twice*; all others of its table keep the phone from ringing again.
"""

import json
from typing import Any

import httpx

from campaign.attempts import AttemptState
from campaign.rules.policy.policy import Policy
from tests.campaign.campaign_world import CampaignWorld, people
from tests.sandbox_transport import OtherHamsa


async def test_a_status_that_is_not_final_though_it_sounds_so_lets_the_next_attempt_come_while_somebody_talks(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    def change(_: httpx.Request, status: int, body: Any) -> tuple[int, Any]:
        return status, json.loads(json.dumps(body).replace('"IN_PROGRESS"', '"FAILED"'))

    other_hamsa.change = change
    world.sandbox.change(never_ends=1)
    twice = Policy(preset="unrestricted", max_attempts=2)
    for _ in range(3):
        await world.dial(people(1), policy=twice)
    assert {attempt.state for attempt in await world.attempts()} == {AttemptState.FAILED}
    assert [call["status"] for call in world.sandbox.calls()] == ["IN_PROGRESS", "IN_PROGRESS"], "and no third one"
