"""Hold a campaign: no run dials for it until it is resumed. Runs in progress notice within seconds."""

import sys
from typing import Annotated

from pydantic import Field

from blocks.forms import Campaign, OptionalLedger, OptionalText, titled
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from tasks.hold import mark_on_hold


@campaign_flow(
    name="hold-campaign",
    flow_run_name="hold {campaign}",
    description="Stops all dialing for a campaign. Calls in progress are followed to their ends.",
)
async def hold_campaign(
    campaign: Campaign,
    note: Annotated[OptionalText, Field(max_length=2000), titled("Note")],
    ledger: OptionalLedger = None,
    held_by: Annotated[OptionalText, titled("Held by")] = "",
) -> str:
    """Hold a campaign.

    Args:
        campaign: Its name, as its report and its ledger rows have it.
        note: Why; every run that stops because of it shows this.
        ledger: Where the campaign's calls are kept. An empty picker means the ledger that the deployment names, or else
            a file next to Prefect's own data.
        held_by: Who holds it; shown beside the note.
    """
    await mark_on_hold(campaign, on=True, note=note, held_by=held_by, ledger=ledger)
    by = f"by {held_by}: " if held_by else ""
    return f"{campaign} is on hold ({by}{note or 'no reason given'}) until somebody resumes it (resume-campaign)."


if __name__ == "__main__":
    sys.exit(run_from_command_line(hold_campaign))
