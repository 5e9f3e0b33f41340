"""Hold a campaign: no run dials for it until it is let go on. Runs in progress notice within seconds."""

import sys
from typing import Annotated

from prefect import flow
from prefect.states import Completed

from blocks import CallLedger
from flows.by_hand import run_by_hand
from flows.form import Campaign, OptionalLedger, titled
from tasks.failing import failing_with_a_sentence


@flow(
    name="hold-campaign",
    flow_run_name="hold {campaign}",
    description="Stops all dialing for a campaign, or lets it go on. Calls in progress are followed to their ends.",
)
@failing_with_a_sentence
async def hold_campaign(
    campaign: Campaign,
    note: Annotated[str, titled("Note", maxLength=2000)],
    ledger: OptionalLedger = None,
    release: Annotated[bool, titled("Let it go on")] = False,
) -> str:
    """Hold a campaign.

    Args:
        campaign: Its name, as its report and its ledger rows have it.
        note: Why; every run that stops because of it shows this.
        ledger: Where the campaign's calls are kept; a file beside Prefect's own data if none is chosen.
        release: Let the campaign go on instead.
    """
    async with (ledger or CallLedger()).open() as book:
        await book.hold(campaign, note=note, on=not release)
    words = f"{campaign} may go on: {note}" if release else f"{campaign} is on hold: {note}"
    return Completed(message=words, data=words)  # type: ignore[return-value]  # the state's data is the result


if __name__ == "__main__":
    sys.exit(run_by_hand(hold_campaign))
