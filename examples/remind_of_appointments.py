"""Remind of appointments: a campaign of one's own, as a ten-line flow over the same parts.

Whatever makes the rows comes first, as a task like any other. `run_campaign` does the rest: it screens, calls each
person once, follows the calls, and leaves job records, a summary and events behind. Run it again at any time.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from prefect import task
from prefect.runtime import flow_run

from blocks import CallingPolicy, CallLedger, VoiceAgent
from campaign import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import campaign_flow


@task(task_run_name="appointments on {day}")
async def appointments_on(day: date) -> list[dict[str, Any]]:
    """The upstream step: here three rows by hand; with you a calendar, an API, a data frame."""
    return [
        {
            "id": f"{day}-0930",
            "phone": "+1 212 555 0121",
            "timezone": "America/New_York",
            "name": "Mona",
            "at": "09:30",
        },
        {"id": f"{day}-1015", "phone": "020 7946 0122", "region": "GB", "name": "Ольга", "at": "10:15"},
        {"id": f"{day}-1100", "phone": None, "name": "Sami", "at": "11:00"},
    ]


@campaign_flow(name="remind-of-appointments")
async def remind_of_appointments(
    agent: VoiceAgent,
    policy: CallingPolicy | None = None,
    ledger: CallLedger | None = None,
    day: date | None = None,
    dry_run: bool = False,
) -> CampaignReport:
    """Call everybody who has an appointment on a day, tomorrow if none is given."""
    # By the time for which the run was planned: a retry after midnight is still about the same day.
    planned = flow_run.scheduled_start_time or datetime.now(UTC)
    day = day or planned.astimezone().date() + timedelta(days=1)
    rows = await appointments_on(day)
    return await run_campaign(
        rows, agent=agent, policy=policy, ledger=ledger, campaign=f"appointments-{day}", dry_run=dry_run
    )
