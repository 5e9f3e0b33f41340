"""The first question to Hamsa, before anybody is called: whose key is this, and does the agent exist?"""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from campaign.agent import CallingAgent
from campaign.dialing.account import Account, ask_account
from campaign.errors import CampaignError
from campaign.unexpected import redact_unexpected_errors
from hamsa import HamsaClient, Unavailable


def no_answer_yet(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Asking changes nothing, so whoever got no usable answer simply asks again."""
    return isinstance(state.data, Unavailable)


@task(
    name="check account",
    task_run_name="check key and agent",
    retries=4,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_jitter_factor=0.5,
    retry_condition_fn=no_answer_yet,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@redact_unexpected_errors
async def ask_hamsa(client: HamsaClient, agent: CallingAgent) -> Account:
    """`campaign.dialing.account.ask_account`, retried while Hamsa does not answer."""
    return await ask_account(client, agent)


async def check_account(client: HamsaClient, agent: CallingAgent) -> Account:
    """Find out whose key this is and which values the agent needs.

    Raises:
        CampaignError: The key is no good, Hamsa does not know the agent, or it did not answer for half a minute. Nobody
            was called.
    """
    try:
        return await ask_hamsa(client, agent)
    except Unavailable as error:
        raise CampaignError(
            f"Hamsa cannot be reached ({error}). Nobody was called; run again when it answers."
        ) from error
