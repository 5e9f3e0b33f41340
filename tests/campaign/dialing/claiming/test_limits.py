"""What a run may spend, against the sandbox: new campaigns, known prices, runs at once, no prices, no ends."""

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from campaign.agent import CallingAgent
from campaign.attempts import Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.intake.people_shown import PeopleShown
from campaign.intake.recipients import Recipient
from campaign.ledger.claims.limits import FEW
from campaign.reporting.results import Batch, Result
from campaign.rules.policy.dial_settings import DialSettings
from hamsa import HamsaClient
from hamsa.models import JobRecord
from tests.campaign.campaign_world import CampaignWorld, people

MINUTE = 0.08
"""What the sandbox charges for a minute of talk."""


def cost(attempts: list[Attempt]) -> float:
    return sum(attempt.cost or 0.0 for attempt in attempts)


def most(attempts: list[Attempt]) -> float:
    return max(attempt.cost or 0.0 for attempt in attempts)


async def at_once(world: CampaignWorld, *runs: dict[str, Any]) -> list[list[Result]]:
    """Runs over their people, each with a dialer of its own, side by side."""

    async def one(number: int, recipients: list[Recipient], **how: Any) -> list[Result]:
        async with world.dialer(run_id=f"beside-{number}", **how) as dialer:
            return await dialer.run(Batch(1, recipients))

    return await world.drive(asyncio.gather(*[one(number, **run) for number, run in enumerate(runs)]))


@pytest.mark.parametrize("lines", [1, 5, 50])
async def test_a_new_campaign_with_many_lines_does_not_spend_more_than_one_call_a_line_too_much(
    world: CampaignWorld, lines: int
) -> None:
    results = await world.dial(people(300), settings=DialSettings(lines=lines, max_cost=1.0))
    attempts = await world.attempts()
    # With few prices known, the first few calls may be longer than any before.
    assert 0.5 < cost(attempts) <= 1.0 + min(lines, 2 * FEW) * most(attempts)
    assert "another call could bring it over 1.00 (max_cost)" in results[-1].reason
    assert {result.bucket for result in results[len(attempts) :]} <= {Bucket.NOT_REACHED}


async def test_while_no_price_is_known_one_call_goes_first_then_a_few(world: CampaignWorld) -> None:
    await world.dial(people(40), settings=DialSettings(lines=20, max_cost=1000.0))
    attempts = sorted(await world.attempts(), key=lambda attempt: attempt.claimed_at)
    first = attempts[0]
    assert first.ended_at is not None
    assert attempts[1].claimed_at >= first.ended_at
    in_flight = [
        sum(each.claimed_at <= at.claimed_at < (each.ended_at or at.claimed_at) for each in attempts[:n])
        for n, at in enumerate(attempts)
    ]
    assert max(in_flight[:4]) <= FEW
    assert max(in_flight) > 10, "once prices are known, all lines are used"


async def test_a_price_that_another_campaign_showed_is_known(world: CampaignWorld) -> None:
    await world.dial(people(40), campaign="earlier")
    began = world.clock.now()
    settings = DialSettings(lines=20, max_cost=100.0)
    await world.dial(people(20, start=100), campaign="new", settings=settings)
    claimed = [attempt.claimed_at for attempt in await world.attempts(campaign="new")]
    assert max((at - began).total_seconds() for at in claimed) < 10, "nobody waits for the first price"
    await world.dial(people(20, start=200), campaign="small", settings=DialSettings(lines=20, max_cost=MINUTE / 2))
    assert await world.attempts(campaign="small") == []


async def test_runs_at_once_keep_one_budget_and_each_says_so(world: CampaignWorld) -> None:
    settings = DialSettings(lines=4, max_cost=3.0)
    both = await at_once(
        world,
        {"recipients": people(100), "settings": settings},
        {"recipients": people(100, start=100), "settings": settings},
    )
    attempts = await world.attempts()
    assert {attempt.run_id for attempt in attempts} == {"beside-0", "beside-1"}
    assert 2.0 < cost(attempts) <= 3.0 + FEW * most(attempts)
    assert all("(max_cost)" in results[-1].reason for results in both)


async def test_runs_at_once_share_max_calls_and_the_next_run_has_its_own(world: CampaignWorld) -> None:
    settings = DialSettings(lines=5, max_calls=6)
    await at_once(
        world,
        {"recipients": people(20), "settings": settings},
        {"recipients": people(20, start=20), "settings": settings},
    )
    assert world.sandbox.rings() == 6
    await world.dial(people(40), settings=settings)
    assert world.sandbox.rings() == 12


async def test_max_calls_counts_calls_and_not_rows_that_the_rules_keep_back(world: CampaignWorld) -> None:
    await world.dial(people(5))
    results = await world.dial(people(12), settings=DialSettings(lines=2, max_calls=4))
    assert Counter(result.bucket.group for result in results) == {"never": 5, "called": 4, "later": 3}


async def test_a_call_that_was_not_placed_leaves_its_share_to_another(world: CampaignWorld) -> None:
    world.sandbox.fail_next("rate_limited", "rate_limited")
    await world.dial(people(10), settings=DialSettings(lines=3, max_calls=4))
    assert world.sandbox.rings() == 4


async def test_without_any_price_a_run_says_so_and_stops(world: CampaignWorld) -> None:
    world.sandbox.change(cost_per_minute=0.0)
    results = await world.dial(people(60), settings=DialSettings(lines=20, max_cost=1.0))
    assert re.match(r"Hamsa gave no price for the first [345] conversations", results[-1].reason)
    talked = [attempt for attempt in await world.attempts() if attempt.state is AttemptState.COMPLETED]
    assert 3 <= len(talked) <= 5


async def test_without_any_price_a_run_holds_to_the_cost_that_was_assumed(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_job = HamsaClient.get_job

    async def unpriced(client: HamsaClient, job_id: str) -> JobRecord:
        return (await get_job(client, job_id)).model_copy(update={"total_cost": None})

    monkeypatch.setattr(HamsaClient, "get_job", unpriced)
    settings = DialSettings(lines=20, max_cost=1.0, assumed_call_cost=0.1)
    results = await world.dial(people(60), settings=settings)
    assert world.sandbox.rings() == 10
    assert "has cost 0.00 with 1.00 reserved for calls whose cost is not known yet" in results[-1].reason


async def test_a_call_without_an_end_keeps_its_share_reserved(world: CampaignWorld) -> None:
    await world.dial(people(40), campaign="earlier")
    world.sandbox.change(never_ends=1.0)
    settings = DialSettings(lines=5, max_cost=3.5 * most(await world.attempts()), give_up_after_seconds=300)
    results = await world.dial(people(10, start=100), campaign="new", settings=settings)
    counts = Counter(result.bucket for result in results)
    assert (counts[Bucket.IN_PROGRESS], counts[Bucket.COMPLETED]) == (3, 0)
    assert counts[Bucket.NOT_REACHED] > 0
    assert "reserved for calls whose cost is not known yet" in results[-1].reason


async def test_a_run_that_waits_for_another_ones_price_notices_that_it_was_lost(world: CampaignWorld) -> None:
    """The first call of a killed run is claimed forever: its lease ends the wait."""
    settings = DialSettings(lines=3, max_cost=5.0)

    async def killed() -> None:
        async with world.dialer(settings=settings) as dialer:
            asked = asyncio.ensure_future(dialer._claimer._claim(people(1)[0]))  # noqa: SLF001
            await asked

    await world.drive(killed())
    results = await world.dial(people(10, start=50), settings=settings)
    assert {result.bucket.group for result in results} == {"called"}


# -- approval ----------------------------------------------------------------------------------------------------


async def approved(
    world: CampaignWorld, shown: list[Recipient], listed: list[Recipient], **limits: Any
) -> list[Result]:
    """A run over a list of which some people were shown to whoever approved it."""
    people_shown = PeopleShown("c")
    people_shown.add(shown)

    async def run() -> list[Result]:
        async with world.dialer(settings=DialSettings(lines=3)) as dialer:
            dialer.approve(people_shown, **{"at_most": len(shown), "cost": None, **limits})
            return await dialer.run(Batch(1, listed))

    return await world.drive(run())


async def test_nobody_is_called_but_those_who_were_shown(world: CampaignWorld) -> None:
    results = await approved(world, people(8), people(12, start=3))
    assert {result.bucket for result in results[5:]} == {Bucket.NOT_APPROVED}
    assert {result.bucket.group for result in results[:5]} == {"called"}
    assert set(world.sandbox.stats()["rings_per_number"]) == {person.phone for person in people(5, start=3)}


async def test_no_more_are_called_than_were_approved(world: CampaignWorld) -> None:
    results = await approved(world, people(8), people(8), at_most=3)
    assert Counter(result.bucket.group for result in results) == {"called": 3, "later": 5}
    assert "This run made 3 calls, as many as were approved." in results[-1].reason


async def test_a_run_stops_before_it_costs_more_than_the_page_showed(world: CampaignWorld) -> None:
    await world.dial(people(40), campaign="earlier")
    price = most(await world.attempts())
    results = await approved(world, people(30, start=100), people(30, start=100), cost=4 * price)
    spent = cost(await world.attempts(campaign="c"))
    assert 2 * price < spent <= 4 * price
    assert "that were approved. Run again to be asked for the rest." in results[-1].reason


# -- canary and breaker ------------------------------------------------------------------------------------------


async def test_a_canary_whose_calls_are_all_uncertain_saves_the_others(world: CampaignWorld) -> None:
    world.sandbox.change(list_lag_seconds=40_000)
    world.sandbox.fail_next(*["lost_answer"] * 10)
    settings = DialSettings(lines=10, canary=4, stop_after_uncertain=100)
    results = await world.dial(people(40), settings=settings)
    assert Counter(result.bucket for result in results) == {Bucket.UNCERTAIN: 4, Bucket.NOT_REACHED: 36}
    assert " uncertain, since nobody knows whether the phone rang" in results[-1].reason


async def test_a_canary_whose_calls_do_not_end_stops_with_that_reason(world: CampaignWorld) -> None:
    world.sandbox.change(never_ends=1.0)
    settings = DialSettings(lines=10, canary=4, give_up_after_seconds=300)
    results = await world.dial(people(20), settings=settings)
    assert Counter(result.bucket for result in results) == {Bucket.IN_PROGRESS: 4, Bucket.NOT_REACHED: 16}
    assert "without an end that this run could learn" in results[-1].reason


@pytest.mark.parametrize(("lines", "fault"), [(1, "error_after"), (50, "error_after"), (20, "no_id")])
async def test_a_handful_of_uncertain_calls_in_a_row_stops_a_run_and_the_ledger_keeps_what_was_said(
    world: CampaignWorld, lines: int, fault: str
) -> None:
    world.sandbox.change(list_lag_seconds=40_000)
    world.sandbox.fail_next(*[fault] * 60)
    results = await world.dial(people(60), settings=DialSettings(lines=lines))
    assert world.sandbox.rings() <= 5
    counts = Counter(result.bucket for result in results)
    assert counts == {Bucket.UNCERTAIN: 5, Bucket.NOT_REACHED: 55}
    assert results[-1].reason.startswith("5 calls in a row are uncertain: nobody knows whether a phone rang")
    for attempt in await world.attempts():
        assert attempt.state is AttemptState.UNCERTAIN
        assert attempt.answer is not None
        assert attempt.answer.rstrip(".") in results[-1].reason


async def test_the_breaker_remembers_over_runs_so_that_a_schedule_tries_one_call_each_time(
    world: CampaignWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.sandbox.change(list_lag_seconds=40_000)
    world.sandbox.fail_next(*["error_after"] * 7)
    settings = DialSettings(lines=20)
    results: list[Result] = []
    for run, tried in enumerate((5, 1, 1), 1):
        # It is the agent that is remembered, in whichever campaign.
        results = await world.dial(people(20, start=100 * run), settings=settings, campaign=f"c{run}")
        assert sum(result.bucket is Bucket.UNCERTAIN for result in results) == tried
    assert results[-1].reason.startswith("5 calls in a row are uncertain, those of earlier runs included: nobody")
    assert "The last 5 calls of this agent ended uncertain" in caplog.text
    # Once Hamsa takes the one call that goes first, all is as before.
    results = await world.dial(people(20, start=400), settings=settings, campaign="c4")
    assert not {Bucket.UNCERTAIN, Bucket.NOT_REACHED} & {result.bucket for result in results}


async def test_what_another_agent_was_answered_is_not_remembered(world: CampaignWorld) -> None:
    world.sandbox.change(list_lag_seconds=40_000)
    world.sandbox.fail_next(*["error_after"] * 5)
    await world.dial(people(20), settings=DialSettings(lines=20))
    agent = CallingAgent(voice_agent_id="agent-collections")
    results = await world.dial(people(8, start=100), settings=DialSettings(lines=20), agent=agent, campaign="other")
    assert Bucket.NOT_REACHED not in {result.bucket for result in results}
