"""A process may sleep between claim and POST, and the result of the POST is written down, all of it."""

import asyncio
from datetime import timedelta

import pytest

from campaign.agent import CallingAgent
from campaign.attempts import AttemptState, Claim
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.dialing.placing import LEASE_MARGIN_SECONDS, Placed, lease_seconds, place_call
from campaign.ledger.ledger import Ledger
from hamsa import HamsaClient, HamsaError, NotPlaced, Refused, Unauthorized, Uncertain
from hamsa.models import JobRecord
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people

AGENT = CallingAgent(voice_agent_id="agent-plain")


async def place_after(world: CampaignWorld, stalled_seconds: float) -> Placed:
    """Claim somebody, stand still for so long, and go on as if nothing had been."""
    (somebody,) = people(1)
    async with world.client() as client, Ledger(world.url, clock=world.clock) as ledger:
        claim = await ledger.claim(
            claim_request(
                somebody,
                Claimant(
                    campaign="c",
                    run_id="run",
                    rules=UNRESTRICTED.resolved(),
                    lease_seconds=lease_seconds(client),
                    account="project",
                    agent_id=AGENT.voice_agent_id,
                ),
            )
        )
        assert isinstance(claim, Claim)
        world.clock.advance(stalled_seconds)
        return await place_call(client, ledger, claim, AGENT.request(somebody.phone, {}, claim.call_key))


async def test_a_claim_that_outlives_the_longest_request_is_placed(world: CampaignWorld) -> None:
    await place_after(world, LEASE_MARGIN_SECONDS)
    (attempt,) = await world.attempts()
    assert attempt.state is AttemptState.PLACED
    assert world.sandbox.rings() == 1


async def test_a_claim_that_could_lapse_during_its_request_is_given_back_unsent(world: CampaignWorld) -> None:
    with pytest.raises(NotPlaced, match="stalled until its claim was about to lapse; nothing was sent"):
        await place_after(world, LEASE_MARGIN_SECONDS + 0.001)
    (attempt,) = await world.attempts()
    assert attempt.state is AttemptState.RELEASED
    assert attempt.error == "This process stalled until its claim was about to lapse; nothing was sent."
    assert world.sandbox.rings() == 0


def test_a_lease_is_longer_than_the_longest_request_by_a_minute(world: CampaignWorld) -> None:
    client = world.client()
    assert timedelta(seconds=lease_seconds(client) - client.request_deadline_seconds) == timedelta(minutes=1)


WHAT_IS_WRITTEN = [
    ("refused", Refused, AttemptState.REFUSED, 400),
    ("no_credit", Refused, AttemptState.REFUSED, 402),
    ("rate_limited", NotPlaced, AttemptState.RELEASED, 429),
    ("unauthorized", Unauthorized, AttemptState.RELEASED, 401),
    ("no_connection", NotPlaced, AttemptState.RELEASED, None),
    ("error_before", Uncertain, AttemptState.UNCERTAIN, 500),
    ("lost_answer", Uncertain, AttemptState.UNCERTAIN, None),
]


@pytest.mark.parametrize(
    ("fault", "kind", "state", "status_code"), WHAT_IS_WRITTEN, ids=[fault for fault, *_ in WHAT_IS_WRITTEN]
)
async def test_what_hamsa_answered_is_written_on_the_attempt_of_the_claim(
    world: CampaignWorld, fault: str, kind: type[HamsaError], state: AttemptState, status_code: int | None
) -> None:
    world.sandbox.fail_next(fault)
    with pytest.raises(kind) as raised:
        await place_after(world, 0)
    (attempt,) = await world.attempts()
    assert attempt.state is state
    assert attempt.error == str(raised.value)
    assert attempt.status_code == status_code
    assert attempt.message_key == (raised.value.message_key if status_code is not None else None)


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (asyncio.CancelledError(), "the run was cancelled while the call was being placed"),
        (MemoryError(), "MemoryError while the call was being placed"),
    ],
    ids=["cancelled", "a fault of our own"],
)
async def test_a_post_that_was_broken_off_is_uncertain_and_says_why(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch, trouble: BaseException, why: str
) -> None:
    async def break_off(*_: object) -> JobRecord:
        raise trouble

    monkeypatch.setattr(HamsaClient, "create_call", break_off)
    with pytest.raises(type(trouble)):
        await place_after(world, 0)
    (attempt,) = await world.attempts()
    assert (attempt.state, attempt.error) == (AttemptState.UNCERTAIN, why)


async def test_a_placed_call_is_written_with_its_job_its_status_and_its_record(world: CampaignWorld) -> None:
    placed = await place_after(world, 0)
    (attempt,) = await world.attempts()
    (call,) = world.sandbox.calls()
    assert placed.first
    assert placed.job.id == attempt.job_id == call["job_id"]
    assert attempt.status == placed.job.status
    assert attempt.record == placed.job.as_json()
