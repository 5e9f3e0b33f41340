"""Refusals: the same one, or uncertain answers, too often in a row end a run; 429s are waited out only for so long."""

import asyncio

from campaign.dialing.safeguards.refusals import Refusals
from campaign.rules.policy.dial_settings import DialSettings
from hamsa import NotPlaced, Refused, Uncertain
from sandbox.clock import ManualClock

SETTINGS = DialSettings(stop_after_same_refusals=3, longest_refusal_seconds=60)

NO_CREDIT = Refused("No credit.", message_key="NoCredit", status_code=402)
NO_AGENT = Refused("No such agent.", status_code=404)
BUSY = NotPlaced("Too many.", status_code=429, retry_after=10)


def test_only_the_same_refusal_in_a_row_stops_a_run() -> None:
    refusals = Refusals(SETTINGS, clock=ManualClock(), most_unanswered=100)
    for error in (NO_CREDIT, NO_CREDIT, NO_AGENT, NO_AGENT, NO_CREDIT, NO_CREDIT):
        assert refusals.refused(error) is None
    stop = refusals.refused(NO_CREDIT)
    assert stop is not None
    assert (stop.kind, stop.failed) == ("refusals", True)
    assert "refused 3 calls in a row for the same reason: " in stop.message


def test_a_run_that_stops_after_one_call_says_so_in_the_singular() -> None:
    settings = DialSettings(stop_after_same_refusals=1, stop_after_uncertain=1)
    refused = Refusals(settings, clock=ManualClock(), most_unanswered=100).refused(NO_AGENT)
    assert refused is not None
    assert refused.message.startswith("Hamsa refused 1 call: ")
    uncertain = Refusals(settings, clock=ManualClock(), most_unanswered=100).uncertain(BROKE)
    assert uncertain is not None
    assert uncertain.message.startswith("1 call is uncertain: nobody knows whether a phone rang")


def test_an_accepted_call_restarts_the_count() -> None:
    refusals = Refusals(SETTINGS, clock=ManualClock(), most_unanswered=100)
    for _ in range(4):
        assert refusals.refused(NO_CREDIT) is None
        assert refusals.refused(NO_CREDIT) is None
        refusals.accepted()


def test_a_429_is_waited_out_until_hamsa_has_taken_no_call_for_too_long() -> None:
    clock = ManualClock()
    refusals = Refusals(SETTINGS, clock=clock, most_unanswered=100)
    assert refusals.may_wait(BUSY)
    clock.advance(50)
    assert refusals.may_wait(BUSY)
    clock.advance(1)
    assert not refusals.may_wait(BUSY), "the wait that Hamsa asks for counts"
    refusals.accepted()
    assert refusals.may_wait(BUSY)


BROKE = Uncertain("It says: insufficient balance.", status_code=200)


def test_no_credit_is_not_waited_for_as_long_as_other_refusals() -> None:
    refusals = Refusals(DialSettings(), clock=ManualClock(), most_unanswered=100)
    assert [refusals.refused(NO_CREDIT) is not None for _ in range(5)] == [False] * 4 + [True]
    assert [refusals.refused(NO_AGENT) is not None for _ in range(30)] == [False] * 29 + [True]


def test_a_handful_of_uncertain_answers_in_a_row_stops_a_run_and_says_what_hamsa_said() -> None:
    refusals = Refusals(DialSettings(), clock=ManualClock(), most_unanswered=100)
    for error in (BROKE, BROKE, BROKE, Uncertain("No answer.")):
        assert refusals.uncertain(error) is None
        refusals.refused(NO_AGENT)  # that is no call that Hamsa took either
    stop = refusals.uncertain(BROKE)
    assert stop is not None
    assert (stop.kind, stop.failed) == ("uncertain", True)
    assert "The last answer: 200: It says: insufficient balance. Find out" in stop.message


def test_a_call_that_hamsa_took_restarts_the_count_of_uncertain_answers() -> None:
    refusals = Refusals(DialSettings(), clock=ManualClock(), most_unanswered=100)
    for _ in range(9):
        assert [refusals.uncertain(BROKE) for _ in range(4)] == [None] * 4
        refusals.accepted()


async def test_after_runs_that_ended_uncertain_one_call_goes_first_and_may_be_the_last() -> None:
    refusals = Refusals(DialSettings(), clock=ManualClock(), most_unanswered=100)
    refusals.remember(9)
    assert await at_once(refusals) == 1
    stop = refusals.uncertain(BROKE)
    assert stop is not None
    assert stop.message.startswith("5 calls in a row are uncertain, those of earlier runs included: ")
    refusals.remember(2)
    assert [refusals.uncertain(BROKE) is not None for _ in range(3)] == [False, False, True]


async def at_once(refusals: Refusals) -> int:
    """How many calls may be unanswered now."""
    inside = 0
    leave = asyncio.Event()

    async def post() -> None:
        nonlocal inside
        async with refusals.unanswered():
            inside += 1
            await leave.wait()

    posts = [asyncio.create_task(post()) for _ in range(100)]
    for _ in range(5):
        await asyncio.sleep(0)
    seen = inside
    leave.set()
    await asyncio.gather(*posts)
    assert inside == 100, "nobody waits forever"
    return seen


async def test_few_calls_are_unanswered_at_once_until_hamsa_takes_some() -> None:
    refusals = Refusals(
        SETTINGS.model_copy(update={"stop_after_uncertain": 5}), clock=ManualClock(), most_unanswered=100
    )
    assert await at_once(refusals) == 5
    for taken in range(1, 40):
        refusals.accepted()
        assert await at_once(refusals) == 5 + taken
    refusals.uncertain(BROKE)
    assert await at_once(refusals) == 4
    for _ in range(9):
        refusals.uncertain(BROKE)
    assert await at_once(refusals) == 1


async def test_however_many_calls_hamsa_takes_no_more_than_the_most_are_unanswered_at_once() -> None:
    refusals = Refusals(SETTINGS.model_copy(update={"stop_after_uncertain": 5}), clock=ManualClock(), most_unanswered=7)
    for allowed in (5, 6, 7, 7, 7):
        assert await at_once(refusals) == allowed
        refusals.accepted()
