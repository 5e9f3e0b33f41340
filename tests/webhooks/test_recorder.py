"""The recorder: each fact recorded once, emitted once, whatever the order and however often events come."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from campaign.attempts import AttemptState
from campaign.ledger import Order
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules.policy.dial_settings import DialSettings
from tests.campaign.campaign_world import CampaignWorld, people
from tests.webhooks.in_process import House, an_event, attempt_of, claim, house
from tests.webhooks.running import HEADERS

COMPLETED: dict[str, Any] = {"status": "COMPLETED", "callDuration": 41.5, "totalCost": 0.08}


async def test_an_end_is_recorded_by_call_key_and_emitted_once_however_often_it_comes(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.place(claimed.call_key, "job-1")
        result = {"call_key": claimed.call_key, "promised_to_pay": True}
        event = an_event("call.ended", "job-1", result=result, **COMPLETED)
        for _ in range(3):
            assert (await receiver.post(event)).status_code == 200
            await receiver.rest()
        await receiver.post({**event, "timestamp": "2026-11-03T15:01:01Z"})
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
    assert (attempt.state, attempt.status) == (AttemptState.COMPLETED, "COMPLETED")
    assert (attempt.duration_seconds, attempt.cost, attempt.outcome) == (41.5, 0.08, {"promised_to_pay": True})
    assert attempt.ended_at is not None
    assert attempt.ended_at.isoformat() == "2026-11-03T15:01:00+00:00"
    (fact,) = receiver.facts
    assert (fact.kind, fact.job_id, fact.recipient_id, fact.run_id) == ("ended", "job-1", "r1", "run")
    assert fact.end is not None
    assert fact.end.outcome == {"promised_to_pay": True}


async def test_an_end_without_our_key_is_recorded_by_the_job_id(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.place(claimed.call_key, "job-1")
        await receiver.post(an_event("call.ended", "job-1", status="no-answer"))
        await receiver.rest()
        assert (await attempt_of(ledger, claimed.call_key)).state is AttemptState.NO_ANSWER


@pytest.mark.parametrize("kind", ["call.started", "call.answered"])
async def test_an_event_with_our_key_places_an_uncertain_attempt(tmp_path: Path, kind: str) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.mark_uncertain(claimed, error="no answer")
        await receiver.post({**an_event(kind, "job-1"), "data": {"params": {"call_key": claimed.call_key}}})
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
    assert (attempt.state, attempt.job_id, attempt.error) == (AttemptState.PLACED, "job-1", None)
    assert [fact.kind for fact in receiver.facts] == ["placed"]
    assert not attempt.echoed, "an event is no proof that job records give the key back"


async def test_an_end_with_our_key_ends_an_uncertain_attempt(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.mark_uncertain(claimed, error="no answer")
        await receiver.post(an_event("call.ended", "job-1", result={"call_key": claimed.call_key}, **COMPLETED))
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
    assert (attempt.state, attempt.job_id) == (AttemptState.COMPLETED, "job-1")


async def test_events_in_any_order_come_to_the_same(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        key = {"call_key": claimed.call_key}
        await receiver.post(an_event("call.ended", "job-1", result=key, **COMPLETED))
        await receiver.rest()
        await receiver.post({**an_event("call.answered", "job-1"), "data": {"params": key}})
        await receiver.post({**an_event("call.started", "job-1"), "data": {"params": key}})
        await receiver.rest()
        assert (await attempt_of(ledger, claimed.call_key)).state is AttemptState.COMPLETED
    assert [fact.kind for fact in receiver.facts] == ["ended"]


async def test_a_fact_that_the_run_recorded_first_is_not_emitted_again_but_completed(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.place(claimed.call_key, "job-1")
        await ledger.end(CallEnd(AttemptState.COMPLETED, status="COMPLETED"), call_key=claimed.call_key)
        result = {"call_key": claimed.call_key, "wants_no_more_calls": "yes"}
        await receiver.post(an_event("call.ended", "job-1", result=result, **COMPLETED))
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
    assert (attempt.cost, attempt.opted_out) == (0.08, True)
    assert receiver.facts == []


@pytest.mark.postgres
async def test_odd_characters_and_numbers_cost_no_end_on_postgresql(tmp_path: Path, postgres_database: str) -> None:
    world = CampaignWorld(path=tmp_path / "unused", url=postgres_database)
    async with (
        house(tmp_path, world=world) as receiver,
        Ledger(postgres_database, clock=receiver.clock) as ledger,
    ):
        claimed = await claim(ledger)
        result = {"call_key": claimed.call_key, "note": "a\x00b \ud83d", "big": 10**300, "odd": float("inf")}
        body = json.dumps(an_event("call.ended", "job-1", result=result, status="COMPLETED", totalCost=1e400))
        assert (await receiver.http.post("/hamsa", headers=HEADERS, content=body)).status_code == 200
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
    assert attempt.state is AttemptState.COMPLETED
    assert attempt.cost is None
    assert [fact.kind for fact in receiver.facts] == ["ended"]


async def test_two_receivers_on_one_ledger_emit_each_event_once(tmp_path: Path) -> None:
    async with (
        house(tmp_path) as one,
        house(tmp_path, world=one.world, name="other") as other,
        Ledger(one.world.url, clock=one.clock) as ledger,
    ):
        keys = [(await claim(ledger, number)).call_key for number in range(20)]
        for number, key in enumerate(keys):
            event = an_event("call.ended", f"job-{number}", result={"call_key": key}, **COMPLETED)
            await asyncio.gather(one.post(event), other.post(event))
        await one.rest()
        assert {attempt.state for attempt in await ledger.attempts()} == {AttemptState.COMPLETED}
    assert sorted(fact.call_key for fact in one.facts + other.facts) == sorted(keys)


async def test_an_end_that_is_ahead_of_the_ledger_waits_for_it(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.mark_uncertain(claimed, error="no answer")
        await receiver.post(an_event("call.ended", "job-1", **COMPLETED))
        await receiver.rest(30)
        assert receiver.spool.waiting == 1
        await ledger.place(claimed.call_key, "job-1")  # settling found it
        await receiver.rest(60)
        assert (await attempt_of(ledger, claimed.call_key)).state is AttemptState.COMPLETED
        assert receiver.spool.waiting == 0


async def test_calls_of_others_are_looked_for_over_half_an_hour_and_then_no_more(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver:
        await receiver.post(an_event("call.ended", "of-the-dashboard", **COMPLETED))
        await receiver.post(an_event("call.ended", "of-another-ledger", result={"call_key": "k"}, **COMPLETED))
        await receiver.rest()
        assert receiver.spool.waiting == 1
        await receiver.rest(2 + 10 + 60 + 300 + 1800 - 10)
        assert receiver.spool.waiting == 1
        await receiver.rest(20)
        assert receiver.spool.waiting == 0
        assert receiver.recorder.results == {"foreign": 2}


async def test_an_end_that_does_not_say_how_is_left_to_hamsas_list(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.mark_uncertain(claimed, error="no answer")
        await receiver.post(an_event("call.ended", "job-1", result={"call_key": claimed.call_key}))
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
        assert (attempt.state, attempt.job_id) == (AttemptState.PLACED, "job-1")
        await receiver.post(an_event("call.answered", "job-1"))
        await receiver.rest(10)
        assert (await attempt_of(ledger, claimed.call_key)).state is AttemptState.COMPLETED
    assert [fact.kind for fact in receiver.facts] == ["placed", "ended"]


async def test_an_end_whose_call_id_is_not_the_job_id_is_recorded_by_our_key(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.place(claimed.call_key, "job-1")
        await receiver.post(an_event("call.ended", "call-1", result={"call_key": claimed.call_key}, **COMPLETED))
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
    assert (attempt.state, attempt.job_id) == (AttemptState.COMPLETED, "job-1")


async def test_a_job_of_another_attempt_is_not_recorded_for_this_one(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        one, two = await claim(ledger, 1), await claim(ledger, 2)
        await ledger.place(one.call_key, "job-1")
        await ledger.mark_uncertain(two, error="no answer")
        await receiver.post(an_event("call.ended", "job-1", result={"call_key": two.call_key}, **COMPLETED))
        await receiver.rest()
        assert (await attempt_of(ledger, one.call_key)).state is AttemptState.PLACED
        assert (await attempt_of(ledger, two.call_key)).state is AttemptState.UNCERTAIN
    assert receiver.recorder.results == {"conflict": 1}


async def test_an_earlier_calls_late_end_does_not_end_the_next_call_of_the_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        first = await claim(ledger)
        await ledger.release(first)
        happened = receiver.clock.now()
        receiver.world.clock.advance(3600)
        second = await claim(ledger)
        assert (second.call_key, second.turn) == (first.call_key, 2)
        late = an_event("call.ended", "job-1", at=happened, result={"call_key": first.call_key}, **COMPLETED)
        await receiver.post(late)
        await receiver.rest()
        assert (await attempt_of(ledger, second.call_key)).state is AttemptState.CLAIMED
    assert receiver.recorder.results == {"conflict": 1}
    assert "the phone may have rung twice" in caplog.text


async def test_events_wait_while_the_ledger_is_away_and_are_recorded_when_it_is_back(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver:
        async with Ledger(receiver.world.url, clock=receiver.clock) as ledger:
            keys = [(await claim(ledger, number)).call_key for number in range(5)]
        away, home = tmp_path / "away", receiver.world.path
        away.mkdir()
        for path in tmp_path.glob("calls.db*"):
            path.rename(away / path.name)
        home.mkdir()  # nothing can be opened there
        for number, key in enumerate(keys):
            answer = await receiver.post(an_event("call.ended", f"job-{number}", result={"call_key": key}, **COMPLETED))
            assert answer.status_code == 200
        await receiver.rest(120, patience=0.3)
        assert receiver.spool.waiting == 5
        health = await receiver.http.get("/health")
        assert health.status_code == 200
        assert "the ledger has taken no events since" in health.json()["last_error"]
        assert str(tmp_path) not in health.text
        home.rmdir()
        for path in away.iterdir():
            path.rename(tmp_path / path.name)
        await receiver.rest(60, patience=0.3)
        await receiver.rest()
        assert receiver.spool.waiting == 0
        assert (await receiver.http.get("/health")).json()["last_error"] is None
    assert len(receiver.facts) == 5


async def rest_until(receiver: House, waiting: int, seconds: float) -> None:
    """Turn the clock until so many events wait: on a busy machine one turn may not be enough."""
    for _ in range(20):
        await receiver.rest(seconds, patience=0.3)
        if receiver.spool.waiting == waiting:
            return


async def test_one_event_that_the_ledger_does_not_take_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        keys = [(await claim(ledger, number)).call_key for number in range(6)]
        with closing(sqlite3.connect(receiver.world.path)) as connection, connection:
            # As if one row could not be written.
            connection.execute(
                "CREATE TRIGGER bad BEFORE UPDATE ON call_attempts WHEN old.recipient_id = 'r3' "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        connection.close()
        for number, key in enumerate(keys):
            await receiver.post(an_event("call.ended", f"job-{number}", result={"call_key": key}, **COMPLETED))
        await rest_until(receiver, 1, seconds=120)
        states = {attempt.recipient_id: attempt.state for attempt in await ledger.attempts()}
        assert states.pop("r3") is AttemptState.CLAIMED
        assert set(states.values()) == {AttemptState.COMPLETED}
        assert receiver.spool.waiting == 1
        with closing(sqlite3.connect(receiver.world.path)) as connection, connection:
            connection.execute("DROP TRIGGER bad")
        connection.close()
        await rest_until(receiver, 0, seconds=700)
        assert receiver.spool.waiting == 0
    assert len(receiver.facts) == 6


async def test_a_listener_that_fails_does_not_have_the_fact_recorded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        shown = []

        def fails(fact: Any) -> None:
            shown.append(fact)
            raise RuntimeError("Prefect is away")

        monkeypatch.setattr(receiver.recorder, "_emit", fails)
        claimed = await claim(ledger)
        await receiver.post(an_event("call.ended", "job-1", result={"call_key": claimed.call_key}, **COMPLETED))
        await receiver.rest(60)
        assert len(shown) == 1
        assert receiver.spool.waiting == 0


async def test_an_event_that_can_never_be_recorded_is_put_aside_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fails(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise OverflowError("date value out of range")

    monkeypatch.setattr("webhooks.recorder.judge", fails)
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        result = {"call_key": claimed.call_key, "note": "to be read by somebody"}
        await receiver.post(an_event("call.ended", "job-1", result=result, **COMPLETED))
        await receiver.rest(600, patience=0.5)
        assert (receiver.spool.waiting, receiver.spool.waiting_bytes) == (0, 0)
        assert receiver.recorder.results["put aside"] == 1
        assert len(tried) == 5
        with closing(sqlite3.connect(receiver.spool.path)) as connection, connection:
            ((result_text, data),) = connection.execute("SELECT result, data FROM events").fetchall()
        connection.close()
        assert result_text == "put aside: OverflowError"
        assert "to be read by somebody" in data
        assert (await ledger.attempts())[0].state is AttemptState.CLAIMED


async def test_what_was_accepted_before_a_restart_is_recorded_after_it(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver:
        await receiver.recorder.stop()
        async with Ledger(receiver.world.url, clock=receiver.clock) as ledger:
            claimed = await claim(ledger)
        await receiver.post(an_event("call.ended", "job-1", result={"call_key": claimed.call_key}, **COMPLETED))
        world = receiver.world
    async with house(tmp_path, world=world) as again:
        assert again.spool.waiting == 1
        await again.rest()
        assert [fact.kind for fact in again.facts] == ["ended"]


async def test_recorded_events_are_emptied_at_once_and_forgotten_later(tmp_path: Path) -> None:
    def rows() -> list[Any]:
        with closing(sqlite3.connect(tmp_path / "webhooks.db")) as connection, connection:
            found = connection.execute("SELECT data, processed_at FROM events").fetchall()
        connection.close()
        return found

    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await receiver.post(an_event("call.ended", "job-1", result={"call_key": claimed.call_key}, **COMPLETED))
        await receiver.rest()
        ((data, processed_at),) = rows()
        assert data is None
        assert processed_at is not None
        receiver.world.clock.advance(timedelta(days=8).total_seconds())
        await receiver.post(an_event("call.started", "job-2"))
        await receiver.rest()
        assert len(rows()) == 1


@pytest.mark.parametrize(
    "details",
    [pytest.param(True, id="with details", marks=pytest.mark.thorough), pytest.param(False, id="as documented")],
)
async def test_a_run_hears_of_every_end_whatever_happens_to_webhooks(tmp_path: Path, *, details: bool) -> None:
    async with house(
        tmp_path,
        webhook_details=details,
        webhook_lost=0.1,
        webhook_doubled=0.2,
        webhook_disorder=0.3,
        webhook_late=0.2,
        webhook_late_seconds=20,
        json_strings=True,
        lost_answer=0.1,
        clock_skew_seconds=40,
    ) as receiver:
        results = await receiver.world.dial(people(60), agent=receiver.agent, settings=DialSettings(lines=20))
        await receiver.rest(3600)
        assert {result.bucket.group for result in results} == {"called"}
        assert receiver.spool.waiting == 0
        shown = Counter(
            (fact.kind, fact.call_key) for fact in [*receiver.facts, *receiver.world.facts] if fact.kind == "ended"
        )
        assert sorted(shown.values()) == [1] * 60
        calls = {call["job_id"]: call for call in receiver.world.sandbox.calls()}
        for attempt in await receiver.world.attempts():
            call = calls[attempt.job_id]
            talked = call["answered_at"] is not None
            assert (attempt.state in (AttemptState.NO_ANSWER, AttemptState.FAILED)) is not talked
            if details:
                assert attempt.status == call["status"]
            assert "call_key" not in (attempt.outcome or {})
            if call["outcome"]:
                assert attempt.outcome is not None
                assert attempt.outcome.items() >= call["outcome"].items()
                assert attempt.opted_out == call["outcome"]["wants_no_more_calls"]


def files_of(receiver: House) -> bytes:
    """All that lies beside the receiver's store."""
    return b"".join(path.read_bytes() for path in sorted(receiver.spool.path.parent.glob("webhooks.db*")))


async def an_hour(receiver: House) -> None:
    """Let an hour pass, and the recorder do what it does every hour: it empties the journal last."""
    journal = receiver.spool.path.with_name("webhooks.db-wal")
    await receiver.rest(3600)
    deadline = time.monotonic() + 240
    while journal.stat().st_size and time.monotonic() < deadline:  # noqa: ASYNC110 - the recorder works meanwhile
        await asyncio.sleep(0.01)


async def test_the_store_keeps_nothing_of_whoever_was_erased_for_more_than_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OverflowError("date value out of range")

    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        recorded, aside, other = [await claim(ledger, number) for number in (1, 2, 3)]
        names = {recorded.call_key: "Samir-1", aside.call_key: "Samir-2", other.call_key: "Huda-3"}

        def end_of(key: str) -> dict[str, Any]:
            result = {"call_key": key, "name": names[key]}
            return an_event("call.ended", f"job-{names[key]}", result=result, **COMPLETED)

        await receiver.post(end_of(recorded.call_key))
        await receiver.rest()
        with monkeypatch.context() as patched:
            patched.setattr("webhooks.recorder.judge", fails)
            for key in (aside.call_key, other.call_key):
                await receiver.post(end_of(key))
            await receiver.rest(600, patience=0.5)
        assert b"name" in files_of(receiver)
        await ledger.end(CallEnd(AttemptState.COMPLETED), call_key=aside.call_key, job_id="job-Samir-2")
        for number in (1, 2):
            erased = await ledger.erasures.erase(f"+4420794{60000 + number}", None, Order("Huda", "asked"))
            assert erased.calls == 1
        await an_hour(receiver)
        held = files_of(receiver)
        assert b'"name":"Samir' not in held
        assert b'"name":"Huda-3' in held
        # What comes even later is read for a no, and kept nowhere.
        await receiver.post(end_of(recorded.call_key) | {"timestamp": "2026-11-03T16:01:01Z"})
        await receiver.rest()
        await an_hour(receiver)
        assert b'"name":"Samir' not in files_of(receiver)
        assert (await attempt_of(ledger, recorded.call_key)).outcome is None


async def test_the_end_of_a_call_whose_person_was_erased_meanwhile_is_emitted_without_them(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claimed = await claim(ledger)
        await ledger.place(claimed.call_key, "job-1")
        await ledger.erasures.erase(claimed.phone, None, Order("Huda", "asked"))
        result = {"call_key": claimed.call_key, "name": "Samir", "wants_no_more_calls": True}
        await receiver.post(an_event("call.ended", "job-1", result=result, **COMPLETED))
        await receiver.rest()
        attempt = await attempt_of(ledger, claimed.call_key)
        assert (attempt.state, attempt.outcome, attempt.opted_out) == (AttemptState.COMPLETED, None, True)
        assert attempt.phone.startswith("erased:")
    (fact,) = receiver.facts
    assert "Samir" not in str(fact)
    assert claimed.recipient_id not in str((fact.recipient_id, fact.phone))
    assert claimed.phone not in str(fact)
