"""A list counts as read whole only if nothing in it speaks against that, whatever it says of itself."""

from typing import Any

import pytest

from campaign.following.reading import MOST_PAGES, Reading
from hamsa.models import CallPage


def read(*pages: str, **counts: Any) -> Reading:
    """A reading of pages, each given as the ids of its rows, until it is over."""
    reading = Reading()
    for ids in pages:
        assert not reading.over
        reading.take(CallPage.model_validate({**counts, "calls": [{"id": each} for each in ids]}))
    return reading


@pytest.mark.parametrize(
    ("pages", "filtered", "why"),
    [
        (["ab", "c", ""], 3, None),
        (["ab", "c", ""], None, None),
        (["ab", "c", ""], 2, None),  # more than it counts
        (["ab", "c", ""], 4, "counts 4 calls and shows 3"),
        (["ab", "bc", ""], 3, "shows the same calls on more than one page"),
        (["ab", "ab"], 2, "shows the same calls on more than one page"),  # a list that ignores `page`
        (["ab", "c"], 3, "did not end within 2 pages"),
        ([""], 0, None),
    ],
    ids=range(8),
)
def test_a_list_is_read_whole_if_an_empty_page_ended_it_and_nothing_came_twice_or_was_missing(
    pages: list[str], filtered: int | None, why: str | None
) -> None:
    unread = read(*pages, filtered=filtered).look().unread
    assert unread is None if why is None else why in str(unread)


def test_a_page_with_few_rows_is_not_the_last_one() -> None:
    reading = read("a", "b")
    assert not reading.over
    assert [row.id for row in reading.look().rows] == ["a", "b"]


def test_the_newest_page_tells_the_status_of_a_call_that_is_shown_twice() -> None:
    reading = Reading()
    for status in ("IN_PROGRESS", "COMPLETED"):
        reading.take(CallPage.model_validate({"calls": [{"id": "a", "status": status}]}))
    assert [row.status for row in reading.look().rows] == ["COMPLETED"]


def test_a_list_without_an_end_is_given_up() -> None:
    reading = Reading()
    for number in range(MOST_PAGES):
        assert not reading.over
        reading.take(CallPage.model_validate({"calls": [{"id": str(number)}]}))
    assert reading.over
    assert f"did not end within {MOST_PAGES} pages" in str(reading.look().unread)
