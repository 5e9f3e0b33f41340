"""That the agent was changed is noticed within a minute, once for each change, and silence is no change."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaign.dialing.agent_changes import is_changed, watch_agent
from campaign.ledger.ledger import Ledger
from tests.campaign.campaign_world import CampaignWorld

FIRST = datetime(2026, 11, 2, 10, tzinfo=UTC)
SECOND = FIRST + timedelta(hours=1)


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        (FIRST, SECOND, True),
        (SECOND, FIRST, True),  # brought back from a copy
        (FIRST, FIRST + timedelta(seconds=1), True),
        (FIRST, FIRST + timedelta(milliseconds=999), False),  # the same, written otherwise
        (None, FIRST, False),
        (FIRST, None, False),
    ],
    ids=range(6),
)
def test_a_change_is_another_time(before: datetime | None, now: datetime | None, changed: bool) -> None:
    assert is_changed(before, now) is changed


async def test_a_run_notices_each_change_once_and_survives_an_agent_that_cannot_be_read(world: CampaignWorld) -> None:
    seen: list[tuple[datetime, datetime]] = []

    def edit(at: datetime | None) -> None:
        world.sandbox.change(agents={"a": {"name": "A", "updated_at": "" if at is None else at.isoformat()}})

    async def note(before: datetime, now: datetime) -> None:
        seen.append((before, now))

    async def turn(minutes: int) -> None:
        await world.drive(world.clock.sleep(minutes * 60 + 1))

    edit(FIRST)
    async with world.client() as client:
        watch = asyncio.create_task(watch_agent(client, "a", FIRST, clock=world.clock, on_change=note))
        await turn(2)
        assert seen == []
        edit(SECOND)
        await turn(1)
        assert seen == [(FIRST, SECOND)]
        await turn(2)
        edit(None)
        await turn(1)
        world.sandbox.change(reads_fail=1)
        await turn(1)
        world.sandbox.change(reads_fail=0)
        edit(FIRST)
        await turn(1)
        assert seen == [(FIRST, SECOND), (SECOND, FIRST)]
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def test_the_ledger_remembers_the_agent_of_each_campaign(tmp_path: Path) -> None:
    async with Ledger(f"sqlite:///{tmp_path / 'calls.db'}") as ledger:
        assert await ledger.note_agent("c", "a", FIRST) is None
        assert await ledger.note_agent("c", "a", SECOND) == FIRST
        assert await ledger.note_agent("c", "a", SECOND) == SECOND
        assert await ledger.note_agent("c", "b", FIRST) is None
        assert await ledger.note_agent("d", "a", FIRST) is None
