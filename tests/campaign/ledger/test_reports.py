"""Each fact is recorded and emitted once, whoever reports it and however late; and what was recorded can be read."""

import asyncio
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaign.attempts import COUNTS, ENDED, AttemptState, Claim, Denial
from campaign.errors import JobConflict, LedgerError
from campaign.ledger.ledger import CallEnd, CampaignTotals, Ledger, default_url
from tests.campaign.ledger.asking import ask, brought_to, claimed, phone, up_to

S = AttemptState


async def test_a_call_is_followed_from_the_claim_to_its_end(ledger: Ledger) -> None:
    claim = await claimed(ledger)
    record = {"id": "job-1", "status": "PENDING", "params": {"name": "Ångström 💶"}}
    placed_at = datetime(2026, 11, 3, 15, 0, 1, 250, tzinfo=UTC)
    assert await ledger.place(claim.call_key, "job-1", status="PENDING", record=record, placed_at=placed_at)
    (row,) = await ledger.attempts()
    assert (row.state, row.job_id, row.status, row.record) == (S.PLACED, "job-1", "PENDING", record)
    assert (row.placed_at, row.echoed, row.outcome) == (placed_at, False, None)
    ended_at = placed_at.astimezone(UTC) + timedelta(seconds=90)
    end = CallEnd(
        S.COMPLETED,
        status="COMPLETED",
        ended_at=ended_at,
        duration_seconds=88.5,
        cost=0.31,
        outcome={"promised": "2026-11-05", "list": [1, None]},
        record={**record, "status": "COMPLETED"},
        opted_out=True,
    )
    assert await ledger.end(end, call_key=claim.call_key, job_id="job-1")
    (row,) = await ledger.attempts()
    assert (row.state, row.status, row.ended_at, row.duration_seconds, row.cost) == (
        *(S.COMPLETED, "COMPLETED", ended_at, 88.5, 0.31),
    )
    assert (row.outcome, row.record, row.opted_out) == (end.outcome, end.record, True)
    assert row.placed_at == placed_at


async def test_an_end_is_reported_once_however_many_report_it(ledger: Ledger, ledger_url: str) -> None:
    claim = await brought_to(ledger, S.PLACED)
    async with Ledger(ledger_url) as other:
        shown = await asyncio.gather(
            *[one.end(CallEnd(S.NO_ANSWER), call_key=claim.call_key) for one in (ledger, other) * 10],
            *[one.end(CallEnd(S.NO_ANSWER), job_id="job-1") for one in (ledger, other) * 10],
        )
    assert sum(shown) == 1


async def test_a_webhook_may_be_faster_than_the_answer_to_the_post(ledger: Ledger) -> None:
    claim = await claimed(ledger)
    assert await ledger.end(CallEnd(S.COMPLETED, outcome={"a": 1}), call_key=claim.call_key, job_id="job-1")
    assert not await ledger.place(claim.call_key, "job-1", status="PENDING", echoed=True)
    (row,) = await ledger.attempts()
    assert (row.state, row.job_id, row.outcome, row.echoed) == (S.COMPLETED, "job-1", {"a": 1}, True)
    assert row.placed_at is not None


@pytest.mark.parametrize("state", [S.RELEASED, S.REFUSED, S.UNCERTAIN, S.NOT_PLACED])
async def test_late_evidence_of_a_call_wins(ledger: Ledger, state: AttemptState) -> None:
    one, two = await brought_to(ledger, state, 1), await brought_to(ledger, state, 2)
    assert await ledger.place(one.call_key, "job-1")
    assert await ledger.end(CallEnd(S.COMPLETED), call_key=two.call_key, job_id="job-2")
    rows = await ledger.attempts()
    assert [(row.state, row.job_id, row.error, row.status_code) for row in rows] == [
        (S.PLACED, "job-1", None, None),
        (S.COMPLETED, "job-2", None, None),
    ]


async def test_a_job_is_owned_once(ledger: Ledger) -> None:
    one, two = await claimed(ledger, 1), await claimed(ledger, 2)
    answers = await asyncio.gather(
        ledger.place(one.call_key, "job"), ledger.place(two.call_key, "job"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [bool, JobConflict]
    with pytest.raises(JobConflict, match="already belongs to another attempt"):
        await ledger.end(CallEnd(S.COMPLETED), call_key=two.call_key, job_id="job")
    with pytest.raises(JobConflict, match="two calls of one attempt"):
        await ledger.place(one.call_key, "another job")
    assert [row.job_id for row in await ledger.attempts()] == ["job", None]
    owners = await ledger.owners(["job", "another job"])
    assert {job_id: owner.call_key for job_id, owner in owners.items()} == {"job": one.call_key}


async def test_reports_about_nobody_are_not_passed_on(ledger: Ledger) -> None:
    assert not await ledger.end(CallEnd(S.COMPLETED), job_id="somebody else's")
    assert not await ledger.end(CallEnd(S.COMPLETED), call_key="another ledger's")
    assert not await ledger.place("another ledger's", "job")
    assert await ledger.attempts() == []


async def test_an_uncertain_attempt_is_proved_absent_only_by_its_own_looks(ledger: Ledger) -> None:
    await brought_to(ledger, S.UNCERTAIN)
    (seen,) = await ledger.attempts()
    await ledger.note_look(seen, reason="no trace", counts=True)
    await ledger.note_look(seen, reason="no trace", counts=True)  # by another run, of the same moment
    (once,) = await ledger.attempts()
    assert (once.looks, once.error) == (1, "no trace")
    assert once.looked_at is not None
    await ledger.note_look(once, reason="two candidates", counts=False)  # somebody saw something meanwhile
    assert not await ledger.prove_absent(once, reason="proved absent")
    (row,) = await ledger.attempts()
    assert (row.state, row.looks, row.error) == (S.UNCERTAIN, 0, "two candidates")
    assert await ledger.prove_absent(row, reason="proved absent")
    assert not await ledger.prove_absent(row, reason="proved absent")
    await ledger.note_look(row, reason="late", counts=True)
    (row,) = await ledger.attempts()
    assert (row.state, row.error) == (S.NOT_PLACED, "proved absent")


ODD: list[Any] = [
    {"nan": math.nan, "deep": [{"inf": math.inf}]},
    {"when": datetime(2026, 11, 3, tzinfo=UTC), "what": {1, 2}},
    {"text": "nul \x00 and half \ud800"},
    {},
]


@pytest.mark.parametrize("odd", ODD, ids=["not-a-number", "not-json", "not-text", "empty"])
async def test_a_record_is_kept_whatever_is_in_it(ledger: Ledger, odd: dict[str, Any]) -> None:
    claim = await claimed(ledger)
    assert await ledger.place(claim.call_key, "job", record=odd, status="half \ud800", placed_at=None)
    assert await ledger.end(CallEnd(S.FAILED, error="nul \x00", outcome=odd), call_key=claim.call_key)
    (row,) = await ledger.attempts()
    assert row.record is not None
    assert row.record.keys() == odd.keys()
    assert json.dumps(row.record, allow_nan=False)
    assert (row.error, row.status) == ("nul \ufffd", "half ?")


async def test_one_write_that_cannot_be_done_stops_no_other(ledger: Ledger) -> None:
    claims = [await claimed(ledger, number) for number in range(5)]
    naive = datetime(2026, 11, 3)  # noqa: DTZ001
    answers = await asyncio.gather(
        *[ledger.place(claim.call_key, f"job-{claim.recipient_id}") for claim in claims[:2]],
        ledger.place(claims[2].call_key, "job-x", placed_at=naive),
        ledger.end(CallEnd(S.COMPLETED, duration_seconds="long"), call_key=claims[3].call_key),  # type: ignore[arg-type]
        ledger.place(claims[4].call_key, "job-4"),
        return_exceptions=True,
    )
    assert answers[:2] == [True, True]
    assert answers[4] is True
    assert isinstance(answers[2], LedgerError)
    assert "a value cannot be kept in it" in str(answers[2])
    states = await ledger.states([claim.call_key for claim in claims])
    assert [states[claim.call_key] for claim in claims[:3]] == [S.PLACED, S.PLACED, S.CLAIMED]


# -- reading -----------------------------------------------------------------------------------------------------


async def test_attempts_are_found_by_every_argument_given(ledger: Ledger) -> None:
    one = await brought_to(ledger, S.PLACED, 1, run_id="first", account="a")
    two = await brought_to(ledger, S.UNCERTAIN, 2, run_id="second", account="b")
    three = await brought_to(ledger, S.COMPLETED, 3, campaign="another", run_id="second", account="a")

    async def keys(**arguments: Any) -> list[str]:
        return [row.call_key for row in await ledger.attempts(**arguments)]

    assert await keys() == [one.call_key, two.call_key, three.call_key]
    assert await keys(campaign="c") == [one.call_key, two.call_key]
    assert await keys(states=[S.PLACED, S.COMPLETED]) == [one.call_key, three.call_key]
    assert await keys(states=[S.PLACED, S.COMPLETED], campaign="another") == [three.call_key]
    assert await keys(run_id="second") == [two.call_key, three.call_key]
    assert await keys(account="a", run_id="first") == [one.call_key]
    assert await keys(call_keys={two.call_key, "none"}) == [two.call_key]
    assert [row.call_key for row in await ledger.unfinished()] == [one.call_key, two.call_key]
    assert [row.call_key for row in await ledger.unfinished(account="b")] == [two.call_key]
    assert await ledger.states([one.call_key, three.call_key, "none"]) == {
        one.call_key: S.PLACED,
        three.call_key: S.COMPLETED,
    }


async def test_asked_for_none_of_the_attempts_the_ledger_gives_none(ledger: Ledger) -> None:
    await brought_to(ledger, S.PLACED, 1)
    nothing: dict[str, Any] = {"states": [], "call_keys": [], "recipient_ids": []}
    for name, empty in nothing.items():
        assert await ledger.attempts(**{name: empty}) == []
        assert len(await ledger.attempts(**{name: None})) == 1
    assert await ledger.unfinished(call_keys=[]) == []


async def test_history_is_found_by_number_and_by_recipient(ledger: Ledger) -> None:
    await brought_to(ledger, S.NO_ANSWER, 1, campaign="earlier", recipient_id="somebody")
    await brought_to(ledger, S.FAILED, 1, decision=up_to(2))
    await brought_to(ledger, S.COMPLETED, 2, recipient_id="moved")
    found = await ledger.history("c", [phone(1), phone(9)], ["r1", "moved"])
    assert {key: [(past.campaign, past.state) for past in pasts] for key, pasts in found.items()} == {
        phone(1): [("earlier", S.NO_ANSWER), ("c", S.FAILED)],
        "id:r1": [("c", S.FAILED)],
        phone(2): [("c", S.COMPLETED)],
        "id:moved": [("c", S.COMPLETED)],
    }
    assert await ledger.history("c", [], []) == {}


async def test_a_page_of_history_as_large_as_anybody_asks_for(ledger: Ledger) -> None:
    await asyncio.gather(*[ledger.claim(ask(number)) for number in range(100)])
    phones = [phone(number) for number in range(100)] + [f"+1{number}" for number in range(40_000)]
    ids = [f"r{number}" for number in range(40_000)]
    found = await ledger.history("c", phones, ids)
    assert len(found) == 200
    keys = [row.call_key for row in await ledger.attempts()] + [str(number) for number in range(40_000)]
    assert len(await ledger.states(keys)) == len(await ledger.attempts(call_keys=keys)) == 100


async def test_totals_add_up_over_all_runs(ledger: Ledger) -> None:
    assert await ledger.totals("c") == CampaignTotals()
    for number, state in enumerate([S.COMPLETED, S.COMPLETED, S.NO_ANSWER, S.RELEASED, S.UNCERTAIN], start=1):
        await brought_to(ledger, state, number, run_id=f"run-{number}")
    for number, cost in ((1, 0.25), (2, 0.5)):
        await ledger.end(CallEnd(S.COMPLETED, cost=cost, duration_seconds=10.0), job_id=f"job-{number}")
    await brought_to(ledger, S.COMPLETED, 9, campaign="another")
    totals = await ledger.totals("c")
    assert totals.states == {S.COMPLETED: 2, S.NO_ANSWER: 1, S.RELEASED: 1, S.UNCERTAIN: 1}
    assert (totals.cost, totals.seconds, totals.called) == (0.75, 20.0, 4)
    assert totals.called == sum(count for state, count in totals.states.items() if state in COUNTS)


async def test_an_account_echoes_an_agents_params_once_it_was_seen_to(ledger: Ledger) -> None:
    claim = await claimed(ledger, 1, account="a", agent_id="agent")
    nobodys = await claimed(ledger, 2, agent_id=None)
    assert not await ledger.account_echoes("a", "agent")
    await ledger.place(claim.call_key, "job-1", echoed=True)
    assert await ledger.account_echoes("a", "agent")
    assert not await ledger.account_echoes("a", None)
    assert not await ledger.account_echoes("b", "agent")
    assert not await ledger.account_echoes(None, None)
    await ledger.end(CallEnd(S.COMPLETED, echoed=True), call_key=nobodys.call_key, job_id="job-2")
    assert await ledger.account_echoes(None, None)


async def test_every_end_is_final(ledger: Ledger) -> None:
    for number, state in enumerate(sorted(ENDED), start=1):
        claim = await brought_to(ledger, state, number)
        assert not await ledger.release(claim)
        assert not await ledger.mark_uncertain(claim, error="?")
        assert not await ledger.end(CallEnd(S.COMPLETED), call_key=claim.call_key)
    assert [row.state for row in await ledger.attempts()] == sorted(ENDED)


def test_the_default_ledger_is_a_file_below_home(tmp_path: Path) -> None:
    ledger = Ledger(default_url(tmp_path))
    assert ledger.is_file
    assert str(tmp_path / "hamsa" / "calls.db") in ledger.name


async def test_a_claim_of_an_attempt_that_hamsa_denied_says_so_until_it_is_known_better(ledger: Ledger) -> None:
    first = await claimed(ledger, account="project")
    assert first.denial is None
    # Both in one transaction, as a busy ledger writes them.
    _, second = await asyncio.gather(
        ledger.release(first, error="429", status_code=429, denied_at=first.claimed_at),
        ledger.claim(ask(account="project")),
    )
    assert isinstance(second, Claim)
    (row,) = await ledger.attempts()
    assert second.denial == Denial("project", "agent", first.claimed_at, row.claimed_at)
    await ledger.release(second, error="cancelled")
    third = await claimed(ledger, account="project")
    assert third.denial is not None
    assert third.denial.asked_at == first.claimed_at, "what the second turn could not find out is still to be found out"
    await ledger.refuse(third, error="400", status_code=400, denied_at=third.claimed_at)
    fourth = await claimed(ledger, account="project")
    assert fourth.denial is not None
    assert fourth.denial.asked_at == third.claimed_at
    await ledger.mark_uncertain(fourth, error="a call may be it")
    (row,) = await ledger.attempts()
    assert (row.since, row.claimed_at) == (third.claimed_at, fourth.claimed_at)
    assert await ledger.prove_absent(row, reason="no trace")
    assert (await claimed(ledger, account="project")).denial is None, "absence was proved"


@pytest.mark.parametrize(("state", "denied"), [(S.RELEASED, False), (S.REFUSED, True), (S.NOT_PLACED, False)])
async def test_only_an_answer_is_a_denial(ledger: Ledger, state: AttemptState, *, denied: bool) -> None:
    await brought_to(ledger, state)
    assert ((await claimed(ledger)).denial is not None) == denied
