"""A claim is durable before anybody dials, one caller alone gets it, and nobody who goes away keeps one."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from campaign.attempts import VACANT, AttemptState, Claim, PastAttempt
from campaign.buckets import Bucket
from campaign.clock import SystemClock
from campaign.errors import LedgerError
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules.policy.policy import Policy
from campaign.rules.rules import Go, Never, NotNow
from sandbox.clock import ManualClock
from tests.campaign.ledger.asking import ask, ask_by, brought_to, claimed, first, phone, soon, up_to


async def test_a_claim_is_seen_by_every_other_program_before_its_caller_has_it(ledger: Ledger, ledger_url: str) -> None:
    claim = await claimed(ledger, account="account")
    async with Ledger(ledger_url) as other:
        (row,) = await other.attempts()
    assert row.state is AttemptState.CLAIMED
    assert (row.call_key, row.campaign, row.recipient_id, row.phone, row.attempt) == (
        *(claim.call_key, claim.campaign, claim.recipient_id, claim.phone, claim.attempt),
    )
    assert (row.run_id, row.account, row.agent_id, row.tries) == ("run", "account", "agent", claim.turn)
    assert row.claimed_at == claim.claimed_at
    assert row.lease_until == claim.lease_until == claim.claimed_at + timedelta(seconds=90)
    assert abs(claim.claimed_at - datetime.now(UTC)) < soon()


async def test_of_many_who_ask_at_once_one_gets_the_claim(ledger: Ledger) -> None:
    answers = await asyncio.gather(*[ledger.claim(ask(run_id=f"run-{run}")) for run in range(50)])
    assert sum(isinstance(answer, Claim) for answer in answers) == 1
    assert {answer.bucket for answer in answers if isinstance(answer, Never)} == {Bucket.OTHER_RUN}
    assert len(await ledger.attempts()) == 1


async def test_of_two_ledgers_in_one_process_one_gets_each_claim(ledger: Ledger, ledger_url: str) -> None:
    async with Ledger(ledger_url) as other:
        answers = await asyncio.gather(
            *[one.claim(ask(number)) for number in range(300) for one in (ledger, other)],
        )
    assert sum(isinstance(answer, Claim) for answer in answers) == 300
    assert len({answer.recipient_id for answer in answers if isinstance(answer, Claim)}) == 300


async def test_one_number_is_claimed_once_for_two_recipients_of_a_campaign(ledger: Ledger) -> None:
    answers = await asyncio.gather(
        ledger.claim(ask(1, recipient_id="anna")),
        ledger.claim(ask(1, recipient_id="bert")),
        ledger.claim(ask(1, recipient_id="carl", campaign="another")),
    )
    buckets = [answer.bucket if isinstance(answer, Never) else "claim" for answer in answers]
    assert buckets == ["claim", Bucket.DUPLICATE_NUMBER, "claim"]


async def test_the_next_attempt_is_a_claim_of_its_own(ledger: Ledger) -> None:
    one = await brought_to(ledger, AttemptState.NO_ANSWER, decision=up_to(2))
    two = await brought_to(ledger, AttemptState.CLAIMED, decision=up_to(2))
    assert (one.attempt, two.attempt) == (1, 2)
    assert one.call_key != two.call_key
    assert isinstance(await ledger.claim(ask(decision=up_to(2))), Never)


async def test_the_rules_see_every_attempt_at_the_number_the_person_and_the_recipient(ledger: Ledger) -> None:
    await brought_to(ledger, AttemptState.NO_ANSWER, 1, campaign="earlier", recipient_id="somebody")
    await brought_to(ledger, AttemptState.COMPLETED, 2, campaign="c", recipient_id="r1")
    await brought_to(ledger, AttemptState.COMPLETED, 3, campaign="earlier", recipient_id="r1")
    seen: list[PastAttempt] = []

    def look(history: Sequence[PastAttempt], at: datetime) -> NotNow:
        seen.extend(history)
        assert abs(at - datetime.now(UTC)) < soon()
        return NotNow(Bucket.DEFERRED, "only looking", None)

    verdict = await ledger.claim(ask(1, decision=look))
    assert verdict == NotNow(Bucket.DEFERRED, "only looking", None)
    assert {(past.campaign, past.recipient_id, past.phone, past.state) for past in seen} == {
        ("earlier", "somebody", phone(1), AttemptState.NO_ANSWER),
        ("c", "r1", phone(2), AttemptState.COMPLETED),
        ("earlier", "r1", phone(3), AttemptState.COMPLETED),
    }
    assert all(isinstance(past.state, AttemptState) for past in seen)
    assert all(past.ended_at is not None and past.ended_at.tzinfo is not None for past in seen)


async def test_caps_hold_among_claims_that_share_a_transaction(ledger: Ledger) -> None:
    policy = Policy(preset="unrestricted", per_24_hours=2)
    answers = await asyncio.gather(
        *[ledger.claim(ask_by(policy, number, campaign=f"c{run}")) for run in range(5) for number in range(20)]
    )
    claims = [answer for answer in answers if isinstance(answer, Claim)]
    assert sorted(claim.phone for claim in claims) == sorted(phone(number) for number in range(20))
    # While a phone may be ringing, no other campaign calls it.
    assert {answer.bucket for answer in answers if isinstance(answer, NotNow)} == {Bucket.OTHER_RUN}
    for claim in claims:
        await ledger.end(CallEnd(AttemptState.NO_ANSWER), call_key=claim.call_key, job_id=claim.call_key)
    answers = await asyncio.gather(
        *[ledger.claim(ask_by(policy, number, campaign=f"d{run}")) for run in range(5) for number in range(20)]
    )
    more = [answer for answer in answers if isinstance(answer, Claim)]
    assert sorted(claim.phone for claim in more) == sorted(phone(number) for number in range(20))
    for claim in more:
        await ledger.end(CallEnd(AttemptState.NO_ANSWER), call_key=claim.call_key, job_id=claim.call_key)
    third = [await ledger.claim(ask_by(policy, number, campaign="e")) for number in range(20)]
    assert {answer.bucket for answer in third if isinstance(answer, NotNow)} == {Bucket.DEFERRED}


@pytest.mark.parametrize("state", sorted(VACANT))
async def test_a_vacant_attempt_is_claimed_again_with_the_same_key_and_a_new_turn(
    ledger: Ledger, state: AttemptState
) -> None:
    old = await brought_to(ledger, state, run_id="first")
    new = await claimed(ledger, run_id="second", decision=up_to(1))
    assert (new.call_key, new.attempt, new.turn) == (old.call_key, old.attempt, old.turn + 1)
    (row,) = await ledger.attempts()
    assert (row.state, row.run_id, row.tries) == (AttemptState.CLAIMED, "second", 2)
    assert (row.error, row.message_key, row.status_code, row.looks, row.looked_at) == (None, None, None, 0, None)


@pytest.mark.parametrize("state", sorted(set(AttemptState) - VACANT))
async def test_an_attempt_that_may_have_rung_is_never_claimed_again(ledger: Ledger, state: AttemptState) -> None:
    await brought_to(ledger, state)
    verdict = await ledger.claim(ask())
    assert verdict == Never(Bucket.OTHER_RUN, f"attempt 1 is already {state.label}")
    assert [row.state for row in await ledger.attempts()] == [state]


async def test_a_recipient_with_a_new_number_keeps_the_attempt_and_frees_the_old_number(ledger: Ledger) -> None:
    await brought_to(ledger, AttemptState.RELEASED, 1, recipient_id="anna")
    moved, at_old = await asyncio.gather(
        ledger.claim(ask(2, recipient_id="anna")), ledger.claim(ask(1, recipient_id="bert"))
    )
    assert isinstance(moved, Claim)
    assert (moved.phone, moved.turn) == (phone(2), 2)
    assert isinstance(at_old, Claim)
    assert at_old.turn == 1


async def test_a_report_from_an_earlier_turn_moves_nothing(ledger: Ledger) -> None:
    stale = await brought_to(ledger, AttemptState.RELEASED)
    await claimed(ledger)
    assert not await ledger.release(stale, error="late")
    assert not await ledger.refuse(stale, error="late")
    assert not await ledger.mark_uncertain(stale, error="late")
    (row,) = await ledger.attempts()
    assert (row.state, row.error) == (AttemptState.CLAIMED, None)


async def test_nobody_of_a_campaign_on_hold_gets_a_claim(ledger: Ledger, ledger_url: str) -> None:
    async with Ledger(ledger_url) as other:
        await other.hold("c", note="the list is wrong")
    assert await ledger.on_hold("c") == "the list is wrong"
    held, free = await asyncio.gather(ledger.claim(ask(1)), ledger.claim(ask(1, campaign="another")))
    assert held == NotNow(Bucket.NOT_REACHED, "the campaign is on hold (the list is wrong)", None)
    assert isinstance(free, Claim)
    await ledger.hold("c", note="fixed", on=False)
    assert await ledger.on_hold("c") is None
    assert isinstance(await ledger.claim(ask(2)), Claim)


async def test_two_who_put_a_campaign_on_hold_at_once_both_succeed(ledger: Ledger, ledger_url: str) -> None:
    async with Ledger(ledger_url) as other:
        await asyncio.gather(*[one.hold("c", note="stop") for one in (ledger, other) * 5])
    assert await ledger.on_hold("c") == "stop"


# -- callers that go away ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_a_cancelled_caller_leaves_no_claim_behind(ledger_url: str, seed: int) -> None:
    rng = random.Random(seed)
    got: list[Claim] = []

    async def take(ledger: Ledger, number: int) -> None:
        claim = await ledger.claim(ask(number))
        assert isinstance(claim, Claim)
        got.append(claim)

    async with Ledger(ledger_url) as ledger:
        callers: list[asyncio.Task[None]] = []
        for number in range(150):
            callers.append(asyncio.create_task(take(ledger, number)))
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(rng.choice([0, 0, 0.001]))
            if rng.random() < 0.6:
                rng.choice(callers).cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    async with Ledger(ledger_url) as ledger:
        rows = await ledger.attempts()
    holders = {claim.recipient_id for claim in got}
    assert {row.recipient_id for row in rows if row.state is AttemptState.CLAIMED} == holders
    assert {row.state for row in rows if row.recipient_id not in holders} <= {AttemptState.RELEASED}


async def test_a_caller_cancelled_while_the_writer_is_busy_costs_nothing(ledger: Ledger) -> None:
    busy = asyncio.create_task(ledger.claim(ask(1)))
    await asyncio.sleep(0.0005)
    assert not busy.done()
    caller = asyncio.create_task(ledger.claim(ask(2)))
    await asyncio.sleep(0)
    caller.cancel()
    assert isinstance(await busy, Claim)
    assert isinstance(await ledger.claim(ask(3)), Claim)
    assert caller.cancelled()
    assert [row.recipient_id for row in await ledger.attempts()] == ["r1", "r3"]


async def test_a_report_is_written_though_its_caller_is_cancelled(ledger: Ledger) -> None:
    claims = [await claimed(ledger, number) for number in range(5)]
    reports = [
        asyncio.create_task(ledger.place(claims[0].call_key, "job")),
        asyncio.create_task(ledger.release(claims[1])),
        asyncio.create_task(ledger.mark_uncertain(claims[2], error="?")),
        asyncio.create_task(ledger.refuse(claims[3], error="no")),
        asyncio.create_task(ledger.end(CallEnd(AttemptState.COMPLETED), call_key=claims[4].call_key)),
    ]
    await asyncio.sleep(0)
    for report in reports:
        report.cancel()
    await asyncio.gather(*reports, return_exceptions=True)
    await ledger.close()
    await ledger.open()
    states = await ledger.states([claim.call_key for claim in claims])
    assert [states[claim.call_key].value for claim in claims] == [
        *("placed", "released", "uncertain", "refused", "completed"),
    ]


async def test_closing_finishes_every_write_that_waits(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    await ledger.open()
    claims = [asyncio.create_task(ledger.claim(ask(number))) for number in range(600)]
    await asyncio.sleep(0)
    await ledger.close()
    assert all(isinstance(claim.result(), Claim) for claim in claims)
    with pytest.raises(LedgerError, match="is not open"):
        await ledger.claim(ask(1000))
    with pytest.raises(LedgerError, match="is not open"):
        await ledger.attempts()
    async with ledger:
        assert len(await ledger.attempts()) == 600


async def test_a_close_that_is_cancelled_still_finishes_what_waits(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    await ledger.open()
    callers = [asyncio.create_task(ledger.claim(ask(number))) for number in range(300)]
    await asyncio.sleep(0.001)
    for caller in callers[::2]:
        caller.cancel()
    closing = asyncio.create_task(ledger.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    answers = await asyncio.gather(*callers, return_exceptions=True)
    held = {answer.recipient_id for answer in answers if isinstance(answer, Claim)}
    assert len(held) == 150
    async with ledger:
        rows = await ledger.attempts(states=[AttemptState.CLAIMED])
    assert {row.recipient_id for row in rows} == held


async def test_a_claim_that_was_on_its_way_is_given_back_before_the_ledger_is_closed(ledger_url: str) -> None:
    for number in range(20):
        async with Ledger(ledger_url) as ledger:
            caller = asyncio.create_task(ledger.claim(ask(number)))
            expiry = asyncio.create_task(ledger.expire_leases())
            for _ in range(1 + number):
                await asyncio.sleep(0)
            assert not caller.done()
            caller.cancel()
            expiry.cancel()
            await asyncio.gather(caller, expiry, return_exceptions=True)
    async with Ledger(ledger_url) as ledger:
        assert {row.state for row in await ledger.attempts()} == {AttemptState.RELEASED}


async def test_reads_that_are_cancelled_do_no_harm(ledger: Ledger) -> None:
    await asyncio.gather(*[ledger.claim(ask(number)) for number in range(200)])
    rng = random.Random(7)
    for _ in range(40):
        reads = [asyncio.create_task(ledger.attempts(campaign="c")) for _ in range(6)]
        await asyncio.sleep(rng.random() * 0.004)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
    assert len(await ledger.attempts()) == 200
    assert isinstance(await ledger.claim(ask(1000)), Claim)


# -- the writer --------------------------------------------------------------------------------------------------


async def test_claims_that_arrive_together_share_a_transaction(ledger: Ledger) -> None:
    await asyncio.gather(*[ledger.claim(ask(number)) for number in range(200)])
    moments = {row.claimed_at for row in await ledger.attempts()}
    assert len(moments) <= 3


async def test_rules_that_fail_for_one_recipient_stop_no_other(ledger: Ledger) -> None:
    def broken(_history: Sequence[PastAttempt], _at: datetime) -> Go:
        raise ZeroDivisionError("the zone is missing")

    answers = await asyncio.gather(
        *[ledger.claim(ask(number, decision=broken if number == 7 else first)) for number in range(20)],
        return_exceptions=True,
    )
    assert isinstance(answers[7], ZeroDivisionError)
    assert sum(isinstance(answer, Claim) for answer in answers) == 19


async def test_an_id_that_no_database_keeps_is_a_bad_row(ledger: Ledger) -> None:
    for name in ("nul\x00", "half \ud800"):
        verdict = await ledger.claim(ask(1, recipient_id=name))
        assert isinstance(verdict, Never)
        assert verdict.bucket is Bucket.BAD_ROW


async def test_a_writer_that_was_killed_leaves_nobody_waiting_and_starts_again(ledger: Ledger) -> None:
    async def kill() -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "ledger-writer":
                task.cancel()

    callers = [asyncio.create_task(ledger.claim(ask(number))) for number in range(600)]
    await asyncio.sleep(0.01)
    await kill()
    answers = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), 10)
    lost = [answer for answer in answers if isinstance(answer, LedgerError)]
    assert lost
    assert "stopped writing" in str(lost[0])
    assert isinstance(await ledger.claim(ask(1000)), Claim)

    caller = asyncio.create_task(ledger.claim(ask(1001)))
    await asyncio.sleep(0)
    await kill()  # before it began
    with pytest.raises(LedgerError, match="stopped writing"):
        await asyncio.wait_for(caller, 10)
    assert isinstance(await ledger.claim(ask(1002)), Claim)


# -- leases and time ---------------------------------------------------------------------------------------------


async def test_a_claim_whose_lease_ran_out_becomes_uncertain_and_no_other(ledger_url: str) -> None:
    clock = ManualClock()
    async with Ledger(ledger_url, clock=clock) as ledger:
        old = [await claimed(ledger, number, lease_seconds=60) for number in range(3)]
        await brought_to(ledger, AttemptState.PLACED, 10, lease_seconds=60)
        clock.advance(59)
        assert await ledger.expire_leases() == 0
        fresh = await claimed(ledger, 11, lease_seconds=60)
        clock.advance(2)
        assert await asyncio.gather(*[ledger.expire_leases() for _ in range(3)]) in ([3, 0, 0], [0, 3, 0], [0, 0, 3])
        uncertain = await ledger.attempts(states=[AttemptState.UNCERTAIN])
        assert {row.call_key for row in uncertain} == {claim.call_key for claim in old}
        assert all("stopped before it noted" in (row.error or "") for row in uncertain)
        assert (await ledger.states([fresh.call_key]))[fresh.call_key] is AttemptState.CLAIMED
        assert not await ledger.release(old[0])
        assert await ledger.place(old[1].call_key, "job")  # it was alive after all: evidence wins


async def test_a_cancelled_expiry_is_finished_all_the_same(ledger_url: str) -> None:
    clock = ManualClock()
    async with Ledger(ledger_url, clock=clock) as ledger:
        await claimed(ledger, lease_seconds=1)
        clock.advance(2)
        expiry = asyncio.create_task(ledger.expire_leases())
        await asyncio.sleep(0)
        expiry.cancel()
        await asyncio.gather(expiry, return_exceptions=True)
        await ledger.claim(ask(2))
        await ledger.close()
        await ledger.open()
        assert len(await ledger.attempts(states=[AttemptState.UNCERTAIN])) == 1


class WrongClock(SystemClock):
    """A machine whose clock was never set."""

    def now(self) -> datetime:
        return super().now() - timedelta(hours=3)


@pytest.mark.postgres
async def test_postgres_tells_machines_with_wrong_clocks_the_time(postgres_ledger: str) -> None:
    async with Ledger(postgres_ledger, clock=WrongClock()) as ledger:
        assert abs(ledger.now() - datetime.now(UTC)) < soon()
        claim = await claimed(ledger)
        assert abs(claim.claimed_at - datetime.now(UTC)) < soon()


async def test_a_clock_that_is_turned_by_hand_is_believed(ledger_url: str) -> None:
    clock = ManualClock()
    async with Ledger(ledger_url, clock=clock) as ledger:
        clock.advance(3600)
        assert ledger.now() == clock.now()
        assert (await claimed(ledger)).claimed_at == clock.now()
