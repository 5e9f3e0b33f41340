"""Report: add up the results of all rows, and write the page that a manager reads."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from campaign.dialing import Dialer
from campaign.reporting import CampaignReport
from campaign.unexpected import redact_unexpected_errors
from runtime.annotations import as_one
from runtime.campaign_run import CampaignRun


@task(name="report", task_run_name="report", cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def write_report(run: CampaignRun, dialer: Dialer, rows: int) -> CampaignReport:
    """Add up, write the summary, and emit the campaign's last event.

    Raises:
        CampaignError: Prefect does not take the summary.
    """
    return await run.finish(dialer, rows)


async def report(run: CampaignRun, dialer: Dialer, rows: int) -> CampaignReport:
    """What a run came to. One that an error ended was reported on its way out."""
    return run.ended_early or await write_report(as_one(run), dialer, rows)
