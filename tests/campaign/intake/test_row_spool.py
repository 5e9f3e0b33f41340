"""The spool: rows come back as they went in, from a file that nobody else sees and that never outlives its process."""

import contextlib
import stat
import sys
import tracemalloc
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.intake.cells import Unfit
from campaign.intake.recipients import BadRow
from campaign.intake.row_spool import Spool


def test_rows_come_back_numbered_in_their_order_as_often_as_asked() -> None:
    with Spool() as spool:
        spool.add([{"id": 1}, {"id": 2}])
        spool.add([])
        spool.add([BadRow("line 4 is short"), {"id": Decimal("4.0"), "due": date(2012, 9, 8)}])
        pages = [
            [(1, {"id": 1}), (2, {"id": 2})],
            [(3, BadRow("line 4 is short")), (4, {"id": Decimal("4.0"), "due": date(2012, 9, 8)})],
        ]
        assert spool.count == 4
        assert list(spool.pages()) == pages
        assert list(spool.pages()) == pages


def test_a_source_that_broke_off_is_begun_again() -> None:
    with Spool() as spool:
        spool.add([{"id": 1}, {"id": 2}])
        spool.clear()
        spool.add([{"id": 3}])
        assert list(spool.pages()) == [[(1, {"id": 3})]]
        assert spool.count == 1


def test_two_readers_and_a_writer_do_not_disturb_each_other() -> None:
    with Spool() as spool:
        for number in range(10):
            spool.add([{"id": number}])
        for (first,), (second,) in zip(spool.pages(), spool.pages(), strict=True):
            assert first == second
            if spool.count < 15:
                spool.add([{"id": spool.count}])
        assert spool.count == 15


class Hostile(dict[str, Any]):
    """A mapping that cannot be walked."""

    def items(self) -> Any:
        raise RuntimeError("no")


def test_no_row_is_lost_whatever_it_is() -> None:
    with Spool() as spool:
        kept = spool.add([7, None, Hostile(), {"photo": b"\x89PNG", "id": 1}, {"call": print, 3: "x"}])
        assert [number for number, _ in kept] == [1, 2, 3, 4, 5]
        rows = [row for _, row in kept]
        assert rows[0] == BadRow("a row has to map column names to values; this one is of type int")
        assert rows[2] == BadRow("the row cannot be read (RuntimeError)")
        assert isinstance(rows[3], dict)
        assert isinstance(rows[3]["photo"], Unfit)
        assert list(spool.pages()) == [kept]


@given(st.lists(st.dictionaries(st.text(), st.from_type(object)) | st.from_type(object), max_size=5))
def test_anything_goes_in_and_comes_out(rows: list[object]) -> None:
    with Spool() as spool:
        spool.add(rows)
        assert sum(map(len, spool.pages())) == len(rows)


def nameless_files() -> dict[int, int]:
    """Mode by inode of this process's open files that stand in no folder."""
    found = {}
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            file = descriptor.stat()
            if stat.S_ISREG(file.st_mode) and file.st_nlink == 0:
                found[file.st_ino] = stat.S_IMODE(file.st_mode)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_file_has_no_name_and_is_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = nameless_files()
    with Spool() as spool:
        spool.add([{"phone": "+12125550100"}])
        assert list(tmp_path.iterdir()) == []
        assert [mode for inode, mode in nameless_files().items() if inode not in before] == [0o600]
    assert nameless_files() == before


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak_of(pages: int) -> int:
        tracemalloc.start()
        try:
            with Spool() as spool:
                for page in range(pages):
                    spool.add([{"id": f"{page}-{row}", "name": "Jad Khoury", "amount": 55.94} for row in range(1000)])
                assert sum(map(len, spool.pages())) == pages * 1000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_of(1)
    # Other threads of the suite allocate something now and then; 15 times as many rows would not go unnoticed.
    assert peak_of(30) < 2 * peak_of(2)
