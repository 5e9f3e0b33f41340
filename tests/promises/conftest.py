"""The world of tests that need one campaign only, on a clock that is turned by hand."""

from pathlib import Path

import pytest

from tests.campaign.arena import Arena


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    """A sandbox, a clock and an empty SQLite ledger."""
    return Arena(path=tmp_path / "calls.db", url=f"sqlite:///{tmp_path / 'calls.db'}")
