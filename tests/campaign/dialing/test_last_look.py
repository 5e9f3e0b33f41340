"""The last look before a call: it keeps no line while it waits, and its answer is fresh when the phone rings."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

from campaign.buckets import Bucket
from campaign.dialing.claiming.last_look import FRESH, QUICK_SECONDS
from campaign.errors import CampaignError
from campaign.intake import Recipient
from campaign.reporting.results import Batch
from campaign.rules import Never
from campaign.rules.policy.dial_settings import DialSettings
from tests.campaign.campaign_world import CampaignWorld, people

ONE_LINE = DialSettings(lines=1)


class Source:
    """A source that is asked whether somebody is still due, and takes its time."""

    def __init__(self, world: CampaignWorld, **seconds: float) -> None:
        self._world = world
        self._seconds = seconds
        self.asked: Counter[str] = Counter()
        self.answered: dict[str, datetime] = {}
        self.paid: set[str] = set()

    async def __call__(self, recipient: Recipient) -> Never | None:
        self.asked[recipient.id] += 1
        took = self._seconds.pop(recipient.id, 0.0)  # the first time
        if took:
            await self._world.clock.sleep(took)
        self.answered[recipient.id] = self._world.clock.now()
        return Never(Bucket.NO_LONGER_DUE, "no longer due") if recipient.id in self.paid else None


async def began(world: CampaignWorld) -> dict[str, datetime]:
    return {attempt.recipient_id: attempt.claimed_at for attempt in await world.attempts()}


async def test_a_line_rings_others_while_somebody_waits_for_a_slow_answer(world: CampaignWorld) -> None:
    start = world.clock.now()
    source = Source(world, c0=3600.0)
    results = await world.dial(people(4), settings=ONE_LINE, recheck=source)
    assert {result.bucket.group for result in results} == {"called"}
    claimed = await began(world)
    assert max(claimed[each] for each in ("c1", "c2", "c3")) < start + timedelta(minutes=30)
    assert claimed["c0"] >= start + timedelta(hours=1)
    assert source.asked == {"c0": 1, "c1": 1, "c2": 1, "c3": 1}
    assert world.sandbox.stats()["most_lines_at_once"] == 1


async def test_an_answer_that_grew_old_while_it_waited_for_a_line_is_asked_for_again(world: CampaignWorld) -> None:
    # c0's answer comes while the only line is busy with somebody else's call, which lasts longer than it stays fresh.
    source = Source(world, c0=QUICK_SECONDS + 0.5)
    await world.dial(people(2), settings=ONE_LINE, recheck=source)
    claimed = await began(world)
    assert claimed["c1"] < claimed["c0"]
    assert source.asked == {"c0": 2, "c1": 1}
    assert claimed["c0"] - source.answered["c0"] <= FRESH


async def test_whoever_is_no_longer_due_by_a_slow_answer_is_not_called(world: CampaignWorld) -> None:
    source = Source(world, c0=60.0, c1=60.0)
    source.paid |= {"c0"}
    results = await world.dial(people(3), settings=ONE_LINE, recheck=source)
    assert [result.bucket.group for result in results] == ["never", "called", "called"]
    assert people(1)[0].phone not in world.sandbox.stats()["rings_per_number"]


async def test_a_quick_answer_keeps_its_line_and_the_order(world: CampaignWorld) -> None:
    source = Source(world, **{f"c{number}": QUICK_SECONDS / 2 for number in range(5)})
    await world.dial(people(5), settings=ONE_LINE, recheck=source)
    claimed = await began(world)
    assert sorted(claimed, key=claimed.__getitem__) == [f"c{number}" for number in range(5)]
    assert set(source.asked.values()) == {1}


async def test_an_error_that_comes_late_stops_the_run_and_calls_nobody_unasked(world: CampaignWorld) -> None:
    async def fails(recipient: Recipient) -> Never | None:
        if recipient.id == "c0":
            await world.clock.sleep(30)
            raise CampaignError("still_due: the table is gone")
        await world.clock.sleep(3600)
        return None

    batch = Batch(1, people(3))

    async def run() -> str:
        async with world.dialer(settings=ONE_LINE, recheck=fails) as dialer:
            try:
                await dialer.run(batch)
            except CampaignError as error:
                return str(error)
            return "no error"

    assert await world.drive(run()) == "still_due: the table is gone"
    assert world.sandbox.rings() == 0


async def test_an_answer_from_before_a_pause_of_all_lines_is_asked_for_again(world: CampaignWorld) -> None:
    paid: set[str] = set()
    asked: list[str] = []

    async def run() -> list[str]:
        async def look(recipient: Recipient) -> Never | None:
            if not asked:
                dialer.lines.pause(300.0)  # as for somebody else's 429, after this line was given out
            asked.append(recipient.id)
            return Never(Bucket.NO_LONGER_DUE, "no longer due") if recipient.id in paid else None

        async with world.dialer(settings=ONE_LINE, recheck=look) as dialer:
            running = asyncio.create_task(dialer.run(Batch(1, people(1))))
            await world.clock.sleep(100)
            paid.add("c0")
            return [result.reason for result in await running]

    assert await world.drive(run()) == ["no longer due"]
    assert asked == ["c0", "c0"]
    assert world.sandbox.rings() == 0


async def test_a_run_that_is_cancelled_leaves_no_question_behind(world: CampaignWorld) -> None:
    cancelled = asyncio.Event()

    async def never_answers(_recipient: Recipient) -> Never | None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return None

    async def run() -> None:
        async with world.dialer(settings=ONE_LINE, recheck=never_answers) as dialer:
            running = asyncio.create_task(dialer.run(Batch(1, people(1))))
            await world.clock.sleep(10)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    await world.drive(run())
    assert cancelled.is_set()
