"""What was said is kept as long as the ledger is set to, then forgotten in the background; protection stays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from campaign.attempts import COUNTS, OPEN, VACANT
from campaign.attempts import AttemptState as S
from campaign.buckets import Bucket
from campaign.ledger import Keep, Refusal
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules import Never, Policy
from sandbox.clock import ManualClock
from tests.campaign.ledger.asking import ask_by, brought_to, claimed, phone

MONTH = timedelta(days=30)


@asynccontextmanager
async def opened(url: str, clock: ManualClock, **keep: timedelta) -> AsyncIterator[Ledger]:
    async with Ledger(url, clock=clock, keep=Keep(**keep)) as ledger:
        yield ledger


async def until_clean(ledger: Ledger, clock: ManualClock) -> None:
    """Let the cleaner finish its round."""
    await clock.run_for(1.0)
    await ledger._cleaner.clean()  # noqa: SLF001 - a round of its own, so that nothing is left of the one before


async def test_what_was_said_in_calls_that_are_over_is_emptied_and_what_protects_people_stays(ledger_url: str) -> None:
    clock = ManualClock()
    said = {"wants_no_more_calls": True, "name": "Huda"}
    async with opened(ledger_url, clock) as ledger:
        await ledger.name_opt_out_fields(["wants_no_more_calls"])
        for number, state in enumerate(sorted(S), 1):
            await brought_to(ledger, state, number)
        claim = await claimed(ledger, 50)
        end = CallEnd(S.COMPLETED, outcome=said, record={"params": said}, error="cut off", cost=1.5)
        await ledger.end(end, call_key=claim.call_key, job_id="job-50")
        clock.advance(MONTH.total_seconds())
        await claimed(ledger, 51)
        before = {row.call_key: row for row in await ledger.attempts()}
    clock.advance(1.0)
    async with opened(ledger_url, clock, records=MONTH) as ledger:
        await until_clean(ledger, clock)
        for row in await ledger.attempts():
            was = before.pop(row.call_key)
            if row.state in OPEN:
                assert row == was
                continue
            assert (row.outcome, row.record, row.error, row.answer, row.message_key) == (None,) * 5
            kept = ("state", "phone", "recipient_id", "claimed_at", "ended_at", "cost", "opted_out", "job_id", "tries")
            assert [getattr(row, name) for name in kept] == [getattr(was, name) for name in kept]
        assert not before
        answer = await ledger.claim(ask_by(Policy(preset="unrestricted"), 50, campaign="new"))
        assert isinstance(answer, Never)
        assert answer.bucket is Bucket.OPTED_OUT


@pytest.mark.parametrize("age", [-1, 1], ids=["a_second_younger", "a_second_older"])
async def test_records_are_kept_to_the_second(ledger_url: str, age: int) -> None:
    clock = ManualClock()
    async with opened(ledger_url, clock) as ledger:
        claim = await claimed(ledger)
        await ledger.end(CallEnd(S.COMPLETED, outcome={"a": 1}), call_key=claim.call_key, job_id="job")
    clock.advance((MONTH + timedelta(seconds=age)).total_seconds())
    async with opened(ledger_url, clock, records=MONTH) as ledger:
        await ledger._cleaner.clean()  # noqa: SLF001
        (row,) = await ledger.attempts()
    assert (row.outcome is None) == (age > 0)


async def test_it_goes_on_by_itself_every_hour_while_the_ledger_is_open(ledger_url: str) -> None:
    clock = ManualClock()
    async with opened(ledger_url, clock, records=timedelta(days=1)) as ledger:
        claim = await claimed(ledger)
        await ledger.end(CallEnd(S.COMPLETED, outcome={"a": 1}), call_key=claim.call_key, job_id="job")
        await clock.run_for(22 * 3600)
        (row,) = await ledger.attempts()
        assert row.outcome == {"a": 1}
        await clock.run_for(4 * 3600)
        (row,) = await ledger.attempts()
        assert row.outcome is None


async def test_more_than_a_batch_is_emptied_in_several(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr("campaign.ledger.cleaner.CALLS_AT_ONCE", 10)
    many = 25
    async with opened(ledger_url, clock) as ledger:
        for number in range(many):
            claim = await claimed(ledger, number)
            await ledger.end(CallEnd(S.COMPLETED, outcome={"a": 1}), call_key=claim.call_key, job_id=f"job-{number}")
    clock.advance((MONTH * 2).total_seconds())
    async with opened(ledger_url, clock, records=MONTH) as ledger:
        await ledger._cleaner.clean()  # noqa: SLF001
        assert [row for row in await ledger.attempts() if row.outcome is not None] == []


async def test_nothing_is_emptied_while_outcomes_are_still_to_be_read_for_a_no(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    async with opened(ledger_url, clock) as ledger:
        claim = await claimed(ledger)
        await ledger.end(CallEnd(S.COMPLETED, outcome={"leave_me": "yes"}), call_key=claim.call_key, job_id="job")
        with monkeypatch.context() as patched:  # whoever names the field goes away before the past was searched
            patched.setattr("campaign.ledger.ledger.Ledger._search", _go_away)
            with pytest.raises(ConnectionError):
                await ledger.name_opt_out_fields(["leave_me"])
    clock.advance((MONTH * 2).total_seconds())
    async with opened(ledger_url, clock, records=MONTH) as ledger:
        await ledger._cleaner.clean()  # noqa: SLF001
        (row,) = await ledger.attempts()
        assert row.outcome == {"leave_me": "yes"}
        await ledger.name_opt_out_fields(["leave_me"])
        await ledger._cleaner.clean()  # noqa: SLF001
        (row,) = await ledger.attempts()
        assert row.outcome is None
        assert await ledger.opt_outs([phone(1)], [])


async def _go_away(*_: object) -> None:
    raise ConnectionError


@pytest.mark.parametrize("days", [1, 90, 200])
async def test_reasons_for_not_calling_are_kept_as_long_as_the_ledger_is_set_to(ledger_url: str, days: int) -> None:
    clock = ManualClock()
    async with opened(ledger_url, clock, refusals=timedelta(days=days)) as ledger:

        def refusal(row: int) -> Refusal:
            return Refusal("run", row, "c", f"r{row}", phone(row), "deferred", "late", None, None, ledger.now())

        await ledger.note_refusals([refusal(1)])
        clock.advance(2.0)
        await ledger.note_refusals([refusal(2)])
    clock.advance((timedelta(days=days, seconds=-1)).total_seconds())
    async with opened(ledger_url, clock, refusals=timedelta(days=days)) as ledger:
        await ledger.note_refusals([refusal(3)])
        await until_clean(ledger, clock)
        kept = await ledger.refusals_of(phones=[phone(1), phone(2), phone(3)], persons=[], most=5)
    assert {each.row for each in kept} == ({3, 2} if days else set())


def test_every_state_is_open_or_may_be_emptied() -> None:
    assert set(S) == OPEN | VACANT | (COUNTS - OPEN)
