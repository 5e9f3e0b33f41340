"""The task by which a campaign is put on hold, or resumed: a mark in the ledger that every run of it obeys."""

from difflib import get_close_matches

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import CallLedger
from blocks.ledger import ensure_ledger_outlives
from campaign.errors import LedgerError
from campaign.ledger import Ledger

MOST_NAMED = 10
"""Campaigns that a message names."""


@task(name="mark campaign", task_run_name="mark {campaign}", cache_policy=NO_CACHE)
async def mark_on_hold(
    campaign: str, *, on: bool, note: str, held_by: str = "", ledger: CallLedger | None = None
) -> str | None:
    """Put a campaign on hold, or resume it.

    Returns:
        Who held it before and why, as a clause; None if nobody did.

    Raises:
        LedgerError: The ledger knows no campaign of this name, cannot be used, or would go away with this run. Nothing
            was changed.
    """
    calls = ledger or CallLedger()
    try:
        # A hold in a ledger that goes away with this run would stop nobody.
        await ensure_ledger_outlives(calls)
    except LedgerError as error:
        raise LedgerError(f"Nothing was changed for {campaign}. {error}") from error
    async with calls.open() as book:
        await _require_known(book, campaign)
        before = await book.on_hold(campaign)
        await book.hold(campaign, note=note, held_by=held_by or None, on=on)
    return before


async def _require_known(book: Ledger, campaign: str) -> None:
    names = await book.campaign_names()
    if campaign in names:
        return
    if not names:
        raise LedgerError(f"Nothing was changed: the ledger {book.name} knows no campaign at all yet.")
    close = get_close_matches(campaign, names, n=MOST_NAMED, cutoff=0.5)
    # The newest first among the rest, where names end in a day.
    listed = [*close, *(name for name in reversed(names) if name not in close)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    raise LedgerError(
        f"Nothing was changed: the ledger {book.name} knows no campaign {campaign}. It knows "
        f"{', '.join(listed[:MOST_NAMED])}{more}."
    )
