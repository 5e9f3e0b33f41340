"""What stops a run: the first reason is the one that is reported, and two jobs of one attempt are none."""

import pytest

from campaign.dialing.safeguards.stopping import Stopping
from campaign.errors import JobConflict, LedgerError
from campaign.reporting import Stop
from hamsa import Unauthorized


def stopping() -> tuple[Stopping, list[str]]:
    """What stops a run, and a mark for each time that dialing was ended."""
    ended: list[str] = []
    return Stopping(lambda: ended.append("no more")), ended


def test_the_first_reason_stays_and_dialing_ends_once() -> None:
    run, ended = stopping()
    first = Stop("max_calls", "That is enough.", failed=False)
    run.stop(first)
    run.unauthorized(Unauthorized("No such key.", status_code=401))
    assert run.stopped is first
    assert ended == ["no more"]


def test_a_ledger_that_fails_stops_the_run_and_two_jobs_of_one_attempt_do_not() -> None:
    run, ended = stopping()
    with pytest.raises(JobConflict), run.stop_on_ledger_error():
        raise JobConflict("Hamsa made two calls.")
    assert (run.stopped, ended) == (None, [])
    with pytest.raises(LedgerError), run.stop_on_ledger_error():
        raise LedgerError("The disk is full.")
    assert run.stopped is not None
    assert (run.stopped.message, run.stopped.failed, ended) == ("The disk is full.", True, ["no more"])
