"""Fixtures for dialing."""

import pytest

from tests.campaign.campaign_world import CampaignWorld
from tests.campaign.dialing.desk import Desk


@pytest.fixture
def desk(world: CampaignWorld) -> Desk:
    """Makes single calls, in a sandbox whose magic numbers do what they always do."""
    world.sandbox.change(magic_numbers=True)
    return Desk(world)
