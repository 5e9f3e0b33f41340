"""Refusals: the same one too often in a row ends a run, and 429s are waited out only for so long."""

from campaign.dialing.refusals import Refusals
from campaign.dialing.settings import DialSettings
from hamsa import NotPlaced, Refused
from sandbox.clock import ManualClock

SETTINGS = DialSettings(stop_after_same_refusals=3, longest_refusal=60)

NO_CREDIT = Refused("No credit.", message_key="NoCredit", status_code=402)
NO_AGENT = Refused("No such agent.", status_code=404)
BUSY = NotPlaced("Too many.", status_code=429, retry_after=10)


def test_only_the_same_refusal_in_a_row_stops_a_run() -> None:
    refusals = Refusals(SETTINGS, clock=ManualClock())
    for error in (NO_CREDIT, NO_CREDIT, NO_AGENT, NO_AGENT, NO_CREDIT, NO_CREDIT):
        assert refusals.refused(error) is None
    stop = refusals.refused(NO_CREDIT)
    assert stop is not None
    assert (stop.kind, stop.failed) == ("refusals", True)
    assert "refused 3 calls in a row alike: " in stop.message


def test_an_accepted_call_begins_the_count_anew() -> None:
    refusals = Refusals(SETTINGS, clock=ManualClock())
    for _ in range(4):
        assert refusals.refused(NO_CREDIT) is None
        assert refusals.refused(NO_CREDIT) is None
        refusals.accepted()


def test_a_429_is_waited_out_until_hamsa_has_taken_no_call_for_too_long() -> None:
    clock = ManualClock()
    refusals = Refusals(SETTINGS, clock=clock)
    assert refusals.may_wait(BUSY)
    clock.advance(50)
    assert refusals.may_wait(BUSY)
    clock.advance(1)
    assert not refusals.may_wait(BUSY), "the wait that Hamsa asks for counts"
    refusals.accepted()
    assert refusals.may_wait(BUSY)
