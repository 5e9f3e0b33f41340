"""What a report does to a row: only what the life of an attempt allows, emitted once, and evidence is never lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.attempts import ENDED, OPEN, TRANSITIONS, VACANT, AttemptState
from campaign.errors import JobConflict
from campaign.ledger.schema import call_attempts
from campaign.ledger.transitions import Merged, Move, merge

S = AttemptState
NOW = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=1)


def row(state: AttemptState, **facts: Any) -> dict[str, Any]:
    blank = dict.fromkeys(column.name for column in call_attempts.columns)
    return {
        **blank,
        "call_key": "key",
        "campaign": "c",
        "recipient_id": "anna",
        "attempt": 1,
        "state": state.value,
        "tries": 1,
        "looks": 0,
        "opted_out": False,
        "echoed": False,
        "claimed_at": BEFORE,
        "updated_at": BEFORE,
        **facts,
    }


def merged(before: dict[str, Any], move: Move, owners: dict[str, str] | None = None) -> Merged:
    answer = merge(before, move, owners or {}, NOW)
    assert isinstance(answer, Merged), answer
    return answer


@pytest.mark.parametrize("to", S)
@pytest.mark.parametrize("state", S)
def test_a_state_is_left_only_as_the_life_of_an_attempt_allows(state: AttemptState, to: AttemptState) -> None:
    answer = merged(row(state), Move(to, {}))
    assert answer.moved == (state in TRANSITIONS[to])
    assert answer.changes.get("state", state) == (to if answer.moved else state)


def test_the_picture_in_the_design_is_what_the_transitions_say() -> None:
    assert all(TRANSITIONS[end] == OPEN | VACANT for end in ENDED)
    assert TRANSITIONS[S.PLACED] == (OPEN | VACANT) - {S.PLACED}
    assert all(not ENDED & sources for sources in TRANSITIONS.values())
    assert TRANSITIONS[S.NOT_PLACED] == {S.UNCERTAIN}
    assert TRANSITIONS[S.CLAIMED] == VACANT


@pytest.mark.parametrize("to", [S.RELEASED, S.REFUSED, S.UNCERTAIN, S.NOT_PLACED])
def test_a_report_of_another_turn_changes_nothing(to: AttemptState) -> None:
    source = next(iter(TRANSITIONS[to]))
    assert merged(row(source, tries=2), Move(to, {"error": "x"}, turn=1)) == Merged()
    assert merged(row(source, tries=2), Move(to, {"error": "x"}, turn=2)).moved


@pytest.mark.parametrize("state", sorted(VACANT))
def test_evidence_of_a_call_wins_over_what_was_believed(state: AttemptState) -> None:
    before = row(state, error="no connection", message_key="X", status_code=429)
    answer = merged(before, Move(S.PLACED, {"job_id": "job", "placed_at": NOW}))
    assert answer.moved
    assert answer.changes == {
        "state": "placed",
        "job_id": "job",
        "placed_at": NOW,
        "updated_at": NOW,
        "error": None,
        "message_key": None,
        "status_code": None,
    }


@pytest.mark.parametrize("end", sorted(ENDED))
def test_a_known_end_stays_and_later_reports_only_fill_in(end: AttemptState) -> None:
    before = row(end, cost=0.5, status="X", ended_at=BEFORE, job_id="job")
    report = {"cost": 9.0, "duration_seconds": 12.0, "outcome": {"a": 1}, "ended_at": NOW, "status": "Y", "error": "?"}
    for to in ENDED:
        answer = merged(before, Move(to, report, call_key="key"))
        assert not answer.moved
        assert answer.changes == {"duration_seconds": 12.0, "outcome": {"a": 1}, "updated_at": NOW}
    assert merged({**before, **report}, Move(end, report, call_key="key")) == Merged()


def test_the_record_of_the_end_takes_the_place_of_the_record_of_the_placing() -> None:
    before = row(S.COMPLETED, record=True, status="PENDING", error="its record could not be read")
    final = {"record": {"id": "job", "status": "COMPLETED"}, "status": "COMPLETED", "error": None}
    answer = merged(before, Move(S.COMPLETED, final))
    assert answer.changes == {**final, "updated_at": NOW}
    # What was wrong with it is kept as well, and a record that says nothing of its status takes none away.
    failed = merged(before, Move(S.COMPLETED, {"record": {"id": "job"}, "status": None, "error": "the agent hung up"}))
    assert (failed.changes["error"], failed.changes["status"]) == ("the agent hung up", "PENDING")
    late = merged(before, Move(S.PLACED, {"record": {"status": "PENDING"}, "status": "PENDING", "job_id": "job"}))
    assert late.changes == {"job_id": "job", "updated_at": NOW}
    other = merged(before, Move(S.NO_ANSWER, final))
    assert other.changes == {}


def test_who_asked_for_no_more_calls_stays_so() -> None:
    assert merged(row(S.COMPLETED), Move(S.COMPLETED, {"opted_out": True})).changes["opted_out"] is True
    assert merged(row(S.COMPLETED, opted_out=True), Move(S.COMPLETED, {"opted_out": False})) == Merged()
    assert "opted_out" not in merged(row(S.PLACED, opted_out=True), Move(S.COMPLETED, {"opted_out": False})).changes


def test_an_echo_is_noted_of_a_call_that_is_placed_already() -> None:
    answer = merged(row(S.PLACED, job_id="job"), Move(S.PLACED, {"job_id": "job", "echoed": True}))
    assert not answer.moved
    assert answer.changes == {"echoed": True, "updated_at": NOW}


def test_a_job_belongs_to_one_attempt_and_an_attempt_to_one_job() -> None:
    place = Move(S.PLACED, {"job_id": "job-2"})
    taken = merge(row(S.UNCERTAIN), place, {"job-2": "another key"}, NOW)
    assert isinstance(taken, JobConflict)
    assert "job-2" in str(taken)
    second = merge(row(S.PLACED, job_id="job-1"), place, {"job-1": "key"}, NOW)
    assert isinstance(second, JobConflict)
    assert "two calls of one attempt" in str(second)
    assert merged(row(S.UNCERTAIN), place, {"job-2": "key"}).moved


def test_a_look_is_noted_only_of_an_uncertain_attempt() -> None:
    look = Move(None, {"looks": 1, "looked_at": NOW, "error": "no trace"}, turn=1, looks=0)
    assert merged(row(S.UNCERTAIN), look).changes == {**look.facts, "updated_at": NOW}
    for state in set(S) - {S.UNCERTAIN}:
        assert merged(row(state), look) == Merged()


def test_absence_is_not_proved_by_looks_that_somebody_else_has_overtaken() -> None:
    assert not merged(row(S.UNCERTAIN, looks=0), Move(S.NOT_PLACED, {}, turn=1, looks=2)).moved
    assert merged(row(S.UNCERTAIN, looks=2), Move(S.NOT_PLACED, {}, turn=1, looks=2)).moved
    assert merged(row(S.UNCERTAIN, looks=0), Move(None, {"looks": 3}, turn=1, looks=2)) == Merged()


@pytest.mark.parametrize("state", sorted({S.PLACED} | ENDED))
@pytest.mark.parametrize("to", [S.RELEASED, S.REFUSED, S.UNCERTAIN, S.NOT_PLACED])
def test_what_is_known_of_a_call_is_not_mixed_with_a_belief_that_there_is_none(
    state: AttemptState, to: AttemptState
) -> None:
    belief = Move(to, {"error": "no connection", "outcome": {"a": 1}, "opted_out": True, "cost": 1.0}, call_key="key")
    assert merged(row(state, job_id="job"), belief) == Merged()


@pytest.mark.parametrize("state", S)
def test_notes_are_made_of_an_attempt_in_that_state_alone_and_stand_in_for_earlier_ones(state: AttemptState) -> None:
    note = Move(S.PLACED, {"error": "given up", "status": None}, call_key="key", notes=True)
    answer = merged(row(state, error="before", status="RINGING"), note)
    assert not answer.moved
    assert answer.changes == ({"error": "given up", "status": None, "updated_at": NOW} if state is S.PLACED else {})


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "job_id": st.sampled_from([None, "job-1", "job-2"]),
        "status": st.sampled_from([None, "PENDING", "COMPLETED"]),
        "cost": st.sampled_from([None, 0.0, 0.5]),
        "outcome": st.sampled_from([None, {"a": 1}]),
        "record": st.sampled_from([None, {"r": 1}]),
        "opted_out": st.booleans(),
        "echoed": st.booleans(),
        "error": st.sampled_from([None, "why"]),
        "ended_at": st.sampled_from([None, NOW]),
    },
)
MOVES = st.builds(
    Move,
    to=st.sampled_from(S).filter(lambda state: state is not S.CLAIMED),
    facts=FACTS,
    turn=st.sampled_from([None, 1, 2]),
)


@given(start=st.sampled_from(sorted(OPEN | VACANT)), moves=st.lists(MOVES, max_size=12), taken=st.booleans())
def test_whatever_is_reported_in_whatever_order(start: AttemptState, moves: list[Move], taken: bool) -> None:
    now = row(start)
    owners = {"job-2": "another key"} if taken else {}
    ends, jobs = 0, set[str]()
    for move in moves:
        answer = merge(now, move, owners, NOW)
        if isinstance(answer, JobConflict):
            continue
        before, now = now, {**now, **answer.changes}
        # No end is ever left; no fact of a call is ever taken back; what is emitted is emitted once.
        ends += answer.moved and move.to in ENDED
        assert ends <= 1
        if S(before["state"]) in ENDED:
            assert now["state"] == before["state"]
            assert all(now[name] == before[name] for name in ("cost", "outcome", "ended_at") if before[name])
        assert not (before["opted_out"] and not now["opted_out"])
        assert not (before["echoed"] and not now["echoed"])
        if now["job_id"] is not None:
            jobs.add(now["job_id"])
        if answer.changes:
            assert now["updated_at"] == NOW
        if answer.moved:
            # The same report again is no news.
            again = merge(now, move, owners, NOW)
            assert isinstance(again, Merged)
            assert not again.moved
    assert len(jobs) <= 1
    assert not (taken and "job-2" in jobs)
