"""Whatever Hamsa or the ledger does, a run comes to its end, and what it reports is what the ledger has."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, AttemptState
from campaign.buckets import Bucket
from campaign.dialing.dialer import Dialer
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.reporting.results import Batch
from campaign.rules.policy.dial_settings import DialSettings
from hamsa import HamsaClient
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people
from tests.sandbox_transport import SandboxTransport


class NoList(SandboxTransport):
    """An account whose key may not read the call list."""

    def __init__(self, *args: Any, jobs: bool = True) -> None:
        super().__init__(*args)
        self._jobs = jobs

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if "minimal-list" in path or (path == "/v1/jobs" and not self._jobs):
            return httpx.Response(404, content=json.dumps({"message": "No such route", "messageKey": "NotFound"}))
        return await super().handle_async_request(request)


async def dial_without_list(world: CampaignWorld, count: int, *, jobs: bool = True) -> list[Any]:
    transport = NoList(world.sandbox, jobs=jobs)
    async with (
        HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=transport) as client,
        Ledger(world.url, clock=world.clock) as ledger,
        Dialer(
            client=client,
            ledger=ledger,
            agent=CallingAgent(voice_agent_id="agent-plain"),
            rules=UNRESTRICTED.resolved(),
            campaign="c",
            run_id="run",
            settings=DialSettings(lines=2, give_up_after_seconds=600),
            clock=world.clock,
        ) as dialer,
    ):
        return await dialer.run(Batch(1, people(count)))


async def test_where_the_list_cannot_be_read_calls_are_asked_for_one_by_one(world: CampaignWorld) -> None:
    results = await world.drive(dial_without_list(world, 4))
    assert {result.bucket for result in results} <= {Bucket(state.value) for state in ENDED}
    assert world.sandbox.rings() == 4


async def test_where_nothing_can_be_asked_each_line_is_given_up_in_its_time(world: CampaignWorld) -> None:
    results = await world.drive(dial_without_list(world, 4, jobs=False))
    assert {result.bucket for result in results} == {Bucket.IN_PROGRESS}
    assert world.sandbox.rings() == 4


async def test_a_call_that_was_given_up_holds_the_next_run_up_for_a_moment_only(world: CampaignWorld) -> None:
    world.sandbox.change(never_ends=1.0)
    (result,) = await world.dial(people(1))
    assert result.bucket is Bucket.IN_PROGRESS
    (attempt,) = await world.attempts(states=[AttemptState.PLACED])
    began = world.clock.now()

    async def next_run() -> None:
        async with world.dialer() as dialer:
            await dialer.follow_all([attempt])

    await world.drive(next_run())
    assert (world.clock.now() - began).total_seconds() < 200


@pytest.mark.timeout(120)
async def test_a_run_that_stops_wakes_those_who_wait_for_its_budget(world: CampaignWorld) -> None:
    world.sandbox.fail_next("ok", "unauthorized")
    settings = DialSettings(lines=12, max_calls=5)
    results = await world.dial(people(12), settings=settings)
    counts = Counter(result.bucket.group for result in results)
    assert world.sandbox.rings() <= 5
    assert counts["later"] == 12 - world.sandbox.rings()


async def test_a_call_that_cannot_be_asked_for_is_refused_and_not_left_for_settling(
    world: CampaignWorld,
) -> None:
    agent = CallingAgent(voice_agent_id="agent-plain", from_number="not a number")
    results = await world.dial(people(3), agent=agent)
    assert {result.bucket for result in results} == {Bucket.REFUSED}
    assert {attempt.state for attempt in await world.attempts()} == {AttemptState.REFUSED}
    assert world.sandbox.rings() == 0
    results = await world.dial(people(3))
    assert {result.bucket.group for result in results} == {"called"}


async def test_the_end_that_was_noted_first_is_the_one_that_is_reported(world: CampaignWorld) -> None:
    async def run() -> Any:
        async with world.dialer() as dialer:
            work = asyncio.create_task(dialer.run(Batch(1, people(1))))
            while not (placed := await world.attempts(states=[AttemptState.PLACED])):
                await world.clock.sleep(0.5)
            async with Ledger(world.url, clock=world.clock) as receiver:
                await receiver.end(CallEnd(AttemptState.FORWARDED), call_key=placed[0].call_key)
            return await work

    (result,) = await world.drive(run())
    assert result.bucket is Bucket.FORWARDED
    assert [attempt.state for attempt in await world.attempts()] == [AttemptState.FORWARDED]
    assert not [fact for fact in world.facts if fact.kind == "ended"]


async def test_a_call_whose_end_cannot_be_noted_is_reported_as_in_progress(world: CampaignWorld) -> None:
    moved = world.path.with_name("moved.db")

    async def run() -> Any:
        async with world.dialer(settings=DialSettings(lines=2)) as dialer:
            work = asyncio.create_task(dialer.run(Batch(1, people(6))))
            while len(await world.attempts(states=[AttemptState.PLACED])) < 2:
                await world.clock.sleep(0.5)
            world.path.rename(moved)
            done = await asyncio.gather(work, return_exceptions=True)
            assert dialer.stopped is not None
            assert dialer.stopped.kind == "ledger"
            return done[0]

    await world.drive(run())
    moved.rename(world.path)
    assert world.sandbox.rings() == 2
    assert Counter(attempt.state for attempt in await world.attempts()) == {AttemptState.PLACED: 2}


async def test_a_run_that_ends_by_itself_says_where_everybody_is(world: CampaignWorld) -> None:
    settings = DialSettings(lines=3, max_calls=2)
    results = await world.dial(people(7), settings=settings)
    assert [result.row for result in results] == list(range(1, 8))
    assert Counter(result.bucket.group for result in results) == {"called": 2, "later": 5}


@pytest.mark.parametrize("fault", ["nobodys_id", "nobodys_id_after"])
async def test_a_job_that_nobody_knows_is_reported_and_frees_its_line_early(world: CampaignWorld, fault: str) -> None:
    world.sandbox.fail_next(fault)
    began = world.clock.now()
    results = await world.dial(people(3), settings=DialSettings(lines=1))
    assert (world.clock.now() - began).total_seconds() < 1200
    assert results[0].bucket is Bucket.IN_PROGRESS
    assert "neither its list nor its job records know it" in results[0].reason
    assert {result.bucket.group for result in results[1:]} == {"called"}
    (again,) = await world.dial(people(1))
    assert "has been in progress since" in again.reason
    assert "neither its list nor its job records know it" in again.reason
    assert world.sandbox.rings(people(1)[0].phone) == int(fault == "nobodys_id_after")


async def test_a_rerun_says_of_a_call_without_an_end_what_hamsa_shows_of_it(world: CampaignWorld) -> None:
    world.sandbox.change(lies={"unknown_statuses": True})
    (first,) = await world.dial(people(1), settings=DialSettings(give_up_after_seconds=600))
    assert first.bucket is Bucket.IN_PROGRESS
    assert "a status unknown to us: DONE" in first.reason
    (again,) = await world.dial(people(1))
    assert again.bucket is Bucket.IN_PROGRESS
    assert "has been in progress since 2026-" in again.reason
    assert "Hamsa shows a status unknown to us: DONE" in again.reason
    assert world.sandbox.rings() == 1
