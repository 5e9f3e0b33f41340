"""Resume a campaign that is on hold: its next run calls the rest. Calls nobody itself."""

import sys
from typing import Annotated

from pydantic import Field

from blocks.forms import Campaign, OptionalLedger, OptionalText, titled
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from tasks.hold import mark_on_hold


@campaign_flow(
    name="resume-campaign",
    flow_run_name="resume {campaign}",
    description="Ends the hold of a campaign. Its next run calls the rest.",
)
async def resume_campaign(
    campaign: Campaign,
    note: Annotated[OptionalText, Field(max_length=2000), titled("Note")] = "",
    ledger: OptionalLedger = None,
) -> str:
    """Resume a campaign.

    Args:
        campaign: Its name, as its report and its ledger rows have it.
        note: Why, for whoever looks into the ledger.
        ledger: Where the campaign's calls are kept. An empty picker means the ledger that the deployment names, or else
            a file next to Prefect's own data.
    """
    before = await mark_on_hold(campaign, on=False, note=note, ledger=ledger)
    words = f"{campaign} was on hold ({before})" if before is not None else f"{campaign} was not on hold"
    return f"{words}. Its next run calls who is still to be called."


if __name__ == "__main__":
    sys.exit(run_from_command_line(resume_campaign))
