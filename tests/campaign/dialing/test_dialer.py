"""The dialer: lines busy, ends followed, one ring whatever the answer."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.dialing.account import ask_account
from campaign.dialing.lines import Lines
from campaign.errors import LedgerError
from campaign.following.watcher import Watcher
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.reporting.record_tables import conversation_address
from campaign.reporting.results import Batch, Result
from campaign.reporting.stops import Stop
from campaign.rules.policy.dial_settings import DialSettings
from campaign.rules.policy.policy import Policy
from hamsa import HamsaClient, NotPlaced, Unavailable
from hamsa.models import JobRecord
from sandbox import Sandbox
from tests.campaign.campaign_world import CampaignWorld, people
from tests.sandbox_transport import SandboxTransport


async def test_each_recipient_is_called_once_and_followed_to_the_end(world: CampaignWorld) -> None:
    results = await world.dial(people(20))
    assert [result.row for result in results] == list(range(1, 21))
    assert {result.bucket.group for result in results} == {"called"}
    assert world.sandbox.stats()["rings_per_number"] == {person.phone: 1 for person in people(20)}
    ended = await world.attempts()
    assert all(attempt.job_id and attempt.ended_at and attempt.record for attempt in ended)
    assert sum(attempt.cost or 0 for attempt in ended) > 0
    assert Counter(fact.kind for fact in world.facts) == {"placed": 20, "ended": 20}


async def test_where_each_conversation_can_be_seen_is_known(world: CampaignWorld) -> None:
    await world.dial(people(5))
    talked = [attempt for attempt in await world.attempts() if attempt.outcome]
    assert talked
    for attempt in talked:
        assert conversation_address(attempt.record) == f"https://dashboard.invalid/conversations/{attempt.job_id}"


async def test_a_second_run_calls_nobody_again(world: CampaignWorld) -> None:
    await world.dial(people(10))
    again = await world.dial(people(10))
    assert {result.bucket for result in again} == {Bucket.ALREADY_CALLED}
    assert world.sandbox.rings() == 10


async def test_never_more_calls_in_progress_than_lines(world: CampaignWorld) -> None:
    await world.dial(people(30), settings=DialSettings(lines=4))
    assert world.sandbox.stats()["most_lines_at_once"] == 4


class CountingTransport(SandboxTransport):
    """Counts how many requests of one method and path are open at once."""

    def __init__(self, world: CampaignWorld, method: str, path: str) -> None:
        super().__init__(world.sandbox)
        self.most = 0
        self._which = method, path
        self._open = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        counted = (request.method, request.url.path) == self._which
        self._open += counted
        self.most = max(self.most, self._open)
        try:
            return await super().handle_async_request(request)
        finally:
            self._open -= counted


async def test_where_hamsa_takes_long_to_answer_half_of_the_connections_stay_free_for_asking_how_calls_went(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = CountingTransport(world, "POST", "/v1/voice-agents/call")
    client = HamsaClient("secret-key", base_url="http://127.0.0.1:8765", max_connections=12, transport=posts)
    monkeypatch.setattr(world, "client", lambda: client)
    world.sandbox.scenario = world.sandbox.scenario.model_copy(update={"slow": 1.0, "slow_seconds": 20.0})
    results = await world.dial(people(60), settings=DialSettings(lines=40))

    assert {result.bucket.group for result in results} == {"called"}
    assert posts.most == 6
    assert world.sandbox.stats()["most_lines_at_once"] > 6, "a call that was taken keeps no connection"


@pytest.mark.parametrize(("lines", "at_once"), [(60, 8), (1000, 20)])
async def test_the_more_lines_the_more_records_of_ended_calls_are_read_at_once(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch, lines: int, at_once: int
) -> None:
    reads = CountingTransport(world, "GET", "/v1/jobs")
    client = HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=reads)
    monkeypatch.setattr(world, "client", lambda: client)
    world.sandbox.scenario = world.sandbox.scenario.model_copy(update={"reads_slow": 1.0, "slow_seconds": 25.0})
    results = await world.dial(people(200), settings=DialSettings(lines=lines))

    assert {result.bucket.group for result in results} == {"called"}
    assert reads.most == at_once


async def test_a_lost_answer_is_found_in_the_list_and_followed(world: CampaignWorld) -> None:
    world.sandbox.fail_next("lost_answer")
    (result,) = await world.dial(people(1))
    assert result.bucket.value in {state.value for state in AttemptState}
    assert result.bucket is not Bucket.UNCERTAIN
    assert world.sandbox.rings() == 1
    assert [fact.kind for fact in world.facts] == ["uncertain", "ended"]


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "html_504", "unreadable", "no_id"])
async def test_an_answer_that_says_nothing_is_never_followed_by_a_second_ring(world: CampaignWorld, fault: str) -> None:
    world.sandbox.change(list_lag_seconds=4000)
    world.sandbox.fail_next(fault)
    (result,) = await world.dial(people(1))
    assert result.bucket is Bucket.UNCERTAIN
    (again,) = await world.dial(people(1))
    assert again.bucket is Bucket.UNCERTAIN
    assert world.sandbox.rings() == 1


async def test_a_429_pauses_all_lines_and_loses_nobody(world: CampaignWorld) -> None:
    world.sandbox.fail_next("rate_limited", "rate_limited", "rate_limited")
    results = await world.dial(people(10))
    assert {result.bucket.group for result in results} == {"called"}
    assert world.sandbox.rings() == 10


async def test_the_number_of_lines_that_hamsa_takes_is_found(world: CampaignWorld) -> None:
    world.sandbox.change(lines=3)
    results = await world.dial(people(30), settings=DialSettings(lines=20))
    assert {result.bucket.group for result in results} == {"called"}
    assert world.sandbox.stats()["most_lines_at_once"] == 3


async def test_no_connection_gives_the_task_back_and_a_retry_dials_only_the_rest(world: CampaignWorld) -> None:
    world.sandbox.fail_next("no_connection", number=people(3)[1].phone)
    batch = Batch(1, people(3))

    async def run() -> None:
        async with world.dialer() as dialer:
            with pytest.raises(NotPlaced):
                await dialer.run(batch)
            assert sorted(batch.results) == [1, 3]
            await dialer.run(batch)

    await world.drive(run())
    assert sorted(batch.results) == [1, 2, 3]
    assert world.sandbox.stats()["rings_per_number"] == {person.phone: 1 for person in people(3)}


@pytest.mark.parametrize("fault", ["unauthorized", "forbidden"])
async def test_a_bad_key_stops_the_run_at_once(world: CampaignWorld, fault: str) -> None:
    world.sandbox.fail_next(fault)
    batch = Batch(1, people(40))

    async def run() -> str:
        async with world.dialer(settings=DialSettings(lines=1)) as dialer:
            await dialer.run(batch)
            assert dialer.stopped is not None
            return dialer.stopped.kind

    assert await world.drive(run()) == "unauthorized"
    assert world.sandbox.rings() == 0
    # The key says nothing about the callee: whoever met it first is not reached either, and is free for the next run.
    assert {result.bucket for result in batch.results.values()} == {Bucket.NOT_REACHED}
    assert {attempt.state for attempt in await world.attempts()} == {AttemptState.RELEASED}


@pytest.mark.parametrize("when", ["while every line is in use", "when a call has just ended"])
async def test_a_key_that_goes_bad_ends_the_run_and_the_next_one_follows_its_calls(
    world: CampaignWorld, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = Batch(1, people(8))
    settings = DialSettings(lines=3)

    async def run() -> str:
        async with world.dialer(settings=settings) as dialer:
            work = asyncio.create_task(dialer.run(batch))
            while world.sandbox.rings() < 3:
                await world.clock.sleep(0.1)
            if when == "when a call has just ended":
                # The list still answers, and says that somebody hung up; the record is what is refused.
                get_job = HamsaClient.get_job

                async def with_a_bad_key(client: HamsaClient, job_id: str) -> JobRecord:
                    world.sandbox.change(key_rotated=True)
                    return await get_job(client, job_id)

                monkeypatch.setattr(HamsaClient, "get_job", with_a_bad_key)
            else:
                world.sandbox.change(key_rotated=True)
            await work
            assert dialer.stopped is not None
            return dialer.stopped.kind

    began = world.clock.now()
    assert await world.drive(run()) == "unauthorized"
    assert world.clock.now() - began < timedelta(minutes=10), "no line waited for an end that nobody could tell"
    counts = Counter(result.bucket for result in batch.results.values())
    assert set(counts) == {Bucket.IN_PROGRESS, Bucket.NOT_REACHED}
    assert counts[Bucket.IN_PROGRESS] == world.sandbox.rings()
    assert all("API key" in result.reason for result in batch.results.values())

    monkeypatch.undo()
    world.sandbox.change(key_rotated=False)

    async def next_run() -> None:
        async with world.dialer(settings=settings) as dialer:
            await dialer.follow_all(await world.attempts(states=[AttemptState.PLACED]))
            await dialer.run(Batch(1, people(8)))

    await world.drive(next_run())
    assert set(world.sandbox.stats()["rings_per_number"].values()) == {1}
    found = await world.attempts()
    assert len(found) == 8
    assert all(attempt.ended_at and attempt.record for attempt in found)


@pytest.mark.parametrize("source", ["own", "twilio"])
async def test_calls_from_a_number_of_ones_own_are_followed_and_a_lost_answer_of_one_is_found(
    world: CampaignWorld, source: Any
) -> None:
    agent = CallingAgent(voice_agent_id="agent-plain", number_source=source, from_number="+12125550177")
    world.sandbox.fail_next("ok", "lost_answer")
    results = await world.dial(people(4), agent=agent)
    assert {result.bucket.group for result in results} == {"called"}
    calls = world.sandbox.calls()
    assert {(call["source"], call["machine_number"]) for call in calls} == {(source, "+12125550177")}
    assert {call["call_key"]: call["job_id"] for call in calls} == {
        attempt.call_key: attempt.job_id for attempt in await world.attempts()
    }
    assert len(calls) == 4


async def test_where_no_event_ever_comes_ends_are_learned_from_the_list(world: CampaignWorld) -> None:
    world.sandbox.change(webhook_lost=1, job_statuses="three")
    agent = CallingAgent(voice_agent_id="agent-plain", webhook_url="http://127.0.0.1:9/hamsa")
    results = await world.dial(people(20), agent=agent, settings=DialSettings(lines=10))
    assert world.sandbox.stats()["webhooks"].keys() == {"lost"}
    truth = {call["number"]: call["status"] for call in world.sandbox.calls()}
    assert "NO_ANSWER" in truth.values(), "which records do not tell from a failure"
    assert {result.phone: result.bucket.name for result in results} == truth
    assert {attempt.phone: attempt.status for attempt in await world.attempts()} == truth


USED = {
    *("POST /v1/voice-agents/call", "GET /v1/jobs", "GET /v1/voice-agents/conversations/minimal-list"),
    *("GET /v1/projects/by-api-key", "GET /v2/voice-agents/agent-plain"),
}
"""All that a campaign asks of Hamsa: nothing else of its API, and never the GET that hangs up."""


class Noting(SandboxTransport):
    """Hamsa, and what it was asked."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.asked: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.add(f"{request.method} {request.url.path}")
        return await super().handle_async_request(request)


async def test_nothing_is_asked_of_hamsa_but_calls_their_list_and_records_the_agent_and_the_project(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    hamsa = Noting(world.sandbox)
    monkeypatch.setattr(world, "client", lambda: HamsaClient("key", base_url="http://127.0.0.1:1", transport=hamsa))
    async with world.client() as client:
        await ask_account(client, CallingAgent(voice_agent_id="agent-plain"))
    world.sandbox.fail_next("lost_answer", "ok", "error_after", "rate_limited")
    world.sandbox.change(never_ends=0.3)
    for _ in range(2):
        await world.dial(people(20))
    assert hamsa.asked == USED
    endless = [call["status"] for call in world.sandbox.calls() if call["never_ends"]]
    assert set(endless) == {"IN_PROGRESS"}, "nobody hung up"


@pytest.mark.parametrize(
    ("fault", "kind", "called", "says"),
    [
        ("no_credit", "refusals", 5, "402 InsufficientBalance: The account has no credit left"),
        ("forbidden", "unauthorized", 1, "403 KeyNotForAgent: The API key is not for this agent"),
        ("says_no", "uncertain", 5, "200: The answer to POST"),
        ("error_before", "uncertain", 5, "500 InternalServerError: Internal server error"),
    ],
)
async def test_whatever_says_that_there_is_no_credit_stops_the_run_and_hamsas_words_are_kept(
    world: CampaignWorld, fault: str, kind: str, called: int, says: str
) -> None:
    world.sandbox.fail_next(*[fault] * 60)

    async def run() -> Stop:
        async with world.dialer(settings=DialSettings(lines=1)) as dialer:
            await dialer.run(Batch(1, people(60)))
            assert dialer.stopped is not None
            return dialer.stopped

    stop = await world.drive(run())
    assert (stop.kind, stop.failed) == (kind, True)
    assert says in stop.message
    attempts = await world.attempts()
    assert len(attempts) == called
    assert all(says in f"{attempt.error} {attempt.answer}" for attempt in attempts)
    if fault == "says_no":
        assert "Insufficient balance to place this call" in stop.message
        assert all("Insufficient balance to place this call" in str(attempt.answer) for attempt in attempts)


async def test_thirty_equal_refusals_stop_the_run(world: CampaignWorld) -> None:
    world.sandbox.change(refused=1.0)
    results = await world.dial(people(60), settings=DialSettings(lines=1))
    assert Counter(result.bucket for result in results) == {Bucket.REFUSED: 30, Bucket.NOT_REACHED: 30}


async def test_max_calls_leaves_the_rest_for_the_next_run(world: CampaignWorld) -> None:
    results = await world.dial(people(10), settings=DialSettings(lines=3, max_calls=4))
    assert Counter(result.bucket.group for result in results) == {"called": 4, "later": 6}
    results = await world.dial(people(10))
    assert world.sandbox.rings() == 10


async def test_max_cost_is_never_overrun_once_a_call_is_priced(world: CampaignWorld) -> None:
    await world.dial(people(40), settings=DialSettings(lines=2, max_cost=1.0))
    spent = sum(attempt.cost or 0 for attempt in await world.attempts())
    max_call_cost = max(attempt.cost or 0 for attempt in await world.attempts())
    assert 0.5 < spent <= 1.0 + 2 * max_call_cost
    assert world.sandbox.rings() < 40


async def test_a_canary_that_fails_saves_the_others(world: CampaignWorld) -> None:
    world.sandbox.change(refused=1.0)
    results = await world.dial(people(20), settings=DialSettings(lines=10, canary=3))
    assert Counter(result.bucket for result in results) == {Bucket.REFUSED: 3, Bucket.NOT_REACHED: 17}


async def test_a_canary_that_ends_well_lets_the_others_go(world: CampaignWorld) -> None:
    results = await world.dial(people(20), settings=DialSettings(lines=10, canary=3, canary_max_failed_share=1.0))
    assert {result.bucket.group for result in results} == {"called"}


async def test_a_call_that_never_ends_is_given_up_and_its_line_freed(world: CampaignWorld) -> None:
    world.sandbox.change(never_ends=1.0)
    patience = 300
    results = await world.dial(people(4), settings=DialSettings(lines=1, give_up_after_seconds=patience))
    assert Bucket.IN_PROGRESS in {result.bucket for result in results}
    assert world.sandbox.rings() == 4


async def test_hours_hold_in_the_moment_of_dialing(world: CampaignWorld) -> None:
    night = world.clock.now().replace(hour=2) + timedelta(days=1)
    world.clock.advance_to(night)
    results = await world.dial(people(3), policy=Policy(preset="strict"))
    assert {result.bucket for result in results} == {Bucket.DEFERRED}
    assert all(result.until is not None for result in results)
    assert world.sandbox.rings() == 0


async def test_a_campaign_on_hold_dials_nobody(world: CampaignWorld) -> None:
    await world.hold("c", "the numbers are being checked")
    results = await world.dial(people(3))
    assert {result.bucket for result in results} == {Bucket.NOT_REACHED}
    assert "being checked" in results[0].reason


async def test_calls_per_minute_are_spread(world: CampaignWorld) -> None:
    began = world.clock.now()
    await world.dial(people(12), settings=DialSettings(lines=12, calls_per_minute=6))
    times = [attempt.claimed_at for attempt in await world.attempts()]
    assert times[-1] - began >= timedelta(seconds=110)


async def left_in_progress(world: CampaignWorld, count: int) -> list[Attempt]:
    """The calls that a run left when it was cancelled as soon as all were placed."""

    async def cancelled() -> None:
        async with world.dialer(settings=DialSettings(lines=count)) as dialer:
            work = asyncio.create_task(dialer.run(Batch(1, people(count))))
            while len(world.facts) < count:  # all placed
                await world.clock.sleep(0.01)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    await world.drive(cancelled())
    placed = await world.attempts(states=[AttemptState.PLACED])
    assert placed
    return placed


async def test_what_an_earlier_run_left_in_progress_is_followed(world: CampaignWorld) -> None:
    placed = await left_in_progress(world, 5)
    assert len(placed) == 5

    async def resume() -> None:
        async with world.dialer() as dialer:
            await dialer.follow_all(placed)

    await world.drive(resume())
    assert not await world.attempts(states=[AttemptState.PLACED, AttemptState.CLAIMED, AttemptState.UNCERTAIN])
    assert world.sandbox.rings() == 5


async def test_a_hold_stops_a_running_campaign(world: CampaignWorld) -> None:
    async def run() -> list[Bucket]:
        async with world.dialer(settings=DialSettings(lines=1)) as dialer:
            work = asyncio.create_task(dialer.run(Batch(1, people(10))))
            await world.clock.sleep(60)
            await world.hold("c", "a complaint came in")
            return [result.bucket for result in await work]

    buckets = await world.drive(run())
    assert 0 < world.sandbox.rings() < 10
    assert buckets.count(Bucket.NOT_REACHED) == 10 - world.sandbox.rings()


async def test_a_resumed_run_does_not_count_its_calls_twice(world: CampaignWorld) -> None:
    settings = DialSettings(lines=3, max_calls=6)
    await world.dial(people(4), settings=settings, run_id="one")
    results = await world.dial(people(20), settings=settings, run_id="one")
    assert world.sandbox.rings() == 6
    assert "made the 6 calls it may make (max_calls)" in results[-1].reason
    await world.dial(people(20), settings=settings, run_id="two")
    assert world.sandbox.rings() == 12


async def test_calls_of_earlier_runs_do_not_count_for_the_canary(world: CampaignWorld) -> None:
    placed = await left_in_progress(world, 6)

    async def next_run() -> int:
        async with world.dialer(settings=DialSettings(lines=20, canary=2)) as dialer:
            await dialer.follow_all(placed)
            work = asyncio.create_task(dialer.run(Batch(1, people(10, start=100))))
            before = world.sandbox.rings()
            while world.sandbox.rings() < before + 2:
                await world.clock.sleep(0.1)
            await world.clock.sleep(2)
            together = world.sandbox.rings() - before
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return together

    assert await world.drive(next_run()) == 2


async def test_what_was_said_is_not_lost_when_hamsa_does_not_give_the_record_for_a_while(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_client: HamsaClient, job_id: str) -> JobRecord:
        raise Unavailable(f"no record of {job_id}", status_code=503)

    with monkeypatch.context() as planted:
        planted.setattr(HamsaClient, "get_job", nothing)
        results = await world.dial(people(30), settings=DialSettings(lines=30))
    buckets = {result.bucket for result in results}
    assert Bucket.IN_PROGRESS in buckets
    assert buckets <= {Bucket.IN_PROGRESS, Bucket.NO_ANSWER, Bucket.FAILED}, (
        "nobody can have talked, so the end is known"
    )
    left = await world.attempts(states=[AttemptState.PLACED])

    async def next_run() -> list[Attempt]:
        async with world.dialer() as dialer:
            return await dialer.follow_all(left)

    assert all(attempt.record and attempt.state in ENDED for attempt in await world.drive(next_run()))
    assert world.sandbox.rings() == 30


async def test_an_end_that_a_webhook_reported_without_an_outcome_is_completed_from_the_record(
    world: CampaignWorld,
) -> None:
    agent = CallingAgent(voice_agent_id="agent-plain", webhook_url="https://example.com/hamsa")

    async def run() -> list[Result]:
        async with (
            world.dialer(agent=agent) as dialer,
            Ledger(world.url, clock=world.clock) as receiver,
        ):
            work = asyncio.create_task(dialer.run(Batch(1, people(1))))
            while not (placed := await receiver.attempts(states=[AttemptState.PLACED])):
                await world.clock.sleep(0.1)
            while world.sandbox.calls()[0]["ended_at"] is None:
                await world.clock.sleep(1)
            await receiver.end(CallEnd(state=AttemptState.COMPLETED), call_key=placed[0].call_key)
            return await work

    (result,) = await world.drive(run())
    assert result.bucket is Bucket.COMPLETED
    (attempt,) = await world.attempts()
    assert attempt.outcome is not None


async def test_a_run_that_stops_waits_no_more_for_a_limit_that_others_hold(world: CampaignWorld) -> None:
    free = asyncio.Semaphore(0)

    async def run() -> list[Result]:
        async with world.dialer(permit=lambda: free, settings=DialSettings(lines=5)) as dialer:
            work = asyncio.create_task(dialer.run(Batch(1, people(8))))
            await world.clock.sleep(5)
            dialer.stop(Stop("refusals", "Enough.", failed=True))
            return await work

    results = await world.drive(run())
    assert {result.bucket for result in results} == {Bucket.NOT_REACHED}
    assert world.sandbox.rings() == 0


async def test_who_waited_together_for_a_limit_does_not_call_together(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = asyncio.Semaphore(0)
    starts: list[datetime] = []
    start = Lines.start

    async def noted(lines: Lines) -> None:
        await start(lines)
        starts.append(world.clock.now())  # of the sandbox's moments the clock may be ahead by now

    monkeypatch.setattr(Lines, "start", noted)

    async def run() -> None:
        async with world.dialer(permit=lambda: held, settings=DialSettings(lines=10, calls_per_minute=6)) as dialer:
            work = asyncio.create_task(dialer.run(Batch(1, people(8))))
            await world.clock.sleep(100)  # all of them have a line by now
            for _ in range(8):
                held.release()
            await work

    await world.drive(run())
    assert len(starts) == world.sandbox.rings() == 8
    assert min(later - sooner for sooner, later in pairwise(starts)) >= timedelta(seconds=9.9)


async def test_a_call_that_nobody_can_look_for_is_not_reported_as_never_made(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sandbox.fail_next("lost_answer")

    async def gone(_watcher: Watcher, _attempt: Attempt) -> bool:
        raise LedgerError("The ledger is away.")

    monkeypatch.setattr(Watcher, "adopted", gone)
    (result,) = await world.dial(people(1))
    assert result.bucket is Bucket.UNCERTAIN
    assert world.sandbox.rings() == 1


async def test_an_event_that_cannot_be_emitted_takes_no_call_down(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fact: object) -> None:
        raise ValueError("too large")

    monkeypatch.setattr(world, "facts", SimpleNamespace(append=fail))
    results = await world.dial(people(3))
    assert {result.bucket.group for result in results} == {"called"}


async def test_a_hold_that_a_claim_meets_first_is_reported_as_one(world: CampaignWorld) -> None:
    async def run() -> str | None:
        async with world.dialer(settings=DialSettings(lines=2)) as dialer:
            await world.hold("c", "wrong script")  # just after the run asked, and before it asks again
            await dialer.run(Batch(1, people(8)))
            return dialer.stopped.message if dialer.stopped is not None else None

    assert "is on hold (wrong script)" in str(await world.drive(run()))
    assert world.sandbox.rings() == 0


async def test_what_is_emitted_about_an_earlier_call_names_the_agent_that_made_it(world: CampaignWorld) -> None:
    placed = await left_in_progress(world, 2)
    world.facts.clear()

    async def next_run() -> None:
        async with world.dialer(agent=CallingAgent(voice_agent_id="agent-other")) as dialer:
            await dialer.follow_all(placed)

    await world.drive(next_run())
    assert {fact.agent_id for fact in world.facts} == {"agent-plain"}
