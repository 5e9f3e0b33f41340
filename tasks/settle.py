"""Settle: first learn what became of the calls already made, then do only what is still to be done."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from campaign.attempts import AttemptState
from campaign.following.settling import Settled, Settler
from campaign.ledger.ledger import Ledger
from campaign.unexpected import redact_unexpected_errors
from tasks.dial import Followed

logger = logging.getLogger(__name__)

ALL_CAMPAIGNS = "all campaigns"
"""The scope of a round that is not one campaign's."""


@task(name="settle", task_run_name="settle {scope}", cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def settle(ledger: Ledger, settler: Settler, found: Followed, *, account: str | None, scope: str) -> None:
    """Bring unfinished attempts of this account to the truth, as far as one look allows.

    Claims whose lease ran out become uncertain; uncertain attempts are looked for in Hamsa's list. What is placed
    afterwards, and what was settled, is left in `found`: the placed ones are to be followed.

    Args:
        ledger: Open.
        settler: Of this account.
        found: Filled here.
        account: Whose attempts.
        scope: A campaign's name, or `all campaigns`.

    Raises:
        CampaignError: The ledger cannot be read or written.
    """
    campaign = None if scope == ALL_CAMPAIGNS else scope
    expired = await ledger.expire_leases()
    if expired:
        logger.info("%d calls were being placed when their run went away: finding out what became of them", expired)
    uncertain = await ledger.attempts(campaign=campaign, states=[AttemptState.UNCERTAIN], account=account)
    settled = await settler.settle(uncertain)
    for attempt in uncertain:
        if (reason := settled.still_uncertain.get(attempt.call_key)) is not None:
            logger.warning(
                "Still uncertain, so not dialed again: attempt %d at %s in campaign %s (%s)",
                attempt.attempt,
                attempt.recipient_id,
                attempt.campaign,
                reason,
            )
    if uncertain:
        logger.info("%s", _summary(settled))
    placed = await ledger.attempts(campaign=campaign, states=[AttemptState.PLACED], account=account)
    absent = await ledger.attempts(call_keys=settled.absent) if settled.absent else []
    found.attempts = [*placed, *absent]
    if found.attempts:
        just = len(settled.adopted) + len(settled.absent)
        logger.info("%d calls of earlier runs are unfinished (%d just settled): following them", len(placed), just)


def _summary(settled: Settled) -> str:
    counts = {
        "found in Hamsa's list": len(settled.adopted),
        "surely not placed": len(settled.absent),
        "still uncertain": len(settled.still_uncertain),
    }
    total = sum(counts.values())
    came_to = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"Looked for {total} uncertain {'attempt' if total == 1 else 'attempts'}: {came_to}"
