"""Limits: judged by what a campaign's calls came to, at the edges, and read rightly from the ledger."""

import asyncio
from datetime import timedelta

import pytest

from campaign.attempts import AttemptState, Claim
from campaign.ledger.claims.limits import LimitReached, Limits, Price, RunSums, Spending
from campaign.ledger.ledger import CallEnd, Ledger
from sandbox.clock import ManualClock
from tests.campaign.ledger.asking import ask, brought_to, claimed

KNOWN = Price(calls=40, most=1.0)
TEN = Limits(max_cost=10.0)


def judged(sums: RunSums, price: Price = KNOWN, limits: Limits = TEN) -> str:
    """What the next claim comes to: `go`, `wait` or `stop`."""
    reached = Spending(price, {"run": sums}).judge("run", limits)
    return "go" if reached is None else "wait" if reached.may_wait else "stop"


@pytest.mark.parametrize(
    ("sums", "verdict"),
    [
        (RunSums(), "go"),
        (RunSums(calls=9, cost=9.0), "go"),
        (RunSums(calls=9, cost=9.01), "stop"),
        (RunSums(calls=10, cost=8.0, reserved=1.0), "go"),
        (RunSums(calls=10, cost=8.0, reserved=1.01), "stop"),
        (RunSums(calls=10, in_flight=1, cost=8.0, reserved=2.0, reserved_in_flight=1.0), "wait"),
        (RunSums(calls=10, in_flight=1, cost=8.01, reserved=2.0, reserved_in_flight=1.0), "stop"),
        (RunSums(calls=11, in_flight=1, cost=10.0, reserved=1.0, reserved_in_flight=1.0), "stop"),
    ],
    ids=str,
)
def test_a_campaign_never_begins_a_call_that_could_bring_it_over_max_cost(sums: RunSums, verdict: str) -> None:
    assert judged(sums) == verdict


def test_a_tenth_that_no_float_is_does_not_count_against_the_last_call() -> None:
    assert judged(RunSums(calls=2, cost=0.1 + 0.2), Price(9, 0.1), Limits(max_cost=0.4)) == "go"


@pytest.mark.parametrize(
    ("sums", "priced", "verdict"),
    [
        (RunSums(), 0, "go"),
        (RunSums(calls=1, in_flight=1), 0, "wait"),
        (RunSums(calls=3, in_flight=2, ended=1), 0, "go"),
        (RunSums(calls=4, in_flight=3, ended=1), 0, "wait"),
        (RunSums(calls=3, in_flight=2, ended=1, cost=0.1), 1, "go"),
        (RunSums(calls=4, in_flight=3, ended=1, cost=0.1), 1, "wait"),
        (RunSums(calls=15, in_flight=11, ended=4, cost=0.4), 4, "go"),
        (RunSums(calls=16, in_flight=12, ended=4, cost=0.4), 4, "wait"),
        (RunSums(calls=50, in_flight=45, ended=5, cost=0.5), 5, "go"),
    ],
    ids=str,
)
def test_one_call_goes_first_then_a_few_until_prices_are_known(sums: RunSums, priced: int, verdict: str) -> None:
    assert judged(sums, Price(priced, 0.1 if priced else None, sums.ended)) == verdict


@pytest.mark.parametrize(
    ("conversations", "assumed", "verdict"),
    [(2, None, "go"), (3, None, "stop"), (2, 4.0, "go"), (3, 4.0, "go"), (4, 4.0, "stop")],
)
def test_without_any_price_a_campaign_stops_or_holds_to_what_was_assumed(
    conversations: int, assumed: float | None, verdict: str
) -> None:
    sums = RunSums(calls=conversations, ended=conversations, unpriced_conversations=conversations)
    # A third would be 12 of 10: so two conversations are believed to cost 8 in all, and no more.
    sums.reserved = min(conversations, 3) * 2.0 if conversations < 4 else 8.0
    assert judged(sums, Price(), Limits(max_cost=10.0, assumed_call_cost=assumed)) == verdict


def test_it_says_that_hamsa_gave_no_price_and_what_to_do() -> None:
    sums = RunSums(calls=3, ended=3, unpriced_conversations=3)
    reached = Spending(Price(), {"run": sums}).judge("run", TEN)
    assert reached is not None
    assert reached.message == (
        "Hamsa gave no price for the first 3 conversations, so nobody can say when the campaign has cost 10.00 "
        "(max_cost). Set assumed_call_cost in the calling policy to what a call costs at most, or leave max_cost empty "
        "and set max_calls."
    )


def test_a_run_shares_max_calls_with_those_at_the_same_time_and_not_with_those_before() -> None:
    now = ManualClock().now()
    limits = Limits(max_calls=10, began_at=now)
    before = RunSums(calls=10, claimed_at=now - timedelta(seconds=1))
    beside = RunSums(calls=6, claimed_at=now)
    assert Spending(runs={"other": before, "run": RunSums(calls=9)}).judge("run", limits) is None
    assert Spending(runs={"other": beside, "run": RunSums(calls=3)}).judge("run", limits) is None
    reached = Spending(runs={"other": beside, "run": RunSums(calls=4)}).judge("run", limits)
    assert reached is not None
    assert (reached.kind, reached.may_wait) == ("max_calls", False)
    ringing = RunSums(calls=10, in_flight=1, claimed_at=now - timedelta(seconds=1))
    reached = Spending(runs={"other": ringing}).judge("run", limits)
    assert reached is not None
    assert reached.may_wait, "once it has ended, that run came before"


def test_what_was_approved_bounds_this_run_alone() -> None:
    limits = Limits(approved_calls=3, approved_cost=5.0)
    others = RunSums(calls=90, cost=90.0, in_flight=3)
    assert Spending(KNOWN, {"other": others, "run": RunSums(calls=2, cost=4.0)}).judge("run", limits) is None
    reached = Spending(KNOWN, {"run": RunSums(calls=2, cost=4.01)}).judge("run", limits)
    assert reached is not None
    assert "over the 5.00 that were approved" in reached.message
    reached = Spending(KNOWN, {"run": RunSums(calls=3, cost=0.1)}).judge("run", limits)
    assert reached is not None
    assert reached.message == "This run made 3 calls, as many as were approved. Run again to call the rest."
    reached = Spending(KNOWN, {"run": RunSums(calls=1)}).judge("run", Limits(approved_calls=1))
    assert reached is not None
    assert reached.message.startswith("This run made 1 call, as many as were approved.")
    unpriced = RunSums(calls=2, cost=3.0, reserved=1.0)
    assert Spending(KNOWN, {"run": unpriced}).judge("run", limits) is None
    unpriced.reserved += 0.01
    assert Spending(KNOWN, {"run": unpriced}).judge("run", limits) is not None, "what is reserved counts as spent"


def test_what_a_call_is_assumed_to_cost_counts_only_until_a_price_is_known() -> None:
    assumed = Limits(max_cost=10.0, assumed_call_cost=3.0)
    assert Spending(Price()).share(assumed) == 3.0
    assert Spending(KNOWN).share(assumed) == 1.0


# -- read from the ledger ----------------------------------------------------------------------------------------


async def ended(ledger: Ledger, number: int, cost: float | None, state: AttemptState, **how: object) -> None:
    """A call that is over and cost so much."""
    claim = await claimed(ledger, number, **how)
    job = f"{claim.campaign}-{number}"
    assert await ledger.end(CallEnd(state, cost=cost), call_key=claim.call_key, job_id=job)


async def test_prices_are_those_of_the_agent_and_the_route_whatever_the_campaign(ledger: Ledger) -> None:
    for number in range(6):
        await ended(ledger, number, 2.0, AttemptState.COMPLETED, campaign="earlier")
    limits = Limits(max_cost=1.0)
    reached = await ledger.claim(ask(50, limits=limits))
    assert isinstance(reached, LimitReached), "the first call would pass it"
    assert isinstance(await ledger.claim(ask(51, limits=limits, agent_id="another")), Claim)
    assert isinstance(await ledger.claim(ask(52, campaign="d", limits=limits, route="own")), Claim)


@pytest.mark.parametrize(
    ("state", "spends"),
    [
        (AttemptState.CLAIMED, True),
        (AttemptState.PLACED, True),
        (AttemptState.UNCERTAIN, True),
        (AttemptState.COMPLETED, True),
        (AttemptState.NO_ANSWER, True),
        (AttemptState.RELEASED, False),
        (AttemptState.REFUSED, False),
        (AttemptState.NOT_PLACED, False),
    ],
)
async def test_a_call_whose_cost_is_not_known_is_taken_for_the_most_expensive_one(
    ledger: Ledger, state: AttemptState, spends: bool
) -> None:
    for number in range(6):
        await ended(ledger, number, 0.5 + number / 10, AttemptState.COMPLETED, campaign="earlier")
    limits = Limits(max_cost=1.9)
    await brought_to(ledger, state, 20, limits=limits)
    answer = await ledger.claim(ask(21, limits=limits))
    assert isinstance(answer, LimitReached) is spends
    if isinstance(answer, LimitReached):
        assert answer.may_wait is (state in (AttemptState.CLAIMED, AttemptState.PLACED))
        assert (await ledger.attempts(campaign="c"))[0].reserved_cost == 1.0


@pytest.mark.parametrize("cost", [None, 0.0, float("inf"), -3.0])
async def test_what_is_no_price_teaches_none(ledger: Ledger, cost: float | None) -> None:
    limits = Limits(max_cost=10.0)
    for number in range(3):
        await ended(ledger, number, cost, AttemptState.COMPLETED, limits=limits)
    reached = await ledger.claim(ask(20, limits=limits))
    assert isinstance(reached, LimitReached)
    assert "Hamsa gave no price for the first 3 conversations" in reached.message
    assumed = Limits(max_cost=10.0, assumed_call_cost=3.0)
    reached = await ledger.claim(ask(20, limits=assumed))
    assert isinstance(reached, LimitReached)
    assert "has cost 0.00 with 9.00 reserved for calls whose cost is not known yet" in reached.message
    assert "Hamsa gives no prices, so each call is taken to cost 3.00 (assumed_call_cost)." in reached.message
    assert isinstance(await ledger.claim(ask(20, limits=Limits(max_cost=12.0, assumed_call_cost=3.0))), Claim)


async def test_unanswered_calls_for_nothing_leave_a_few_in_flight_until_somebody_answers(ledger: Ledger) -> None:
    limits = Limits(max_cost=10.0)
    for number in range(9):
        await ended(ledger, number, 0.0, AttemptState.NO_ANSWER, limits=limits)
    answers = [await ledger.claim(ask(number, limits=limits)) for number in range(20, 24)]
    assert [isinstance(answer, Claim) for answer in answers] == [True, True, True, False]


async def test_a_call_that_nobody_follows_any_more_is_not_waited_for(ledger_url: str) -> None:
    clock = ManualClock()
    async with Ledger(ledger_url, clock=clock) as ledger:
        limits = Limits(max_cost=10.0, give_up_after=600.0)
        await brought_to(ledger, AttemptState.PLACED, 1, limits=limits)
        clock.advance(599)
        assert isinstance(await ledger.claim(ask(2, limits=limits)), LimitReached)
        clock.advance(1)
        assert isinstance(await ledger.claim(ask(2, limits=limits)), Claim)


async def test_an_agent_whose_price_nobody_knows_makes_one_call_first_whatever_others_cost(ledger: Ledger) -> None:
    limits = Limits(max_cost=100.0)
    for number in range(6):
        await ended(ledger, number, 0.1, AttemptState.COMPLETED, limits=limits)
    answers = [await ledger.claim(ask(number, limits=limits, agent_id="dear")) for number in range(20, 24)]
    assert [isinstance(answer, Claim) for answer in answers] == [True, False, False, False]
    assert isinstance(await ledger.claim(ask(30, limits=limits)), Claim), "the others go on meanwhile"


async def test_claims_of_two_agents_in_one_transaction_keep_one_budget(ledger: Ledger) -> None:
    for number in range(6):
        await ended(ledger, number, 1.0, AttemptState.COMPLETED, campaign="earlier")
        await ended(ledger, number, 1.0, AttemptState.COMPLETED, campaign="before", agent_id="another")
    asked = [
        ask(number, limits=Limits(max_cost=4.0), agent_id="agent" if number % 2 else "another")
        for number in range(20, 40)
    ]
    answers = await asyncio.gather(*[ledger.claim(each) for each in asked])
    assert sum(isinstance(answer, Claim) for answer in answers) == 4
