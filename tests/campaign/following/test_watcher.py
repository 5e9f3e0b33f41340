"""The watcher learns how calls go at the cost of a page, not of a request for each call."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from campaign.agent import CallingAgent
from campaign.attempts import Attempt, Claim
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.dialing.placing import lease_seconds, place_call
from campaign.following.settling import Settler
from campaign.following.watched import EndSeen
from campaign.following.watcher import Watcher
from campaign.ledger.ledger import Ledger
from campaign.rules.policy.dial_settings import DialSettings
from hamsa import HamsaClient, Uncertain
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people
from tests.sandbox_transport import SandboxTransport

ENDLESS = "+12125550196"
"""The sandbox's number that answers and never ends the call."""


class Counting(SandboxTransport):
    """The sandbox, and what was asked of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: Counter[str] = Counter()
        self.lists: list[httpx.QueryParams] = []
        self.before: Callable[[httpx.Request], None] = lambda _request: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.before(request)
        self.asked["lists" if "minimal-list" in request.url.path else request.url.path] += 1
        if "minimal-list" in request.url.path:
            self.lists.append(request.url.params)
        return await super().handle_async_request(request)


class Tower:
    """A watcher over calls that are in progress."""

    def __init__(self, world: CampaignWorld, ledger: Ledger) -> None:
        self.world = world
        self.ledger = ledger
        self.transport = Counting(world.sandbox)
        self.client = HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=self.transport)

    def watcher(self, settings: DialSettings, *, by_webhook: bool = False) -> Watcher:
        settler = Settler(self.client, self.ledger)
        return Watcher(
            self.client,
            self.ledger,
            settler,
            clock=self.world.clock,
            agent_id="agent-plain",
            settings=settings,
            by_webhook=by_webhook,
        )

    def call(self, number: int, *, seconds_ago: float = 0.0, endless: bool = False) -> tuple[str, datetime]:
        """A call in progress: its job, and since when."""
        since = self.world.clock.now() - timedelta(seconds=seconds_ago)
        phone = ENDLESS if endless else people(1, start=number)[0].phone
        planted = self.world.sandbox.plant_call(phone, voice_agent_id="agent-plain", created=since.timestamp())
        return planted["job_id"], since

    async def follow(
        self, calls: list[tuple[str, datetime]], settings: DialSettings, *, by_webhook: bool = False
    ) -> list[EndSeen | None]:
        """Follow calls until they are over or given up."""
        watcher = self.watcher(settings, by_webhook=by_webhook)

        async def run() -> list[EndSeen | None]:
            watcher.start()
            try:
                return await asyncio.gather(*(watcher.end_of(job_id, job_id, since) for job_id, since in calls))
            finally:
                await watcher.stop()

        return await self.world.drive(run())


@pytest.fixture
async def tower(world: CampaignWorld) -> AsyncIterator[Tower]:
    async with AsyncExitStack() as stack:
        tower = Tower(world, await stack.enter_async_context(Ledger(world.url, clock=world.clock)))
        await stack.enter_async_context(tower.client)
        yield tower


async def uncertain_attempt(tower: Tower) -> Attempt:
    """An attempt whose phone rang and whose answer was lost."""
    (somebody,) = people(1)
    agent = CallingAgent(voice_agent_id="agent-plain")
    claim = await tower.ledger.claim(
        claim_request(
            somebody,
            Claimant(
                campaign="c",
                run_id="run",
                rules=UNRESTRICTED.resolved(),
                lease_seconds=lease_seconds(tower.client),
                account="project",
                agent_id=agent.voice_agent_id,
            ),
        )
    )
    assert isinstance(claim, Claim)
    tower.world.sandbox.fail_next("lost_answer")
    with pytest.raises(Uncertain):
        await place_call(tower.client, tower.ledger, claim, agent.request(somebody.phone, {}, claim.call_key))
    (attempt,) = await tower.ledger.attempts(call_keys=[claim.call_key])
    return attempt


AT_ONCE = DialSettings().model_copy(update={"give_up_after_seconds": 30, "unseen_after_seconds": 0})
"""As settling looks: what the list does not show is asked for at once."""


async def test_calls_that_the_list_shows_are_not_asked_for_one_by_one(tower: Tower) -> None:
    tower.world.sandbox.change(never_ends=1.0)
    calls = [tower.call(number) for number in range(20)]
    assert None in await tower.follow(calls, AT_ONCE)
    assert tower.transport.asked["/v1/jobs"] == 0
    assert 1 <= tower.transport.asked["lists"] <= 30


async def test_a_call_that_the_list_does_not_show_is_asked_for_at_once_and_then_ever_more_rarely(tower: Tower) -> None:
    tower.world.sandbox.change(never_ends=1.0, list_lag_seconds=9999)
    assert await tower.follow([tower.call(0)], AT_ONCE.model_copy(update={"give_up_after_seconds": 230})) == [None]
    assert tower.transport.asked["/v1/jobs"] == 4, "at once, and then after about 30, 90 and 210 seconds"


@pytest.mark.parametrize(("by_webhook", "after"), [(False, 30.0), (True, 90.0)])
async def test_where_webhooks_report_the_ends_a_call_may_be_unseen_until_the_list_was_read_again(
    tower: Tower, by_webhook: bool, after: float
) -> None:
    tower.world.sandbox.change(never_ends=1.0, list_lag_seconds=9999)
    began, asked_at = tower.world.clock.now(), []

    def note(request: httpx.Request) -> None:
        if request.url.path == "/v1/jobs":
            asked_at.append((tower.world.clock.now() - began).total_seconds())

    tower.transport.before = note
    settings = DialSettings(give_up_after_seconds=120, poll_max_seconds=5)
    await tower.follow([tower.call(0)], settings, by_webhook=by_webhook)
    assert after <= asked_at[0] <= after + settings.poll_max_seconds


@pytest.mark.parametrize(("long", "read"), [(10, False), (11, True)])
async def test_the_list_is_not_read_for_a_few_long_calls(tower: Tower, long: int, read: bool) -> None:
    calls = [tower.call(number, seconds_ago=1000, endless=True) for number in range(long)]
    await tower.follow(calls, DialSettings(give_up_after_seconds=120))
    assert (tower.transport.asked["lists"] > 0) is read
    assert (tower.transport.asked["/v1/jobs"] == 0) is read


async def test_where_webhooks_report_the_ends_a_long_call_is_asked_for_once_a_minute_at_most(tower: Tower) -> None:
    settings = DialSettings(poll_max_seconds=5, give_up_after_seconds=960)
    tower.world.sandbox.change(never_ends=1.0)
    assert await tower.follow([tower.call(0)], settings, by_webhook=True) == [None]
    # From its fourth minute on.
    assert 10 <= tower.transport.asked["/v1/jobs"] <= 13


async def test_a_job_that_hamsa_does_not_know_three_times_is_given_up(tower: Tower) -> None:
    began = tower.world.clock.now()
    assert await tower.follow([("no-such-job", began)], DialSettings(unseen_after_seconds=0)) == [None]
    assert tower.transport.asked["/v1/jobs"] == 3
    assert tower.world.clock.now() - began < timedelta(seconds=DialSettings().give_up_after_seconds)


async def test_a_call_that_hamsa_showed_once_is_followed_though_it_knows_it_no_more(tower: Tower) -> None:
    began = tower.world.clock.now()

    def forget(request: httpx.Request) -> None:
        if tower.transport.asked["lists"]:
            tower.world.sandbox.change(list_lag_seconds=9999)
        if request.url.path == "/v1/jobs":
            request.url = request.url.copy_set_param("jobId", "no-such-job")

    tower.transport.before = forget
    await tower.follow([tower.call(0, endless=True)], AT_ONCE.model_copy(update={"give_up_after_seconds": 600}))
    assert tower.transport.asked["/v1/jobs"] > 3
    assert tower.world.clock.now() - began >= timedelta(seconds=600)


async def test_a_call_that_hangs_for_weeks_does_not_make_every_look_read_the_list_of_weeks(tower: Tower) -> None:
    tower.world.sandbox.change(never_ends=1.0)
    stuck, live = tower.call(0, seconds_ago=20 * 86_400), tower.call(1)
    await tower.follow([stuck, live], DialSettings(give_up_after_seconds=120))
    assert tower.transport.asked["/v1/jobs"] >= 1
    earliest = min(int(asked["startTime"]) for asked in tower.transport.lists) / 1000
    assert tower.world.clock.now().timestamp() - earliest < 3600


@pytest.mark.parametrize(
    "order",
    [
        "newest",
        pytest.param("oldest", marks=pytest.mark.thorough),
        pytest.param("random", marks=pytest.mark.thorough),
    ],
)
async def test_one_call_that_does_not_end_costs_a_tenth_more_requests_at_most(tower: Tower, order: str) -> None:
    async def requests(*, hanging: int) -> int:
        tower.world.sandbox.reset()
        tower.world.sandbox.change(list_order=order)
        tower.transport.asked.clear()
        watcher = tower.watcher(DialSettings(give_up_after_seconds=3600))
        watcher.start()
        tower.world.sandbox.change(never_ends=1.0)
        hung = [tower.call(1000 + number) for number in range(hanging)]
        tower.world.sandbox.change(never_ends=0.0)
        waiting = [asyncio.create_task(watcher.end_of(job_id, job_id, since)) for job_id, since in hung]
        numbers = iter(range(400))

        async def line() -> None:
            for number in numbers:
                job_id, since = tower.call(number)
                assert await watcher.end_of(job_id, job_id, since) is not None

        await tower.world.drive(asyncio.gather(*(line() for _ in range(20))))
        for task in waiting:
            task.cancel()
        await asyncio.gather(watcher.stop(), *waiting, return_exceptions=True)
        return tower.transport.asked.total() + 2 * 400  # each of them is placed, and its record read

    assert await requests(hanging=1) <= 1.1 * await requests(hanging=0)


async def test_a_call_that_hung_for_weeks_is_found_to_be_over_by_its_id(tower: Tower) -> None:
    rarely = AT_ONCE.model_copy(update={"unseen_after_seconds": 600})
    (over,) = await tower.follow([tower.call(0, seconds_ago=20 * 86_400)], rarely)
    assert over is not None
    assert over.record is not None
    assert tower.transport.asked == {"/v1/jobs": 1}


async def adopted(tower: Tower, attempt: Attempt, settings: DialSettings, *, by_webhook: bool = False) -> bool:
    """Whether the watcher finds an uncertain attempt's call while it holds a line for it."""
    watcher = tower.watcher(settings, by_webhook=by_webhook)

    async def run() -> bool:
        watcher.start()
        try:
            return await watcher.adopted(attempt)
        finally:
            await watcher.stop()

    return await tower.world.drive(run())


async def test_an_attempt_that_is_long_uncertain_is_looked_for_in_its_own_time(tower: Tower) -> None:
    attempt = await uncertain_attempt(tower)
    tower.world.clock.advance(20 * 86_400)
    assert await adopted(tower, attempt, DialSettings())
    latest = max(int(asked["endTime"]) for asked in tower.transport.lists) / 1000
    assert latest < attempt.lease_until.timestamp() + DialSettings().settle_grace_seconds + 301


async def test_a_call_whose_answer_was_lost_is_looked_for_as_often_where_webhooks_report_the_ends(tower: Tower) -> None:
    tower.world.sandbox.change(list_lag_seconds=20)
    attempt = await uncertain_attempt(tower)
    began = tower.world.clock.now()
    assert await adopted(tower, attempt, DialSettings(poll_max_seconds=5), by_webhook=True)
    assert (tower.world.clock.now() - began).total_seconds() < 30


async def test_no_line_is_held_for_a_lost_answer_once_the_key_is_not_accepted(tower: Tower) -> None:
    attempt = await uncertain_attempt(tower)
    tower.world.sandbox.change(key_rotated=True)
    began = tower.world.clock.now()
    assert not await adopted(tower, attempt, DialSettings(poll_max_seconds=5))
    assert (tower.world.clock.now() - began).total_seconds() < 10


@pytest.mark.parametrize(("asked_for", "pause"), [(20, 20.0), (600, 30.0)], ids=["as asked", "six looks at most"])
async def test_a_list_that_hamsa_refuses_is_asked_for_again_no_sooner_than_it_says(
    tower: Tower, asked_for: int, pause: float
) -> None:
    tower.world.sandbox.change(retry_after_seconds=asked_for)
    tower.world.sandbox.fail_next("rate_limited", reads=True)
    listed_at: list[datetime] = []
    tower.transport.before = lambda _request: listed_at.append(tower.world.clock.now())
    settings = DialSettings(give_up_after_seconds=120, poll_max_seconds=5, unseen_after_seconds=600)
    await tower.follow([tower.call(0, endless=True)], settings)
    assert pause <= (listed_at[1] - listed_at[0]).total_seconds() <= pause + 5


@pytest.mark.parametrize(("behind", "listed"), [(300, True), (301, False)])
async def test_a_call_is_found_in_the_list_though_hamsas_clock_is_minutes_behind(
    tower: Tower, behind: int, listed: bool
) -> None:
    job_id, _ = tower.call(0, seconds_ago=behind)
    (over,) = await tower.follow([(job_id, tower.world.clock.now())], DialSettings(unseen_after_seconds=600))
    assert over is not None
    assert (over.row is not None) is listed  # what is not listed is asked for by its id, later


THREE_HOURS = 3 * 3600


@pytest.mark.parametrize("ahead", [-THREE_HOURS, THREE_HOURS], ids=["behind", "ahead"])
@pytest.mark.parametrize("clock", ["all of Hamsa", "what it writes"])
async def test_calls_stay_in_view_though_hamsas_clock_is_hours_off(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch, ahead: int, clock: str
) -> None:
    world.sandbox.change(clock_skew_seconds=ahead)
    if clock == "what it writes":  # as where a time without a zone is a local one: its filters go by true time

        def true_times(request: httpx.Request) -> None:
            query = request.url.params
            shifted = {name: int(query[name]) + ahead * 1000 for name in ("startTime", "endTime") if name in query}
            request.url = request.url.copy_merge_params({name: str(value) for name, value in shifted.items()})
    else:

        def true_times(request: httpx.Request) -> None:
            pass

    transport = Counting(world.sandbox)
    transport.before = true_times
    client = HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=transport)
    monkeypatch.setattr(world, "client", lambda: client)
    results = await world.dial(people(8), settings=DialSettings(lines=4))
    assert {result.bucket.value for result in results} <= {
        "completed",
        "no_answer",
        "failed",
        "terminated",
        "forwarded",
    }
    # Each record once, at its end: no call was out of the list's view and asked for alone.
    assert transport.asked["/v1/jobs"] == len(world.sandbox.calls())


@pytest.mark.parametrize("ahead", [-THREE_HOURS, THREE_HOURS], ids=["behind", "ahead"])
async def test_an_adopted_call_was_placed_by_our_clock(tower: Tower, ahead: int) -> None:
    tower.world.sandbox.change(clock_skew_seconds=ahead)
    await tower.world.dial(people(3, start=20))  # from the answers to these the difference is learned
    attempt = await uncertain_attempt(tower)
    began = tower.world.clock.now()
    settler = Settler(tower.client, tower.ledger)
    assert (await settler.settle([attempt])).adopted == [attempt.call_key]
    (adopted,) = await tower.ledger.attempts(call_keys=[attempt.call_key])
    assert adopted.placed_at is not None
    assert abs((adopted.placed_at - began).total_seconds()) < 120
