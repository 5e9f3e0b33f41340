"""A ledger is where somebody said, or next to Prefect's own data, and its password is shown to nobody."""

import traceback
from pathlib import Path

import pytest
from prefect.settings import get_current_settings

from blocks import CallLedger
from blocks.checked import BlockError


async def test_left_empty_it_is_a_private_file_below_prefects_home() -> None:
    calls = CallLedger()
    file = calls.file()
    assert file is not None
    assert Path(file).is_relative_to(get_current_settings().home)
    async with calls.open() as ledger:
        assert (await ledger.totals("any")).called == 0
    assert Path(file).stat().st_mode & 0o077 == 0


async def test_a_named_file_is_used_as_it_is_named(tmp_path: Path) -> None:
    calls = CallLedger(url=f"sqlite:///{tmp_path}/calls.db")
    assert calls.file() == f"{tmp_path}/calls.db"
    async with calls.open():
        assert (tmp_path / "calls.db").exists()


def test_the_password_is_shown_by_nothing_that_prints_the_block() -> None:
    calls = CallLedger(url="postgresql://caller:opensesame@db/calls")
    ledger = calls.open()
    shown = [repr(calls), str(calls), str(calls.model_dump()), calls.model_dump_json(), ledger.name]
    assert not [text for text in shown if "opensesame" in text]
    assert calls.file() is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://caller:opensesame@db/calls", "names mysql: this program keeps it in SQLite or PostgreSQL only"),
        ("caller:opensesame@db", "cannot be read: write it like `sqlite:////data/calls.db`"),
        ("sqlite://", "names no file: a ledger in memory would forget every call"),
    ],
)
def test_a_url_that_names_no_ledger_is_refused_without_showing_it(url: str, says: str) -> None:
    with pytest.raises(BlockError) as raised:
        CallLedger(url=url)
    assert str(raised.value).startswith("Call Ledger: `url`: The ledger's URL ")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "opensesame" not in "".join(traceback.format_exception(raised.value))
