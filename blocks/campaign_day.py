"""The day of a campaign: the date, where its people are, on which its run was to start.

Promises that neither the clock of a worker's machine nor a retry after midnight changes the name of a campaign.
"""

from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

from prefect import runtime
from prefect.client.orchestration import get_client

from campaign.errors import CampaignError
from campaign.rules import TIME_ZONES, Policy
from campaign.time_zones import is_time_zone, time_zone
from campaign.unexpected import kind_of


def campaign_time_zone(policy: Policy | None = None) -> tzinfo:
    """Where the day of a campaign begins.

    The policy's `campaign_time_zone` decides, or else the time zone of the deployment's schedules if they agree in
    one, or else the country of the policy's preset. Where nobody says anything it is UTC, on every machine.

    Raises:
        CampaignError: Prefect cannot be asked for the schedules. Nobody was called.
    """
    policy = policy or Policy()
    if policy.campaign_time_zone is not None:
        return time_zone(policy.campaign_time_zone)
    deployment_id = runtime.deployment.id
    zones = _zones_of_schedules(str(runtime.flow_run.id), str(deployment_id)) if deployment_id else frozenset()
    if len(zones) == 1:
        return time_zone(next(iter(zones)))
    preset = TIME_ZONES.get(policy.preset)
    return time_zone(preset) if preset is not None else UTC


# Asked once in a run: its name and its campaign must not differ, and it may make many calls.
@lru_cache(maxsize=64)
def _zones_of_schedules(run_id: str, deployment_id: str) -> frozenset[str]:  # noqa: ARG001 - a run has its own answer
    """The time zones of the schedules of a run's deployment."""
    try:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment(deployment_id)
    except Exception as error:  # noqa: BLE001 - whatever it is, a guess could make two campaigns of one
        raise CampaignError(
            f"The campaign's day is that of the deployment's schedule, and Prefect cannot be asked for its time zone "
            f"({kind_of(error)}). Nobody was called; run again, name the campaign, or set `campaign_time_zone` in the "
            "policy."
        ) from None
    return frozenset(zone for each in deployment.schedules if (zone := _zone_of(each.schedule)) is not None)


def _zone_of(schedule: object) -> str | None:
    """The time zone that somebody gave a schedule. An interval is at UTC if nobody did, which says nothing."""
    zone = getattr(schedule, "timezone", None)
    said = isinstance(zone, str) and is_time_zone(zone) and not (hasattr(schedule, "interval") and zone == "UTC")
    return zone if said else None


def planned_day(zone: tzinfo = UTC) -> date:
    """The date, in a time zone, on which the run was first to start; today outside of a run. A retry keeps it."""
    planned = runtime.flow_run.scheduled_start_time if runtime.flow_run.id else None
    return (planned or datetime.now(UTC)).astimezone(zone).date()


def default_campaign(name: str = "single-calls", zone: tzinfo = UTC) -> str:
    """`<flow>-<planned_day>`: a retry after midnight is the same campaign.

    Args:
        name: Stands in for the flow's name outside of any flow.
        zone: Where the day begins; see `campaign_time_zone`.
    """
    return f"{runtime.flow_run.flow_name or name}-{planned_day(zone):%Y-%m-%d}"
