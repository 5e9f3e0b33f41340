"""A short run of that: a small campaign killed a few times, on SQLite and, by two runs at once, on PostgreSQL.

`make chaos` is the long one. That the verdict notices what is wrong is tried on made-up histories.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaign.attempts import Attempt, AttemptState
from tests.chaos.kill_loop import KillLoop, Outcome, Plan
from tests.chaos.killed_run import CAMPAIGN, number_of
from tests.chaos.report import shown
from tests.chaos.truth import compare
from tests.servers.process_reaper import ProcessReaper

SMALL = Plan(name="small", ledger_url="", customers=40, kills=3, at_once=1, echo=False, seed=3, deadline_seconds=240.0)


def kill_loop(plan: Plan, folder: Path, reaper: ProcessReaper, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Carry out a plan whose processes are on the reaper."""
    for name, value in reaper.environment.items():
        monkeypatch.setenv(name, value)
    return KillLoop(plan, folder, reaper).carry_out()


@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.usefixtures("prefect_server")
def test_a_campaign_killed_again_and_again_rings_each_phone_once(
    reaper: ProcessReaper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(SMALL, ledger_url=f"sqlite:///{tmp_path / 'calls.db'}")
    outcome = kill_loop(plan, tmp_path, reaper, monkeypatch)
    assert not outcome.problems, shown(outcome)
    assert outcome.kills >= plan.kills


@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.thorough
@pytest.mark.usefixtures("prefect_server")
def test_a_campaign_killed_while_hamsa_lies_rings_each_phone_at_most_once(
    reaper: ProcessReaper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(SMALL, ledger_url=f"sqlite:///{tmp_path / 'calls.db'}", customers=30, kills=3, lies=True)
    outcome = kill_loop(plan, tmp_path, reaper, monkeypatch)
    assert not outcome.problems, shown(outcome)
    assert outcome.kills >= plan.kills
    assert outcome.lies


@pytest.mark.postgres
@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.thorough
@pytest.mark.usefixtures("prefect_server")
def test_two_runs_at_once_killed_again_and_again_ring_each_phone_once(
    reaper: ProcessReaper, tmp_path: Path, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(SMALL, ledger_url=postgres_database, customers=60, kills=5, at_once=2)
    outcome = kill_loop(plan, tmp_path, reaper, monkeypatch)
    assert not outcome.problems, shown(outcome)
    assert outcome.kills >= plan.kills


def call(customer: int, **how: Any) -> dict[str, Any]:
    """What the sandbox tells of a call."""
    known = {"number": number_of(customer), "call_key": f"key-{customer}", "job_id": f"job-{customer}"}
    return {**known, "never_ends": False, **how}


def row(customer: int, state: AttemptState = AttemptState.COMPLETED, **how: Any) -> Attempt:
    """What the ledger tells of it."""
    now = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
    known: dict[str, Any] = {
        "call_key": f"key-{customer}",
        "campaign": CAMPAIGN,
        "recipient_id": f"c{customer}",
        "phone": number_of(customer),
        "attempt": 1,
        "state": state,
        "claimed_at": now,
        "lease_until": now + timedelta(minutes=2),
        "updated_at": now,
        "job_id": f"job-{customer}",
    }
    return Attempt(**{**known, **how})


def test_a_history_in_which_all_is_well_has_no_problems() -> None:
    endless = [call(2, never_ends=True)]
    uncertain = row(1, AttemptState.UNCERTAIN, job_id=None, error="two calls could be this one")
    verdict = compare(
        [call(0), call(1), *endless], [row(0), uncertain, row(2, AttemptState.PLACED)], customers=3, reports=[]
    )
    assert not verdict.problems
    assert verdict.hanging == [number_of(2)]
    assert list(verdict.uncertain) == [number_of(1)]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda calls, rows: calls.append(call(0, call_key="key-x", job_id="job-x")), "rang 2 times"),
        (lambda calls, rows: calls.append(call(1, call_key="key-0")), "attempt key-0 rang 2 times"),
        (lambda calls, rows: calls.pop(), "was never called"),
        (lambda calls, rows: rows.pop(), "rang without a claim"),
        (lambda calls, rows: rows.append(row(1, call_key="key-x", job_id=None)), "rang twice in the ledger"),
        (lambda calls, rows: rows.append(row(1, AttemptState.PLACED)) or rows.pop(1), "has no end"),
        (lambda calls, rows: rows.append(row(1, job_id="job-x")) or rows.pop(1), "owns job job-x"),
        (lambda calls, rows: rows.append(row(1, AttemptState.UNCERTAIN)) or rows.pop(1), "uncertain without a reason"),
    ],
)
def test_the_verdict_notices_what_is_wrong(spoil: Callable[[list[Any], list[Any]], Any], problem: str) -> None:
    calls, rows = [call(0), call(1)], [row(0), row(1)]
    spoil(calls, rows)
    assert any(problem in found for found in compare(calls, rows, customers=2, reports=[]).problems)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda calls, rows: calls.append(call(0, call_key="key-x", job_id="job-x")), "rang 2 times"),
        (lambda calls, rows: calls.append(call(1, call_key="key-0")), "attempt key-0 rang 2 times"),
        (lambda calls, rows: (calls.pop(), rows.pop()), "was never called"),
        (lambda calls, rows: rows.pop(), "rang without a claim"),
        (lambda calls, rows: rows.append(row(1, AttemptState.UNCERTAIN)) or rows.pop(1), "uncertain without a reason"),
    ],
)
def test_no_lie_of_hamsa_excuses_what_is_wrong(spoil: Callable[[list[Any], list[Any]], Any], problem: str) -> None:
    calls, rows = [call(0), call(1)], [row(0), row(1)]
    spoil(calls, rows)
    verdict = compare(calls, rows, customers=2, reports=[], lying=True)
    assert any(problem in found for found in verdict.problems)


def test_what_a_lying_hamsa_makes_the_ledger_believe_is_counted_and_breaks_no_promise() -> None:
    calls = [call(0), call(1), call(2)]
    rows = [row(0), row(1, job_id="job-x"), row(2, AttemptState.PLACED), row(3, AttemptState.PLACED)]
    verdict = compare(calls, rows, customers=4, reports=[], lying=True)
    assert not verdict.problems
    assert len(verdict.mistaken) == 1
    assert verdict.never_called == [number_of(3)]
    assert verdict.without_end == [number_of(2), number_of(3)]
