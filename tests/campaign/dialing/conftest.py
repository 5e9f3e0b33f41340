"""Fixtures for dialing."""

from collections.abc import Iterator

import pytest

from tests.campaign.campaign_world import CampaignWorld
from tests.campaign.dialing.desk import Desk
from tests.promises.processes import sqlite_without_threads


@pytest.fixture(autouse=True)
def _no_threads() -> Iterator[None]:
    """SQLite in the event loop itself: no change of threads for each of hundreds of statements."""
    with sqlite_without_threads():
        yield


@pytest.fixture
def desk(world: CampaignWorld) -> Desk:
    """Makes single calls, in a sandbox whose magic numbers do what they always do."""
    world.sandbox.change(magic_numbers=True)
    return Desk(world)
