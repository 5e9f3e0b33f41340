"""The world that campaign tests run in."""

from pathlib import Path

import pytest

from tests.campaign.campaign_world import CampaignWorld


@pytest.fixture
def world(tmp_path: Path) -> CampaignWorld:
    """A sandbox, a clock and an empty SQLite ledger."""
    return CampaignWorld(path=tmp_path / "calls.db", url=f"sqlite:///{tmp_path / 'calls.db'}")
