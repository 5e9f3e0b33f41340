"""Settling against the real world: a lost answer is found, proved absent or left uncertain, and never guessed wrong."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from campaign.agent import CallingAgent
from campaign.attempts import Attempt, AttemptState, Claim
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.dialing.placing import lease_seconds, place_call
from campaign.following.reading import TRIES
from campaign.following.settling import CONTROLS, Settled, Settler, split_by_time
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules.policy.dial_settings import DialSettings
from hamsa import HamsaClient, Unauthorized, Uncertain
from sandbox.calls import Phase
from sandbox.calls.lives import Step
from sandbox.scenario.scenario import PRESETS
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people
from tests.campaign.ledger.asking import up_to
from tests.promises.processes import sqlite_without_threads
from tests.sandbox_transport import SandboxTransport

UNCERTAIN, NOT_PLACED, PLACED = AttemptState.UNCERTAIN, AttemptState.NOT_PLACED, AttemptState.PLACED

SETTINGS = DialSettings(clock_skew_seconds=300, settle_grace_seconds=900, settle_looks=3, settle_look_every_seconds=60)

AGENT = CallingAgent(voice_agent_id="agent-plain")
INLINE = CallingAgent(agent_details={"agentName": "Inline", "greetingMessage": "Hello, this is an AI."})

Change = Callable[[str, Any], Any]
"""Given the path of a GET and the `data` of its answer: the `data` to answer with."""


class ChangedAnswers(SandboxTransport):
    """The sandbox, except that what it answers to GET requests is changed on the way."""

    change: Change | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if self.change is None or request.method != "GET":
            return response
        body = json.loads(await response.aread())
        body["data"] = self.change(request.url.path, body["data"])
        return httpx.Response(response.status_code, json=body)


class Desk:
    """Where attempts are settled: one ledger, one account's client, a sandbox and a clock that is turned by hand."""

    def __init__(self, world: CampaignWorld, ledger: Ledger) -> None:
        self.world = world
        self.sandbox = world.sandbox
        self.ledger = ledger
        self.transport = ChangedAnswers(world.sandbox)
        self.client = HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=self.transport)
        self.settler = Settler(self.client, ledger, SETTINGS)
        self.controls = 0

    def pass_time(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    async def claim(
        self,
        who: Recipient,
        *,
        campaign: str = "c",
        account: str | None = "project",
        agent: CallingAgent = AGENT,
        run_id: str = "run",
    ) -> Claim:
        request = claim_request(
            who,
            Claimant(
                campaign=campaign,
                run_id=run_id,
                rules=replace(UNRESTRICTED.resolved(), max_attempts=9),
                lease_seconds=lease_seconds(self.client),
                account=account,
                agent_id=agent.voice_agent_id,
            ),
        )
        # Controls call one number again and again, as the rules let nobody do: they are tried elsewhere.
        claim = await self.ledger.claim(replace(request, decide=up_to(9)))
        assert isinstance(claim, Claim), claim
        return claim

    async def call(self, who: Recipient, fault: str = "ok", *, agent: CallingAgent = AGENT, **how: Any) -> Attempt:
        """Call somebody; the POST meets `fault`. Returns the attempt as the ledger has it then."""
        self.sandbox.fail_next(fault)
        claim = await self.claim(who, agent=agent, **how)
        with suppress(Uncertain):
            await place_call(self.client, self.ledger, claim, agent.request(who.phone, who.params, claim.call_key))
        return await self.now_of(claim.call_key)

    async def control(self, number: int = 950, *, meets: Any = None, **how: Any) -> Attempt:
        """A call that goes well, by the transitions it `meets`: by such what the list shows of others is checked."""
        self.controls += 1
        (somebody,) = people(1, start=number)
        scenario = self.sandbox.scenario
        if meets is not None:
            self.sandbox.change(transitions=meets)
        attempt = await self.call(somebody, campaign=f"control-{self.controls}", **how)
        self.sandbox.scenario = scenario
        return attempt

    async def followed_by_control(self, attempt: Attempt, **how: Any) -> None:
        """Let an attempt's lease pass, and make a call that goes well."""
        self.world.clock.advance_to(max(attempt.lease_until, self.world.clock.now()))
        await self.control(**how)

    async def follow_to_end(self, attempt: Attempt) -> None:
        """See a placed call to its end, as a run does: that is when its record is read."""
        self.pass_time(600)
        assert attempt.job_id is not None
        record = await self.client.get_job(attempt.job_id)
        end = CallEnd(AttemptState.COMPLETED, echoed=record.call_key == attempt.call_key)
        await self.ledger.end(end, call_key=attempt.call_key, job_id=attempt.job_id)

    async def learn_to_echo(self, number: int = 900, **how: Any) -> None:
        """Let the ledger see once that job records give our key back."""
        (somebody,) = people(1, start=number)
        await self.follow_to_end(await self.call(somebody, **how))

    async def now_of(self, call_key: str) -> Attempt:
        (attempt,) = await self.ledger.attempts(call_keys=[call_key])
        return attempt

    async def settle(self, account: str | None = "project") -> Settled:
        """One round over all that is uncertain in this account."""
        await self.ledger.expire_leases()
        return await self.settler.settle(await self.ledger.attempts(states=[UNCERTAIN], account=account))

    async def settle_for(self, seconds: float, *, every: float = 120) -> None:
        """Rounds of settling, one after the other, for so long."""
        for _ in range(int(seconds / every)):
            self.pass_time(every)
            await self.settle()

    async def state_after_all(self, attempt: Attempt) -> AttemptState:
        """What settling for an hour makes of an attempt, beside which other calls were made."""
        await self.followed_by_control(attempt)
        await self.settle_for(3600, every=300)
        return (await self.now_of(attempt.call_key)).state

    def from_dashboard(self, who: Recipient, *, seconds_ago: float = 0, **how: Any) -> dict[str, Any]:
        """Somebody calls the same customer by hand."""
        created = self.world.clock.now().timestamp() - seconds_ago
        return self.sandbox.plant_call(who.phone, voice_agent_id="agent-plain", created=created, **how)


NOBODY_ANSWERS = {Phase.RINGING: (Step(to=Phase.NO_ANSWER, weight=1, dwell="ring_out"),)}
EVERY_CALL_FAILS = {Phase.RINGING: (Step(to=Phase.FAILED, weight=1, dwell="fail"),)}


@pytest.fixture
async def desk(world: CampaignWorld) -> AsyncIterator[Desk]:
    """Before whatever is tried, one call went unanswered: without such a call a list proves nothing."""
    async with AsyncExitStack() as stack:
        stack.enter_context(sqlite_without_threads())  # hundreds of statements a test, and a change of threads for each
        desk = Desk(world, await stack.enter_async_context(Ledger(world.url, clock=world.clock)))
        await stack.enter_async_context(desk.client)
        await desk.control(meets=NOBODY_ANSWERS)
        desk.pass_time(1)
        yield desk


@pytest.fixture
def customer() -> Recipient:
    return people(1)[0]


# -- what Hamsa's list looks like --------------------------------------------------------------------------------------


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("ahead", [-290, -61, 61, 290])
async def test_a_call_is_found_though_the_clocks_differ_by_minutes(
    desk: Desk, customer: Recipient, ahead: float, echo: bool
) -> None:
    desk.sandbox.change(clock_skew_seconds=ahead, echo_params=echo)
    attempt = await desk.call(customer, "lost_answer")
    desk.pass_time(10)
    assert (await desk.settle()).adopted == [attempt.call_key]


@pytest.mark.parametrize("ahead", [-290, 290])
async def test_absence_is_not_believed_sooner_because_clocks_differ(
    desk: Desk, customer: Recipient, ahead: float
) -> None:
    desk.sandbox.change(clock_skew_seconds=ahead, list_lag_seconds=800)
    attempt = await desk.call(customer, "error_after")
    assert await desk.state_after_all(attempt) is PLACED


@pytest.mark.parametrize("lag", [5, 120, 890])
async def test_a_list_that_lags_proves_nothing_until_the_call_shows(
    desk: Desk, customer: Recipient, lag: float
) -> None:
    desk.sandbox.change(list_lag_seconds=lag)
    attempt = await desk.call(customer, "lost_answer")
    while (await desk.now_of(attempt.call_key)).state is UNCERTAIN:
        desk.pass_time(30)
        settled = await desk.settle()
        assert not settled.absent
    assert (await desk.now_of(attempt.call_key)).state is PLACED


@pytest.mark.parametrize("order", ["newest", "oldest", "random"])
async def test_a_call_is_found_on_whatever_page_it_is(desk: Desk, order: str) -> None:
    desk.sandbox.change(list_order=order)
    crowd = people(460, start=100)
    for who in crowd[:230]:
        desk.from_dashboard(who, seconds_ago=20)
    attempt = await desk.call(people(1)[0], "lost_answer")
    for who in crowd[230:]:
        desk.from_dashboard(who)
    assert (await desk.settle()).adopted == [attempt.call_key]


@pytest.mark.parametrize("style", ["without_plus", "double_zero", "national", "international"])
async def test_a_number_written_otherwise_is_the_same_number(desk: Desk, customer: Recipient, style: str) -> None:
    desk.sandbox.change(list_numbers=style, echo_params=False)
    attempt = await desk.call(customer, "no_id")
    assert (await desk.settle()).adopted == [attempt.call_key]


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "html_504", "unreadable", "no_id"])
async def test_however_the_answer_was_lost_the_call_is_adopted_once(
    desk: Desk, customer: Recipient, fault: str
) -> None:
    attempt = await desk.call(customer, fault)
    assert (await desk.settle()).adopted == [attempt.call_key]
    settled = await desk.now_of(attempt.call_key)
    (call,) = desk.sandbox.calls(customer.phone)
    assert (settled.state, settled.job_id) == (PLACED, call["job_id"])
    assert (await desk.settle()) == Settled()


# -- absence -----------------------------------------------------------------------------------------------------------


async def test_absence_is_believed_only_after_the_grace_and_repeated_looks(desk: Desk, customer: Recipient) -> None:
    attempt = await desk.call(customer, "error_before")
    over = attempt.lease_until + timedelta(seconds=SETTINGS.settle_grace_seconds)
    await desk.followed_by_control(attempt)
    while desk.world.clock.now() < over - timedelta(seconds=90):
        desk.pass_time(60)
        assert not (await desk.settle()).absent
    desk.world.clock.advance_to(over)
    assert (await desk.settle()).absent == [attempt.call_key]
    settled = await desk.now_of(attempt.call_key)
    assert settled.state is NOT_PLACED
    assert settled.error is not None
    assert "complete looks" in settled.error


async def test_absence_is_not_believed_without_a_call_shortly_before_and_one_shortly_after(
    desk: Desk, customer: Recipient
) -> None:
    first = await desk.call(customer, "error_before")
    await desk.settle_for(3600, every=300)
    assert "no other call of this agent from shortly after it" in str((await desk.now_of(first.call_key)).error)
    desk.pass_time(4 * 86_400)
    attempt = await desk.call(people(1, start=1)[0], "error_before")
    await desk.followed_by_control(attempt, meets=NOBODY_ANSWERS)
    await desk.settle_for(3600, every=300)
    assert "no other call of this agent from shortly before it" in str((await desk.now_of(attempt.call_key)).error)
    assert {each.state for each in await desk.ledger.attempts(call_keys=[first.call_key, attempt.call_key])} == {
        UNCERTAIN
    }


async def test_looks_in_quick_succession_count_as_one(desk: Desk, customer: Recipient) -> None:
    attempt = await desk.call(customer, "error_before")
    await desk.followed_by_control(attempt)
    desk.world.clock.advance_to(attempt.lease_until + timedelta(seconds=SETTINGS.settle_grace_seconds))
    for _ in range(10):
        desk.pass_time(5)
        assert not (await desk.settle()).absent
    assert (await desk.now_of(attempt.call_key)).looks == 1
    await desk.settle_for(360)
    assert (await desk.now_of(attempt.call_key)).state is NOT_PLACED


async def test_two_settlers_at_once_do_not_count_one_look_twice(desk: Desk, customer: Recipient) -> None:
    attempt = await desk.call(customer, "error_before")
    await desk.followed_by_control(attempt)
    desk.world.clock.advance_to(attempt.lease_until + timedelta(seconds=SETTINGS.settle_grace_seconds))
    seen = await desk.ledger.attempts(states=[UNCERTAIN])
    for _ in range(5):
        await desk.settler.settle(seen)
    assert (await desk.now_of(attempt.call_key)).looks == 1


def promising_more(path: str, data: Any) -> Any:
    """A list that counts one call more than it shows."""
    return {**data, "filtered": data["filtered"] + 1} if "minimal-list" in path else data


def uncounted(path: str, data: Any) -> Any:
    """A list that does not count its rows."""
    return {"calls": data["calls"]} if "minimal-list" in path else data


async def test_a_list_that_was_not_read_whole_never_counts_as_absence(desk: Desk, customer: Recipient) -> None:
    attempt = await desk.call(customer, "error_before")
    desk.transport.change = promising_more
    assert await desk.state_after_all(attempt) is UNCERTAIN
    assert (await desk.now_of(attempt.call_key)).looks == 0
    desk.transport.change = None
    assert await desk.state_after_all(attempt) is NOT_PLACED


async def test_a_list_without_a_count_is_read_until_it_is_empty(desk: Desk, customer: Recipient) -> None:
    desk.transport.change = uncounted
    there = await desk.call(customer, "lost_answer")
    absent = await desk.call(people(1, start=1)[0], "lost_request")
    assert await desk.state_after_all(absent) is NOT_PLACED
    assert (await desk.now_of(there.call_key)).state is PLACED


@pytest.mark.timeout(120)
async def test_a_list_that_shows_the_same_page_for_ever_is_not_read_for_ever(desk: Desk, customer: Recipient) -> None:
    first_page: dict[str, Any] = {}

    def only_first_page(path: str, data: Any) -> Any:
        if "minimal-list" not in path:
            return data
        first_page.setdefault("data", {**data, "calls": data["calls"][:200]})
        return first_page["data"]

    for who in people(250, start=100):
        desk.from_dashboard(who)
    attempt = await desk.call(customer, "error_before")
    desk.transport.change = only_first_page
    assert await desk.state_after_all(attempt) is UNCERTAIN


async def test_a_count_of_one_page_is_not_read_as_the_count_of_all(desk: Desk, customer: Recipient) -> None:
    def count_of_page(path: str, data: Any) -> Any:
        return {**data, "total": len(data["calls"]), "filtered": len(data["calls"])} if "list" in path else data

    desk.sandbox.change(list_order="oldest")
    for who in people(230, start=100):
        desk.from_dashboard(who, seconds_ago=20)
    attempt = await desk.call(customer, "lost_answer")
    desk.transport.change = count_of_page
    assert await desk.state_after_all(attempt) is PLACED


async def test_a_list_that_cannot_be_read_changes_nothing_and_says_so(desk: Desk, customer: Recipient) -> None:
    attempt = await desk.call(customer, "error_before")
    before = await desk.now_of(attempt.call_key)
    for fault in ("html_502", "rate_limited", "lost_answer"):
        # A page that fails is asked for again; a 429 says when, and that is later.
        desk.sandbox.fail_next(*[fault] * (1 if fault == "rate_limited" else TRIES), reads=True)
        assert "cannot be read" in (await desk.settle()).still_uncertain[attempt.call_key]
    assert await desk.now_of(attempt.call_key) == before
    desk.sandbox.change(key_rotated=True)
    with pytest.raises(Unauthorized):
        await desk.settle()


async def test_an_interrupted_row_of_looks_starts_over_when_something_turned_up(
    desk: Desk, customer: Recipient
) -> None:
    desk.sandbox.change(echo_params=False)
    attempt = await desk.call(customer, "error_before")
    await desk.followed_by_control(attempt)
    await desk.settle_for(360)
    assert (await desk.now_of(attempt.call_key)).looks == 3
    desk.from_dashboard(customer, seconds_ago=400)
    desk.from_dashboard(customer, seconds_ago=380)
    await desk.settle()
    assert (await desk.now_of(attempt.call_key)).looks == 0


async def test_the_list_is_read_only_where_an_attempts_call_may_be(desk: Desk) -> None:
    long_ago, lately, just_now, absent = people(4)
    attempts = [await desk.call(long_ago, "lost_answer")]
    desk.pass_time(20 * 86_400)
    await desk.control(meets=NOBODY_ANSWERS)
    desk.pass_time(60)
    for number, who in enumerate(people(450, start=100)):
        desk.from_dashboard(who, seconds_ago=86_400 + 3600 * number)
    attempts += [await desk.call(lately, "lost_answer"), await desk.call(absent, "error_before")]
    desk.pass_time(1800)
    await desk.control(951)
    attempts.append(await desk.call(just_now, "lost_answer"))
    read: list[int] = []

    def counting(path: str, data: Any) -> Any:
        read.extend([len(data["calls"])] if "minimal-list" in path else [])
        return data

    desk.transport.change = counting
    settled = await desk.settle()
    assert set(settled.adopted) == {attempts[number].call_key for number in (0, 1, 3)}
    assert "look 1 of 3" in settled.still_uncertain[attempts[2].call_key]
    assert len(read) == 4, "two times, and the empty page after each"
    assert sum(read) <= 8


async def test_a_time_that_could_not_be_read_whole_says_nothing_of_another(desk: Desk) -> None:
    old, new = people(2)
    first = await desk.call(old, "error_before")
    await desk.followed_by_control(first)
    desk.pass_time(86_400)
    second = await desk.call(new, "error_before")
    await desk.followed_by_control(second)
    pages = 0

    def second_is_partial(path: str, data: Any) -> Any:
        nonlocal pages
        pages += "minimal-list" in path
        return promising_more(path, data) if pages > 2 else data

    desk.transport.change = second_is_partial
    settled = await desk.settle()
    assert "look 1 of 3" in settled.still_uncertain[first.call_key]
    assert "cannot be known whether it was read whole" in settled.still_uncertain[second.call_key]


async def test_attempts_are_looked_for_together_if_their_times_are_close(desk: Desk) -> None:
    skew = timedelta(seconds=300)
    base = await desk.call(people(1)[0], "error_before")
    lease = base.lease_until - base.claimed_at

    def after(gap: timedelta) -> list[int]:
        later = base.lease_until + 2 * skew + gap
        other = replace(base, call_key="other", claimed_at=later, lease_until=later + lease)
        return [len(group) for group in split_by_time([other, base], skew)]

    assert after(timedelta()) == [2]
    assert after(timedelta(hours=1)) == [2]
    assert after(timedelta(hours=1, seconds=1)) == [1, 1]
    assert split_by_time([], skew) == []


# -- calls that are not ours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2])
async def test_a_call_from_the_dashboard_is_not_taken_for_one_that_was_never_placed(
    desk: Desk, customer: Recipient, calls: int
) -> None:
    await desk.learn_to_echo()
    attempt = await desk.call(customer, "error_before")
    for _ in range(calls):
        desk.from_dashboard(customer, params={"name": "by hand"})
    # Nor does it prove that ours was never placed: it may be ours, with a key that comes late.
    assert await desk.state_after_all(attempt) is UNCERTAIN
    assert "could be this one" in str((await desk.now_of(attempt.call_key)).error) or calls == 1


@pytest.mark.parametrize("known", [True, False])
async def test_our_call_is_distinguished_from_one_of_the_dashboard_by_its_key(
    desk: Desk, customer: Recipient, known: bool
) -> None:
    if known:
        await desk.learn_to_echo()
    desk.from_dashboard(customer, seconds_ago=30, params={"name": "by hand"})
    attempt = await desk.call(customer, "lost_answer")
    desk.from_dashboard(customer)
    assert (await desk.settle()).adopted == [attempt.call_key]
    (ours,) = [call for call in desk.sandbox.calls(customer.phone) if call["source"] != "dashboard"]
    assert (await desk.now_of(attempt.call_key)).job_id == ours["job_id"]


async def test_two_calls_that_cannot_be_distinguished_leave_the_attempt_uncertain_for_ever(
    desk: Desk, customer: Recipient
) -> None:
    desk.sandbox.change(echo_params=False)
    attempt = await desk.call(customer, "lost_answer")
    desk.from_dashboard(customer)
    assert await desk.state_after_all(attempt) is UNCERTAIN
    assert (await desk.now_of(attempt.call_key)).error == "2 calls in Hamsa's list could be this one"


async def test_a_lone_call_that_may_be_ours_counts_as_ours_rather_than_ring_again(
    desk: Desk, customer: Recipient
) -> None:
    desk.sandbox.change(echo_params=False)
    attempt = await desk.call(customer, "error_before")
    desk.from_dashboard(customer)
    assert await desk.state_after_all(attempt) is PLACED


async def test_a_call_before_the_claim_or_long_after_it_is_not_ours(desk: Desk, customer: Recipient) -> None:
    desk.sandbox.change(echo_params=False)
    desk.from_dashboard(customer, seconds_ago=400)
    attempt = await desk.call(customer, "error_before")
    desk.pass_time(1800)
    desk.from_dashboard(customer)
    assert await desk.state_after_all(attempt) is NOT_PLACED


async def test_a_call_without_a_key_that_is_made_within_the_grace_may_be_one_that_hamsa_let_wait(
    desk: Desk, customer: Recipient
) -> None:
    desk.sandbox.change(echo_params=False)
    attempt = await desk.call(customer, "error_before")
    desk.pass_time(700)
    desk.from_dashboard(customer)
    assert await desk.state_after_all(attempt) is UNCERTAIN
    assert "it may be this one, if Hamsa let it wait" in str((await desk.now_of(attempt.call_key)).error)


async def test_a_call_by_another_agent_is_not_ours(desk: Desk, customer: Recipient) -> None:
    desk.sandbox.change(echo_params=False)
    attempt = await desk.call(customer, "error_before")
    desk.sandbox.plant_call(customer.phone, voice_agent_id="agent-collections")
    assert await desk.state_after_all(attempt) is NOT_PLACED


async def test_a_job_that_another_attempt_owns_is_not_adopted(desk: Desk, customer: Recipient) -> None:
    desk.sandbox.change(echo_params=False)
    owner = await desk.call(customer, campaign="other")
    attempt = await desk.call(customer, "error_before")
    assert await desk.state_after_all(attempt) is NOT_PLACED
    assert (await desk.now_of(owner.call_key)).state is PLACED


# -- several attempts at one number ------------------------------------------------------------------------------------


async def both(desk: Desk, customer: Recipient, first: str, second: str) -> tuple[Attempt, Attempt]:
    """Two campaigns call the same customer, and both answers are lost."""
    return await desk.call(customer, first), await desk.call(customer, second, campaign="other", run_id="other-run")


@pytest.mark.parametrize("faults", [("error_before", "lost_answer"), ("lost_answer", "error_before")], ids=str)
async def test_of_two_uncertain_attempts_the_one_that_rang_is_known_by_its_key(
    desk: Desk, customer: Recipient, faults: tuple[str, str]
) -> None:
    attempts = await both(desk, customer, *faults)
    states = [await desk.state_after_all(attempt) for attempt in attempts]
    assert states == [PLACED if fault == "lost_answer" else NOT_PLACED for fault in faults]


@pytest.mark.parametrize("faults", [("error_before", "lost_answer"), ("lost_answer", "lost_answer")], ids=str)
async def test_of_two_uncertain_attempts_none_is_given_the_call_of_the_other(
    desk: Desk, customer: Recipient, faults: tuple[str, str]
) -> None:
    desk.sandbox.change(echo_params=False)
    for attempt in await both(desk, customer, *faults):
        assert await desk.state_after_all(attempt) is UNCERTAIN


async def test_each_campaigns_own_settling_knows_of_the_others_uncertain_attempts(
    desk: Desk, customer: Recipient
) -> None:
    desk.sandbox.change(echo_params=False)
    absent, rang = await both(desk, customer, "error_before", "lost_answer")
    for _ in range(30):
        desk.pass_time(120)
        for attempt in (absent, rang):
            await desk.settler.settle([await desk.now_of(attempt.call_key)])
    assert {(await desk.now_of(each.call_key)).state for each in (absent, rang)} == {UNCERTAIN}


async def test_a_call_whose_answer_is_still_on_its_way_is_not_taken_from_its_attempt(
    desk: Desk, customer: Recipient
) -> None:
    desk.sandbox.change(echo_params=False)
    attempt = await desk.call(customer, "error_before")
    claim = await desk.claim(customer, campaign="other", run_id="other-run")
    job = await desk.client.create_call(AGENT.request(customer.phone, {}, claim.call_key))
    assert not (await desk.settle()).adopted
    assert await desk.ledger.place(claim.call_key, job.id)
    assert await desk.state_after_all(attempt) is NOT_PLACED


# -- who gives our key back --------------------------------------------------------------------------------------------


def without_params_in_records(path: str, data: Any) -> Any:
    """Job records that do not give back what the answer to the POST did."""
    if path != "/v1/jobs":
        return data
    return {**data, "agentDetails": {**data["agentDetails"], "params": None}}


async def test_an_answer_that_gives_the_key_back_does_not_prove_that_records_do(
    desk: Desk, customer: Recipient
) -> None:
    desk.transport.change = without_params_in_records
    await desk.learn_to_echo()
    attempt = await desk.call(customer, "lost_answer")
    assert await desk.state_after_all(attempt) is PLACED


async def test_that_one_agents_records_give_the_key_back_proves_nothing_of_an_inline_agents(
    desk: Desk, customer: Recipient
) -> None:
    await desk.learn_to_echo()
    desk.transport.change = without_params_in_records
    attempt = await desk.call(customer, "lost_answer", agent=INLINE)
    assert await desk.state_after_all(attempt) is PLACED


@pytest.mark.parametrize("echo", [True, False])
async def test_the_call_of_an_inline_agent_is_found_without_an_id_to_filter_by(
    desk: Desk, customer: Recipient, echo: bool
) -> None:
    desk.sandbox.change(echo_params=echo)
    for who in people(20, start=100):
        desk.from_dashboard(who)
    attempt = await desk.call(customer, "lost_answer", agent=INLINE)
    assert (await desk.settle()).adopted == [attempt.call_key]


async def test_attempts_of_several_agents_are_settled_in_one_round(desk: Desk) -> None:
    one, two, three = people(3)
    there = await desk.call(one, "lost_answer")
    await desk.control(agent=INLINE)
    inline = await desk.call(two, "lost_answer", agent=INLINE)
    absent = await desk.call(three, "error_before", agent=INLINE)
    assert set((await desk.settle()).adopted) == {there.call_key, inline.call_key}
    assert await desk.state_after_all(absent) is UNCERTAIN, "no call of this agent came after it"
    await desk.control(agent=INLINE)
    assert await desk.state_after_all(absent) is NOT_PLACED


# -- rows that say little ----------------------------------------------------------------------------------------------


def without_numbers(path: str, data: Any) -> Any:
    """A list whose rows show no number."""
    if "minimal-list" not in path:
        return data
    return {**data, "calls": [{**row, "callParams": None} for row in data["calls"]]}


async def test_a_row_without_a_number_is_ours_if_its_record_has_our_key(desk: Desk, customer: Recipient) -> None:
    desk.transport.change = without_numbers
    attempt = await desk.call(customer, "lost_answer")
    desk.from_dashboard(people(1, start=5)[0])
    assert (await desk.settle()).adopted == [attempt.call_key]


@pytest.mark.parametrize("fault", ["lost_answer", "error_before"])
async def test_a_row_without_a_number_or_a_key_proves_nothing(desk: Desk, customer: Recipient, fault: str) -> None:
    desk.sandbox.change(echo_params=False)
    desk.transport.change = without_numbers
    attempt = await desk.call(customer, fault)
    if fault == "error_before":
        desk.from_dashboard(people(1, start=5)[0])
    assert await desk.state_after_all(attempt) is UNCERTAIN
    assert "shows no number" in str((await desk.now_of(attempt.call_key)).error)


def with_numbers(write: Callable[[str], str]) -> Change:
    """A list that writes numbers its own way."""

    def change(path: str, data: Any) -> Any:
        if "minimal-list" not in path:
            return data
        rows = [{**row, "callParams": {"userNumber": write(row["callParams"]["userNumber"])}} for row in data["calls"]]
        return {**data, "calls": rows}

    return change


WAYS: dict[str, Callable[[str], str]] = {
    "sip": lambda number: f"sip:{number}@54.172.60.0",
    "parameter": lambda number: f"{number};ext=1",
    "hidden": lambda number: f"{number[:5]}***{number[-4:]}",
    "end": lambda number: number[-4:],
    "name": lambda number: f"customer-{number[-2:]}",
}


@pytest.mark.parametrize("way", WAYS)
async def test_however_the_list_writes_numbers_a_call_that_rang_is_found(
    desk: Desk, customer: Recipient, way: str
) -> None:
    desk.transport.change = with_numbers(WAYS[way])
    attempt = await desk.call(customer, "lost_answer")
    desk.from_dashboard(people(1, start=5)[0])
    assert await desk.state_after_all(attempt) is PLACED


@pytest.mark.parametrize("way", ["hidden", "end", "name"])
async def test_a_number_that_cannot_be_read_proves_nothing_without_our_key(
    desk: Desk, customer: Recipient, way: str
) -> None:
    desk.sandbox.change(echo_params=False)
    desk.transport.change = with_numbers(WAYS[way])
    attempt = await desk.call(customer, "lost_answer")
    assert await desk.state_after_all(attempt) is UNCERTAIN


@pytest.mark.parametrize(
    ("lies", "shows"),
    [
        ({"list_times": "date"}, "another time"),
        ({"list_times": "zone"}, "another time"),
        ({"list_agents": "revision"}, "another agent"),
        ({"list_ends": "swapped"}, "another number"),
    ],
    ids=["date", "zone", "agent", "ends"],
)
async def test_a_list_that_shows_calls_otherwise_than_they_were_sent_proves_no_absence(
    desk: Desk, customer: Recipient, lies: dict[str, str], shows: str
) -> None:
    desk.sandbox.change(echo_params=False, lies=lies)
    attempt = await desk.call(customer, "lost_answer")
    assert await desk.state_after_all(attempt) is UNCERTAIN
    assert f"Hamsa's call list shows {shows} for job" in str((await desk.now_of(attempt.call_key)).error)


async def test_where_no_number_can_be_read_a_look_reads_some_records_and_believes_nothing_of_the_rest(
    desk: Desk, customer: Recipient
) -> None:
    await desk.learn_to_echo()
    desk.transport.change = with_numbers(WAYS["end"])
    settler = Settler(desk.client, desk.ledger, SETTINGS.model_copy(update={"settle_records": 10}))
    for who in people(60, start=100):
        desk.from_dashboard(who)
    attempt = await desk.call(customer, "error_before")
    desk.pass_time(7200)
    asked: list[str] = []

    def counting(path: str, data: Any) -> Any:
        asked.extend([path] if path == "/v1/jobs" else [])
        return with_numbers(WAYS["end"])(path, data)

    desk.transport.change = counting
    for look in range(6):
        asked.clear()
        assert not (await settler.settle([await desk.now_of(attempt.call_key)])).absent
        assert len(asked) == 10 + (look == 0), "and a control's"
        desk.pass_time(5)
    assert (await desk.now_of(attempt.call_key)).looks == 0
    settled = await settler.settle([await desk.now_of(attempt.call_key)])
    assert settled.still_uncertain[attempt.call_key] == "60 calls in Hamsa's list could be this one"


async def test_many_lost_answers_at_once_are_all_found_without_a_key(desk: Desk) -> None:
    """As many calls as there are attempts have to be told apart, each look beside the controls of each attempt."""
    desk.sandbox.change(echo_params=False)
    await desk.control()
    lost = [await desk.call(who, "lost_answer") for who in people(40)]
    await desk.followed_by_control(lost[-1])
    settler = Settler(desk.client, desk.ledger, SETTINGS.model_copy(update={"settle_records": 40}))
    assert len((await settler.settle(lost)).adopted) == 40


async def test_the_record_nearest_to_the_claim_is_read_first(desk: Desk, customer: Recipient) -> None:
    desk.transport.change = with_numbers(WAYS["end"])
    for who in people(60, start=100):
        desk.from_dashboard(who, seconds_ago=100)
    attempt = await desk.call(customer, "lost_answer")
    settler = Settler(desk.client, desk.ledger, SETTINGS.model_copy(update={"settle_records": 3}))
    assert (await settler.settle([attempt])).adopted == [attempt.call_key]


@pytest.mark.parametrize("missing", ["createdAt", "voiceAgentId", "status"])
async def test_a_row_is_not_ruled_out_by_what_it_lacks(desk: Desk, customer: Recipient, missing: str) -> None:
    def lacking(path: str, data: Any) -> Any:
        if "minimal-list" not in path:
            return data
        return {**data, "calls": [{**row, missing: None} for row in data["calls"]]}

    desk.sandbox.change(echo_params=False)
    desk.transport.change = lacking
    attempt = await desk.call(customer, "lost_answer")
    assert (await desk.settle()).adopted == [attempt.call_key]


async def test_a_record_that_cannot_be_read_is_waited_for(desk: Desk, customer: Recipient) -> None:
    await desk.learn_to_echo()
    attempt = await desk.call(customer, "lost_answer")
    # The list, a control's record, its record: as often as it is asked for in one look.
    desk.sandbox.fail_next("ok", "ok", "ok", "html_502", "html_502", "html_502", reads=True)
    assert "its record could not be read" in (await desk.settle()).still_uncertain[attempt.call_key]
    assert (await desk.settle()).adopted == [attempt.call_key]


# -- whose attempts, and late evidence ---------------------------------------------------------------------------------


async def test_another_accounts_attempts_are_not_touched(desk: Desk, customer: Recipient) -> None:
    theirs = await desk.call(customer, "error_before", account="another project")
    mine = await desk.call(customer, "error_before", campaign="other")
    assert await desk.state_after_all(mine) is NOT_PLACED
    assert await desk.now_of(theirs.call_key) == theirs


async def test_an_event_that_comes_after_absence_was_believed_wins(desk: Desk, customer: Recipient) -> None:
    ringing, over = await desk.call(customer, "lost_answer"), await desk.call(people(1, start=1)[0], "lost_answer")
    for attempt in (ringing, over):  # whatever it was that made somebody believe it
        assert await desk.ledger.prove_absent(attempt, reason="no trace of it")
    calls = {call["call_key"]: call for call in desk.sandbox.calls()}
    assert await desk.ledger.place(ringing.call_key, calls[ringing.call_key]["job_id"])
    assert (await desk.now_of(ringing.call_key)).state is PLACED
    end = CallEnd(AttemptState.COMPLETED, status="COMPLETED")
    assert await desk.ledger.end(end, call_key=over.call_key, job_id=calls[over.call_key]["job_id"])
    assert (await desk.now_of(over.call_key)).state is AttemptState.COMPLETED


async def test_an_event_settles_an_uncertain_attempt_for_certain(desk: Desk, customer: Recipient) -> None:
    desk.sandbox.change(echo_params=False)
    attempt = await desk.call(customer, "lost_answer")
    desk.from_dashboard(customer)
    await desk.settle()
    (ours,) = [call for call in desk.sandbox.calls() if call["call_key"] == attempt.call_key]
    end = CallEnd(AttemptState.NO_ANSWER, status="NO_ANSWER")
    assert await desk.ledger.end(end, call_key=attempt.call_key, job_id=ours["job_id"])
    assert (await desk.settle()) == Settled()
    settled = await desk.now_of(attempt.call_key)
    assert (settled.state, settled.job_id) == (AttemptState.NO_ANSWER, ours["job_id"])


async def test_a_claim_of_a_run_that_is_gone_is_settled_like_a_lost_answer(desk: Desk) -> None:
    sent, unsent = people(2)
    claims = [await desk.claim(sent), await desk.claim(unsent)]
    await desk.client.create_call(AGENT.request(sent.phone, {}, claims[0].call_key))
    await desk.settle()
    assert {(await desk.now_of(claim.call_key)).state for claim in claims} == {AttemptState.CLAIMED}
    await desk.followed_by_control(await desk.now_of(claims[1].call_key))
    await desk.settle_for(3600, every=300)
    states = [(await desk.now_of(claim.call_key)).state for claim in claims]
    assert states == [PLACED, NOT_PLACED]


@pytest.mark.parametrize(("latest_only", "state"), [(True, UNCERTAIN), (False, PLACED)])
async def test_a_list_that_may_show_only_the_latest_call_to_a_number_proves_nothing_of_an_earlier_one(
    desk: Desk, customer: Recipient, latest_only: bool, state: AttemptState
) -> None:
    attempt = await desk.call(customer, "lost_answer")
    desk.sandbox.change(lies={"list_latest_of_number": latest_only, "list_newest": 100})
    desk.pass_time(1800)
    desk.from_dashboard(customer)
    await desk.control(number=951)
    await desk.settle_for(3600, every=300)
    after = await desk.now_of(attempt.call_key)
    assert after.state is state
    if latest_only:
        assert "it may show only the latest call to each" in (after.error or "")


async def test_a_list_that_shows_two_calls_to_one_number_proves_absence_beside_a_call_to_the_same_number(
    desk: Desk, customer: Recipient
) -> None:
    attempt = await desk.call(customer, "error_before")
    desk.pass_time(1800)
    desk.from_dashboard(customer)
    assert await desk.state_after_all(attempt) is NOT_PLACED  # the controls share a number


@pytest.mark.parametrize(("hides", "state"), [("unanswered", UNCERTAIN), ("no_answer", UNCERTAIN), ("nothing", PLACED)])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_list_of_answered_calls_proves_nothing_of_one_that_nobody_may_have_answered(
    desk: Desk, hides: str, state: AttemptState, known: bool
) -> None:
    desk.sandbox.change(lies={"list_hides": hides}, magic_numbers=True)
    if not known:  # out of reach: no control was ever unanswered, as far as anybody knows
        desk.pass_time(86400 * 4)
        await desk.control(meets=PRESETS["everyone_answers"]["transitions"])
    never_answers = people(1)[0].model_copy(update={"phone": "+12125550190"})
    attempt = await desk.call(never_answers, "lost_answer")
    await desk.control(meets=EVERY_CALL_FAILS)
    desk.sandbox.change(**PRESETS["everyone_answers"])
    assert await desk.state_after_all(attempt) is state


@pytest.mark.parametrize("hides", ["no_answer", "nothing"])
async def test_the_nearest_call_that_nobody_answered_is_a_control_though_others_are_nearer(
    desk: Desk, customer: Recipient, hides: str
) -> None:
    unanswered = await desk.now_of((await desk.ledger.attempts(states=[PLACED]))[0].call_key)
    assert unanswered.job_id is not None
    end = CallEnd(AttemptState.NO_ANSWER, status="NO_ANSWER")
    await desk.ledger.end(end, call_key=unanswered.call_key, job_id=unanswered.job_id)
    desk.sandbox.change(**PRESETS["everyone_answers"])
    for number in range(930, 931 + CONTROLS):
        desk.pass_time(300)
        await desk.control(number)
    desk.pass_time(1)
    attempt = await desk.call(customer, "error_before")
    desk.sandbox.change(lies={"list_hides": hides})
    assert await desk.state_after_all(attempt) is (NOT_PLACED if hides == "nothing" else UNCERTAIN)
    if hides == "no_answer":
        assert f"such as job {unanswered.job_id}" in str((await desk.now_of(attempt.call_key)).error)


async def test_a_look_survives_answers_that_fail_once_or_twice(desk: Desk, customer: Recipient) -> None:
    attempt = await desk.call(customer, "lost_answer")
    desk.pass_time(10)
    desk.sandbox.change(retry_after_seconds=0)
    desk.sandbox.fail_next("html_502", "rate_limited", "ok", "lost_answer", reads=True)
    assert (await desk.settle()).adopted == [attempt.call_key]


async def test_a_look_that_hamsa_asks_to_make_later_is_not_insisted_on(desk: Desk, customer: Recipient) -> None:
    attempt = await desk.call(customer, "lost_answer")
    desk.pass_time(10)
    desk.sandbox.change(retry_after_seconds=30)
    desk.sandbox.fail_next("rate_limited", reads=True)
    asked = sum(desk.sandbox.stats()["requests"].values())
    assert attempt.call_key in (await desk.settle()).still_uncertain
    assert sum(desk.sandbox.stats()["requests"].values()) == asked + 1
