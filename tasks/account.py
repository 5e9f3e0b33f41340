"""The first question to Hamsa, before anybody is called: whose key is this, and does the agent exist?"""

import logging
from collections.abc import Collection

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from campaign.agent import CallingAgent
from campaign.dialing import Account, ask_account, filed
from campaign.errors import CampaignError
from campaign.ledger import Ledger
from campaign.unexpected import redact_unexpected_errors
from hamsa import HamsaClient, Unavailable
from runtime.retries import only_after

logger = logging.getLogger(__name__)


@task(
    name="check account",
    task_run_name="check key and agent",
    retries=4,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_jitter_factor=0.5,
    retry_condition_fn=only_after(Unavailable),
    cache_policy=NO_CACHE,
    persist_result=False,
)
@redact_unexpected_errors
async def ask_hamsa(
    client: HamsaClient, agent: CallingAgent, outcome_fields: Collection[str], opt_out_fields: Collection[str]
) -> Account:
    """`campaign.dialing.account.ask_account`, retried while Hamsa does not answer."""
    return await ask_account(client, agent, outcome_fields=outcome_fields, opt_out_fields=opt_out_fields)


async def check_account(
    client: HamsaClient,
    agent: CallingAgent,
    ledger: Ledger,
    *,
    outcome_fields: Collection[str] = (),
    opt_out_fields: Collection[str] = (),
    dry_run: bool = False,
) -> Account:
    """Find out whose key this is, which values the agent needs, and whether it extracts what it should.

    Raises:
        CampaignError: The key is not valid, Hamsa does not know the agent, a field does not belong to the
            agent, or Hamsa did not answer for half a minute. Nobody was called.
    """
    try:
        account = await ask_hamsa(client, agent, outcome_fields, opt_out_fields)
    except Unavailable as error:
        raise CampaignError(
            f"Hamsa cannot be reached ({error}). Nobody was called; run again when it answers."
        ) from error
    account = await filed(account, ledger, remember=not dry_run)
    for warning in account.warnings:
        logger.warning("%s", warning)
    return account
