"""The approval page says how the list changed, and counts one person as one."""

from datetime import UTC, datetime

import pytest

from campaign.ledger import Approval, CallAverages
from campaign.reporting import Forecast
from campaign.rules import DialSettings

NOW = datetime(2026, 11, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(("people", "said"), [(1, "1 person"), (2, "2 people")])
def test_a_list_that_did_not_change_is_said_to_be_the_same(people: int, said: str) -> None:
    forecast = Forecast("c")
    forecast.compare(Approval("c", "run", NOW, people, recipients=b""))
    assert forecast.changes == f"The list is the same as on 2026-11-03 15:00 UTC, when it was last shown: {said}."


@pytest.mark.parametrize(("calls", "said"), [(1, "1 ended call "), (2, "2 ended calls ")])
def test_the_estimate_says_how_many_calls_it_goes_by(calls: int, said: str) -> None:
    page = Forecast("c").page(DialSettings(), CallAverages(calls=calls, cost=1.0, seconds=60), NOW)
    assert f"Estimates, from {said}in the ledger." in page
