"""First rows: a compact table that answers as a dictionary would."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from campaign.intake.duplicates import FirstRows

KEYS = st.integers(min_value=1, max_value=2**64 - 1) | st.integers(min_value=1, max_value=40)


@given(st.lists(KEYS, max_size=200))
def test_it_answers_as_a_dictionary_would(keys: list[int]) -> None:
    firsts, known = FirstRows(), dict[int, int]()
    for row, key in enumerate(keys, 1):
        assert firsts.get(key) == known.get(key)
        assert firsts.setdefault(key, row) == known.setdefault(key, row)
    assert len(firsts) == len(known)


def test_it_still_does_after_growing() -> None:
    firsts = FirstRows()
    numbers = range(14155550100, 14155550100 + 70_000 * 7, 7)
    for row, number in enumerate(numbers, 1):
        assert firsts.setdefault(number, row) == row
    assert all(firsts.get(number) == row for row, number in enumerate(numbers, 1))
    assert firsts.get(14155550101) is None


def test_a_hundred_thousand_keys_fit_in_a_few_megabytes() -> None:
    tracemalloc.start()
    try:
        firsts = FirstRows()
        for row in range(1, 100_001):
            firsts.setdefault(14155550100 + row, row)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
