"""The world that campaign tests run in."""

from functools import partial
from pathlib import Path

import pytest

from hamsa import HamsaClient
from tests.campaign.campaign_world import CampaignWorld
from tests.sandbox_transport import OtherHamsa


@pytest.fixture
def world(tmp_path: Path) -> CampaignWorld:
    """A sandbox, a clock and an empty SQLite ledger."""
    return CampaignWorld(path=tmp_path / "calls.db", url=f"sqlite:///{tmp_path / 'calls.db'}")


@pytest.fixture
def other_hamsa(world: CampaignWorld, monkeypatch: pytest.MonkeyPatch) -> OtherHamsa:
    """A Hamsa whose answers may be changed, which all clients of the world ask."""
    hamsa = OtherHamsa(world.sandbox)
    client = partial(HamsaClient, "secret-key", base_url="http://127.0.0.1:8765", transport=hamsa)
    monkeypatch.setattr(world, "client", client)
    return hamsa
