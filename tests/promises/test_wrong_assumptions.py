"""What follows where an assumption about Hamsa is wrong and the attempt does not stay uncertain: what is documented.

Each is on the page *Why nobody is called twice*; all others of its table keep the phone from ringing again.
"""

import json
from datetime import timedelta
from typing import Any

import httpx

from campaign.attempts import AttemptState
from campaign.rules.policy.policy import Policy
from campaign.rules.policy.presets import PRESETS
from sandbox.scenario.scenario import PRESETS as SCENARIOS
from tests.campaign.campaign_world import CampaignWorld, people
from tests.sandbox_transport import OtherHamsa


def fails_while_somebody_talks(_: httpx.Request, status: int, body: Any) -> tuple[int, Any]:
    """A status that sounds final, of a call in progress."""
    return status, json.loads(json.dumps(body).replace('"IN_PROGRESS"', '"FAILED"'))


async def test_a_status_that_is_not_final_though_it_sounds_so_is_followed_by_a_call_once_the_gap_has_ended_the_first(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    shortest = min(gap for preset in PRESETS.values() for gap in preset.gaps.values())
    assert shortest > timedelta(minutes=10), "the longest call that Hamsa documents"
    other_hamsa.change = fails_while_somebody_talks
    world.sandbox.change(transitions=SCENARIOS["everyone_answers"]["transitions"])
    twice = Policy(preset="unrestricted", max_attempts=2, minutes_after_failed=11)
    await world.dial(people(1), policy=twice)
    (first,) = world.sandbox.calls()
    assert first["ended_at"] is None, "somebody talks, and the ledger has an end"
    world.clock.advance(10 * 60)
    await world.dial(people(1), policy=twice)
    assert world.sandbox.rings() == 1
    world.clock.advance(60)
    await world.dial(people(1), policy=twice)
    first, second = world.sandbox.calls()
    assert first["ended_at"] < second["created_at"]


async def test_a_status_that_is_not_final_lets_the_next_attempt_come_while_somebody_talks_where_there_is_no_gap(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    other_hamsa.change = fails_while_somebody_talks
    world.sandbox.change(never_ends=1)
    twice = Policy(preset="unrestricted", max_attempts=2)
    for _ in range(3):
        await world.dial(people(1), policy=twice)
    assert {attempt.state for attempt in await world.attempts()} == {AttemptState.FAILED}
    assert [call["status"] for call in world.sandbox.calls()] == ["IN_PROGRESS", "IN_PROGRESS"], "and no third one"
