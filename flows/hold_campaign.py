"""Hold a campaign: no run dials for it until it is let go on. Runs in progress notice within seconds."""

import sys
from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Completed

from blocks import CallLedger
from blocks.forms import Campaign, OptionalLedger, titled
from blocks.ledger import ensure_ledger_outlives
from campaign.errors import LedgerError
from runtime.clean_failures import fail_cleanly
from runtime.command_line import run_from_command_line
from runtime.missing_blocks import explain_missing_blocks

UNKNOWN = "The ledger has no call of a campaign of this name: is it written as in the campaign's report?"


def _run_name() -> str:
    asked = flow_run.parameters
    return f"{'let go on' if asked.get('release') else 'hold'} {asked.get('campaign')}"


@explain_missing_blocks
@flow(
    name="hold-campaign",
    flow_run_name=_run_name,
    description="Stops all dialing for a campaign, or lets it go on. Calls in progress are followed to their ends.",
)
@fail_cleanly
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
    ledger = ledger or CallLedger()
    try:
        # A hold in a ledger that goes away with this run would stop nobody.
        await ensure_ledger_outlives(ledger)
    except LedgerError as error:
        raise LedgerError(f"Nothing was changed for {campaign}. {error}") from error
    async with ledger.open() as book:
        known = await book.count_attempts(campaign=campaign) > 0
        was_on_hold = await book.on_hold(campaign) is not None
        await book.hold(campaign, note=note, on=not release)
    words = f"{campaign} may go on: {note}" if release else f"{campaign} is on hold: {note}"
    if release and not was_on_hold:
        words = f"{campaign} was not on hold, and may go on: {note}"
    if not known and not (release and was_on_hold):
        # On hold all the same: it may be about to begin.
        words = f"{words.rstrip('.')}. {UNKNOWN}"
    return Completed(message=words, data=words)  # type: ignore[return-value]  # the state's data is the result


if __name__ == "__main__":
    sys.exit(run_from_command_line(hold_campaign))
