"""What is left to do after an erasure is said as it is, of one call and of several."""

import pytest

from campaign.ledger import Erased
from campaign.reporting import erasure_headline, erasure_page


@pytest.mark.parametrize(
    ("open_calls", "said"),
    [
        (0, "The person was erased by Huda: 3 calls and 1 reason not to call."),
        (1, "1 call is not over yet, and erased when it ends."),
        (2, "2 calls are not over yet, and erased when they end."),
    ],
)
def test_calls_that_are_not_over_are_counted(open_calls: int, said: str) -> None:
    erased = Erased(calls=3, open_calls=open_calls, refusals=1)
    headline = erasure_headline(erased, "Huda", done=True)
    assert headline.endswith(said)
    assert ("could not be erased yet" in erasure_page(erased, headline)) is (open_calls > 0)
