"""The day of a campaign is the day where its people are, whatever the clock of a worker's machine says."""

import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from blocks import CallingPolicy
from blocks.campaign_day import campaign_time_zone, default_campaign, planned_day
from blocks.checked import BlockError
from campaign.rules.policy.presets import PRESETS, TIME_ZONES
from campaign.time_zones import is_time_zone

NEW_YORK = "America/New_York"


@pytest.fixture(params=["Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"])
def worker_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker whose machine is elsewhere: 14 hours ahead of UTC, at UTC, 11 behind."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_outside_of_a_flow_the_campaign_is_named_after_the_day(worker_zone: str) -> None:
    before = datetime.now(UTC).date()
    day = planned_day()
    assert before <= day <= datetime.now(UTC).date()
    assert default_campaign().startswith("single-calls-20")
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    assert planned_day(kiritimati) == datetime.now(kiritimati).date()


def test_the_policy_names_the_place_and_else_its_presets_country_does(worker_zone: str) -> None:
    def zone(**fields: Any) -> str:
        return str(campaign_time_zone(CallingPolicy(**fields)))

    assert zone(campaign_time_zone="Asia/Riyadh", preset="us") == "Asia/Riyadh"
    assert zone(preset="us") == NEW_YORK
    assert zone(preset="ae") == "Asia/Dubai"
    assert zone() == "UTC"
    assert zone(preset="unrestricted", campaign_time_zone="") == "UTC"
    assert str(campaign_time_zone()) == "UTC"


def test_every_country_of_a_preset_has_a_time_zone() -> None:
    assert set(TIME_ZONES) == set(PRESETS) - {"strict", "unrestricted"}
    assert all(map(is_time_zone, TIME_ZONES.values()))


def test_a_time_zone_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(BlockError, match=r"campaign_time_zone` is 'Riyadh', which is not a time zone"):
        CallingPolicy(campaign_time_zone="Riyadh")


CRON = CronSchedule(cron="0 20 * * *", timezone=NEW_YORK)
AGAIN = CronSchedule(cron="0 21 * * *", timezone=NEW_YORK)
DUBAI = CronSchedule(cron="0 9 * * *", timezone="Asia/Dubai")
NOWHERE = IntervalSchedule(interval=300)  # type: ignore[arg-type]  # seconds


@pytest.mark.prefect
@pytest.mark.parametrize(
    ("schedules", "policy", "day"),
    [
        ([CRON], {}, "2026-11-03"),
        ([CRON, AGAIN, NOWHERE], {}, "2026-11-03"),
        ([CRON], {"campaign_time_zone": "Asia/Dubai"}, "2026-11-04"),
        ([CRON, DUBAI], {}, "2026-11-04"),
        ([CRON, DUBAI], {"preset": "us"}, "2026-11-03"),
        ([NOWHERE], {}, "2026-11-04"),
        ([], {}, "2026-11-04"),
        ([], {"preset": "us"}, "2026-11-03"),
    ],
    ids=["schedule", "schedules", "policy wins", "two places", "preset", "no place", "none", "none but preset"],
)
async def test_a_run_at_eight_in_the_evening_in_new_york_is_in_that_days_campaign(
    prefect_server: Any, schedules: list[Any], policy: dict[str, Any], day: str
) -> None:
    named: list[str] = []

    @flow(name="evening")
    async def evening() -> None:
        named.append(default_campaign(zone=campaign_time_zone(CallingPolicy(**policy))))

    eight = datetime(2026, 11, 3, 20, tzinfo=ZoneInfo(NEW_YORK))
    any_flow: Any = evening
    async with get_client() as client:
        flow_id = await client.create_flow(any_flow)
        deployment_id = await client.create_deployment(
            flow_id,
            name=f"at-{len(schedules)}",
            schedules=[DeploymentScheduleCreate(schedule=schedule, active=False) for schedule in schedules],
        )
        run = await client.create_flow_run_from_deployment(deployment_id, state=Scheduled(scheduled_time=eight))
    running: Any = run_flow(any_flow, flow_run=run)
    await running
    assert named == [f"evening-{day}"]
