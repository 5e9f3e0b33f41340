"""A rerun that meets calls without an end says since when they are in progress and what Hamsa shows of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prefect import flow

from campaign.buckets import Bucket
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from sandbox.clock import SystemClock
from sandbox.scenario.scenario import preset
from tests.flows.world import World, artifacts, rows

pytestmark = pytest.mark.prefect

SPEED = 60.0

BUSY = "Hamsa shows a status unknown to us: BUSY"


@pytest.fixture
def epoch() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def fast(world: World, start_sandbox: Any, epoch: datetime) -> World:
    """A world whose runs and Hamsa live sixty times as fast: a call is given up after a second."""
    scenario = preset("everyone_answers", magic_numbers=False, opt_outs=0, dwells={"talk": {"mean_seconds": 5}})
    told = scenario.model_dump(mode="json")
    sandbox = start_sandbox(speed=SPEED, scenario=told, arguments=("--clock-epoch", epoch.isoformat()))
    return replace(world, sandbox=sandbox)


async def run(world: World, epoch: datetime, numbers: list[int], campaign: str) -> tuple[CampaignReport, str]:
    """Run a campaign, and return its report and its summary."""

    @flow(name="call")
    async def call() -> CampaignReport:
        report = await run_campaign(
            [row for number, row in enumerate(rows(10)) if number in numbers],
            agent=world.agent(),
            policy=world.policy(
                per_24_hours=1,
                give_up_after_seconds=60,
                poll_min_seconds=5,
                poll_max_seconds=10,
            ),
            ledger=world.ledger,
            campaign=campaign,
            clock=SystemClock(speed=SPEED, epoch=epoch),
        )
        return state_of(report)  # type: ignore[no-any-return]

    flow_of_anything: Any = call
    state = await flow_of_anything(return_state=True)
    report = await state.aresult()
    pages = [page.data for page in await artifacts(state.state_details.flow_run_id) if page.type == "markdown"]
    return report, pages[-1]


@pytest.mark.parametrize("hanging", [1, 2])
async def test_a_rerun_says_what_is_known_of_calls_without_an_end_and_its_headline_counts_everybody(
    fast: World, epoch: datetime, hanging: int
) -> None:
    called, _ = await run(fast, epoch, [0], "c")
    assert called.buckets == {Bucket.COMPLETED: 1}
    await run(fast, epoch, [9], "another")
    fast.sandbox.change_scenario(never_ends=1.0, lies={"unknown_statuses": True})
    people = [0, *range(1, 1 + hanging), 9]
    first, _ = await run(fast, epoch, people, "c")
    assert first.buckets == {Bucket.IN_PROGRESS: hanging, Bucket.ALREADY_CALLED: 1, Bucket.DEFERRED: 1}
    count = len(people)
    assert first.headline.startswith(
        f"{hanging} of {count} customers called: {hanging} in progress, end not yet known; 1 had been called before. "
        "1 more may be called later, the first from "
    )
    again, page = await run(fast, epoch, people, "c")
    assert again.buckets == first.buckets
    assert again.headline.startswith(
        f"Nobody was called again: 1 of {count} customers had been called before, {hanging} in progress, end not yet "
        "known. 1 more may be called later, the first from "
    )
    assert sum(again.reasons[Bucket.IN_PROGRESS].values()) == hanging
    for reason in again.reasons[Bucket.IN_PROGRESS]:
        assert reason.startswith("attempt 1 has been in progress since 2")
        assert reason.endswith(f" UTC: {BUSY}")
    assert "another run" not in page
    assert f"{hanging} placed" in page or f"{hanging} in progress" in page
    assert len(fast.rings()) == 2 + hanging
    assert set(fast.rings().values()) == {1}


async def test_a_rerun_says_kindly_why_a_lone_attempt_stays_uncertain_and_who_can_settle_it(
    fast: World, epoch: datetime
) -> None:
    fast.sandbox.change_scenario(script=["lost_answer"], echo_params=False, lies={"list_hides": "everything"})
    first, page = await run(fast, epoch, [0], "c")
    assert first.buckets == {Bucket.UNCERTAIN: 1}
    assert "## 1 whose call has no known end, and why" in page
    again, page = await run(fast, epoch, [0], "c")
    assert again.headline == "Nobody was called again: 1 of 1 customer uncertain whether the phone rang."
    assert "there is no other call of this agent from shortly before it" in page
    assert "under *Settle one attempt by hand*" in page
    assert set(fast.rings().values()) == {1}
