"""A no of Hamsa's after which the phone rings all the same: the call is looked for before another one is made."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from campaign.attempts import ENDED, AttemptState, Claim, Denial
from campaign.buckets import Bucket
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.dialing.placing import lease_seconds
from campaign.following.denials import Denials, MadeCall
from campaign.following.settling import Settler
from campaign.ledger.ledger import Ledger
from campaign.rules.policy.policy import Policy
from hamsa import NotPlaced, Refused
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people
from tests.campaign.dialing.desk import LONDON, Desk
from tests.sandbox_transport import OtherHamsa, as_it_is

Change = Callable[[httpx.Request, int, Any], tuple[int, Any]]

CALLED = {Bucket(state.value) for state in ENDED}

SAYS_NO = [400, 401, 402, 403, 404, 409, 422, 429]


def deny(status: int, *, calls: int = 1, lists: tuple[int, ...] = ()) -> Change:
    """Answer the first `calls` that were made with a no; after that the first looks at the list with these statuses."""
    made = 0
    failing = list(lists)

    def change(request: httpx.Request, answered: int, body: Any) -> tuple[int, Any]:
        nonlocal made
        if request.method == "POST":
            made += 1
            return (status, {"message": "No."}) if made <= calls else (answered, body)
        if made and failing and request.url.path.endswith("minimal-list"):
            return failing.pop(0), {"message": "Not now."}
        return answered, body

    return change


@pytest.mark.parametrize("status", SAYS_NO)
async def test_a_no_after_which_the_phone_rings_all_the_same_rings_once(
    world: CampaignWorld, other_hamsa: OtherHamsa, status: int
) -> None:
    other_hamsa.change = deny(status)
    (denied,) = await world.dial(people(1))
    (result,) = await world.dial(people(1))
    assert world.sandbox.rings() == 1
    # A 429 is waited for, so the same run finds the call; all others are for the next one.
    first = {429: Bucket.COMPLETED, 401: Bucket.NOT_REACHED, 403: Bucket.NOT_REACHED}.get(status, Bucket.REFUSED)
    assert (denied.bucket, result.bucket) == (first, Bucket.ALREADY_CALLED if status == 429 else Bucket.COMPLETED)
    (attempt,) = await world.attempts()
    assert (attempt.state, attempt.adopted_by, attempt.echoed) == (AttemptState.COMPLETED, "key", True)
    (call,) = world.sandbox.calls()
    assert (attempt.job_id, attempt.created_at) == (call["job_id"], None), "the answer that was a no showed no clock"
    assert attempt.placed_at == datetime.fromisoformat(call["created_at"]), "when the phone rang, not when it was found"


@pytest.mark.parametrize("status", [400, 401, 429])
async def test_a_no_that_is_one_is_followed_by_a_call(
    world: CampaignWorld, other_hamsa: OtherHamsa, status: int
) -> None:
    world.sandbox.fail_next("refused")
    other_hamsa.change = deny(status)
    for _ in range(2):
        await world.dial(people(1))
    assert world.sandbox.rings() == 1
    (attempt,) = await world.attempts()
    assert (attempt.state, attempt.adopted_by) == (AttemptState.COMPLETED, None)


@pytest.mark.parametrize("status", [400, 429])
async def test_where_records_show_no_key_the_call_after_a_no_is_found_by_settling(
    world: CampaignWorld, other_hamsa: OtherHamsa, status: int
) -> None:
    world.sandbox.change(echo_params=False, webhook_params=False)
    other_hamsa.change = deny(status)
    for _ in range(3):
        await world.dial(people(1))
        world.clock.advance(86_400)
    assert world.sandbox.rings() == 1
    (attempt,) = await world.attempts()
    assert (attempt.state, attempt.adopted_by) == (AttemptState.COMPLETED, "match")


async def test_two_calls_that_could_be_the_denied_one_leave_it_uncertain_and_uncalled(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    world.sandbox.change(echo_params=False, webhook_params=False)
    (somebody,) = people(1)
    world.sandbox.plant_call(somebody.phone, voice_agent_id="agent-plain")
    other_hamsa.change = deny(400)
    await world.dial([somebody])
    (result,) = await world.dial([somebody])
    assert (result.bucket, world.sandbox.rings()) == (Bucket.UNCERTAIN, 1), "beside the one made by hand"
    (attempt,) = await world.attempts()
    assert attempt.state is AttemptState.UNCERTAIN
    assert (
        attempt.answer == "Hamsa had said no, but its call list shows 2 calls of that time which may be to this number"
    )


@pytest.mark.parametrize(
    ("number", "hours", "may_be_ours"),
    [(0, 0.0, True), (1, 0.0, False), (0, -0.2, False), (0, 0.2, True), (0, 0.6, False)],
    ids=["same", "another number", "before", "in the grace", "after it"],
)
async def test_somebody_elses_call_counts_only_at_the_number_and_about_the_time(
    world: CampaignWorld, other_hamsa: OtherHamsa, number: int, hours: float, *, may_be_ours: bool
) -> None:
    world.sandbox.fail_next("refused")
    other_hamsa.change = deny(400)
    somebody, another = people(2)
    await world.dial([somebody])
    at = world.clock.now().timestamp() + hours * 3600
    world.clock.advance(7200)
    world.sandbox.plant_call((somebody, another)[number].phone, voice_agent_id="agent-plain", created=at)
    await world.dial([somebody])
    assert world.sandbox.rings(somebody.phone) == (0 if may_be_ours else 1), "beside the one made by hand"


async def test_another_campaigns_call_of_that_time_is_not_taken_for_the_denied_one(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    world.sandbox.fail_next("refused")
    other_hamsa.change = deny(400)
    await world.dial(people(1))
    await world.dial(people(1), campaign="another")
    await world.dial(people(1))
    assert world.sandbox.rings() == 2
    assert {(row.campaign, row.state, row.adopted_by) for row in await world.attempts()} == {
        ("c", AttemptState.COMPLETED, None),
        ("another", AttemptState.COMPLETED, None),
    }


async def test_a_list_that_cannot_be_read_keeps_whoever_was_denied_from_being_called(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    other_hamsa.change = deny(400, lists=(502,) * 3)
    await world.dial(people(1))
    with pytest.raises(
        NotPlaced, match=r"does not show now whether it made the call .* \(502: Not now.\); nothing was"
    ):
        await world.dial(people(1))
    (attempt,) = await world.attempts()
    assert attempt.state is AttemptState.RELEASED
    world.clock.advance(86_400)
    (result,) = await world.dial(people(1))
    assert (result.bucket, world.sandbox.rings()) == (Bucket.COMPLETED, 1), "the time of the no is not forgotten"


async def test_a_list_that_says_later_has_the_denied_one_wait_in_the_same_run(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    other_hamsa.change = deny(429, lists=(429, 429, 429))
    (result,) = await world.dial(people(1))
    assert (result.bucket, world.sandbox.rings()) == (Bucket.COMPLETED, 1)


async def test_many_who_were_denied_at_once_share_one_reading_of_the_list(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    other_hamsa.change = deny(429, calls=6)
    results = await world.dial(people(6), policy=Policy(preset="unrestricted", lines=6))
    assert ({result.bucket for result in results} <= CALLED, world.sandbox.rings()) == (True, 6)
    async with world.client() as client, Ledger(world.url, clock=world.clock) as ledger:
        shared = Denials(client, ledger)
        moment = world.clock.now()
        world.clock.advance(1)
        read = 0

        def count(request: httpx.Request, status: int, body: Any) -> tuple[int, Any]:
            nonlocal read
            read += request.url.path.endswith("minimal-list")
            return status, body

        other_hamsa.change = count
        await asyncio.gather(
            *(
                shared.look(
                    _claim(row.call_key, row.phone, moment),
                    Denial("project", "agent-plain", row.claimed_at + timedelta(seconds=index), moment),
                )
                for index, row in enumerate(await ledger.attempts())
            )
        )
    assert read == 2, "a page of calls, and the empty one after it"


def _claim(call_key: str, phone: str, at: datetime) -> Claim:
    return Claim(call_key, "c", "r", phone, 1, 2, at, at + timedelta(seconds=120))


async def test_who_is_denied_after_a_look_is_looked_for_once_more(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    """What an earlier look showed says nothing of a later call."""
    (somebody,) = people(1)
    async with world.client() as client, Ledger(world.url, clock=world.clock) as ledger:
        shared = Denials(client, ledger)
        begun = world.clock.now()
        claim = _claim("0" * 32, somebody.phone, begun)
        assert await shared.look(claim, Denial("project", "agent-plain", begun, begun)) is None
        world.clock.advance(1)
        made = world.sandbox.plant_call(somebody.phone, voice_agent_id="agent-plain", params={"call_key": "0" * 32})
        world.clock.advance(1)
        found = await shared.look(claim, Denial("project", "agent-plain", begun, world.clock.now()))
        assert isinstance(found, MadeCall)
        assert found.job.id == made["job_id"]
        assert found.made_at == begun + timedelta(seconds=1)


async def test_who_cancels_while_a_denied_call_is_looked_for_leaves_it_as_it_was(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    other_hamsa.change = deny(400)
    await world.dial(people(1))
    (before,) = await world.attempts()
    world.clock.advance(3600)
    async with world.dialer() as dialer:
        dialing = asyncio.ensure_future(dialer.call(people(1)[0]))

        def cancel(request: httpx.Request, status: int, body: Any) -> tuple[int, Any]:
            if request.url.path.endswith("minimal-list"):
                dialing.cancel()
            return status, body

        other_hamsa.change = cancel
        with pytest.raises(asyncio.CancelledError):
            await world.drive(dialing)
    other_hamsa.change = as_it_is
    (after,) = await world.attempts()
    assert (after.state, after.since) == (AttemptState.RELEASED, before.claimed_at)
    (result,) = await world.dial(people(1))
    assert (result.bucket, world.sandbox.rings()) == (Bucket.COMPLETED, 1)


@pytest.mark.parametrize("status", [400, 429])
async def test_a_single_call_that_was_denied_is_looked_for_before_it_is_made_again(
    world: CampaignWorld, other_hamsa: OtherHamsa, status: int
) -> None:
    desk = Desk(world)
    other_hamsa.change = deny(status)
    with pytest.raises(NotPlaced if status == 429 else Refused):
        await desk.open(recipient_id="r")
    opened = await desk.open(recipient_id="r")
    assert (opened.attempt.state, world.sandbox.rings(LONDON)) == (AttemptState.PLACED, 1)
    await desk.follow(opened)
    assert [row.state in ENDED for row in await world.attempts()] == [True]


async def test_who_dies_between_the_claim_and_the_look_leaves_both_turns_to_be_settled(
    world: CampaignWorld, other_hamsa: OtherHamsa
) -> None:
    other_hamsa.change = deny(400)
    (somebody,) = people(1)
    await world.dial([somebody])
    world.clock.advance(7200)
    async with world.client() as client, Ledger(world.url, clock=world.clock) as ledger:
        claimant = Claimant("c", "killed", UNRESTRICTED.resolved(), lease_seconds(client), "project", "agent-plain")
        assert isinstance(await ledger.claim(claim_request(somebody, claimant)), Claim)
    async with world.client() as client, Ledger(world.url, clock=world.clock) as ledger:
        world.clock.advance(7200)
        assert await ledger.expire_leases() == 1
        settled = await Settler(client, ledger).settle(await ledger.attempts())
    (attempt,) = await world.attempts()
    assert settled.adopted == [attempt.call_key]
    assert (attempt.adopted_by, world.sandbox.rings()) == ("key", 1)
