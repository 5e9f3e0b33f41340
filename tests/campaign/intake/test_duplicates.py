"""First rows: they answer as a dictionary would, without keeping keys in memory."""

import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.intake.screening import Screen
from campaign.intake.screening.duplicates import FirstRows, SpoolUnwritable

NUMBERS = st.integers(min_value=1, max_value=10**15) | st.integers(min_value=1, max_value=40)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)


@given(st.lists(NUMBERS | IDS, max_size=60))
def test_they_answer_as_a_dictionary_would(keys: list[str | int]) -> None:
    firsts, known = FirstRows(), dict[str | int, int]()
    for row, key in enumerate(keys, 1):
        assert firsts.get(key) == known.get(key)
        assert firsts.setdefault(key, row) == known.setdefault(key, row)
    assert len(firsts) == len(known)
    assert set(firsts) == set(known)


FILL = """
import resource
from campaign.intake.screening.duplicates import FirstRows

def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

before, firsts = memory(), FirstRows()
for row in range(1, 300_001):
    firsts.setdefault(f"customer {row}", row)
assert firsts.get("customer 299999") == 299_999
print(memory() - before)
"""


@pytest.mark.processes
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_three_hundred_thousand_ids_stay_on_disk() -> None:
    grown = subprocess.run([sys.executable, "-c", FILL], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 12_000  # KiB; a dictionary of them takes 40,000


def test_a_full_disk_bars_nobody_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    screen = Screen()
    rows = [{"id": f"c{row}", "phone": f"+1212555010{row}", "do_not_call": "yes" if row else ""} for row in (0, 1)]
    for firsts in (screen._ids, screen._numbers, screen._blocked_ids, screen._blocked_numbers):  # noqa: SLF001 - what it writes to
        monkeypatch.setattr(firsts, "_database", Full())
    for look in (screen.look_ahead, screen.screen):
        with pytest.raises(SpoolUnwritable, match="make room in the folder for temporary files"):
            look(1, rows[1])
    with pytest.raises(SpoolUnwritable, match="database or disk is full"):
        screen.screen(2, rows[0])
