"""Settle: first learn how the calls already made went, then do only what is still to be done."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from campaign.attempts import Attempt, AttemptState
from campaign.following import Settled, Settler
from campaign.ledger import Ledger
from campaign.unexpected import redact_unexpected_errors
from campaign.wording import counted

logger = logging.getLogger(__name__)


def _name_of_round() -> str:
    return f"settle {task_run.parameters.get('campaign') or 'all campaigns'}"


@task(name="settle", task_run_name=_name_of_round, cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def settle(
    ledger: Ledger, settler: Settler, *, account: str | None, campaign: str | None = None
) -> list[Attempt]:
    """Bring unfinished attempts of this account to the truth, as far as one look allows.

    Claims whose lease ran out become uncertain; uncertain attempts are looked for in Hamsa's list.

    Returns:
        The attempts that are placed now and are still to be followed, and those that were proved absent.

    Raises:
        CampaignError: The ledger cannot be read or written.
    """
    expired = await ledger.expire_leases()
    if expired:
        lost = counted(expired, "call was", "calls were")
        logger.info("%s being placed when the run stopped: finding out how each went", lost)
    await settler.offset(account)  # warns of a clock that is far from ours, also where nothing is uncertain
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
    if placed or absent:
        just = len(settled.adopted) + len(settled.absent)
        open_calls = counted(len(placed), "call of earlier runs is", "calls of earlier runs are")
        logger.info("%s unfinished (%d just settled): following", open_calls, just)
    return [*placed, *absent]


def _summary(settled: Settled) -> str:
    counts = {
        "found in Hamsa's list": len(settled.adopted),
        "surely not placed": len(settled.absent),
        "still uncertain": len(settled.still_uncertain),
    }
    total = sum(counts.values())
    came_to = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"Looked for {counted(total, 'uncertain attempt')}: {came_to}"
