"""Dial a batch: one Prefect task run for up to `calls_per_task` recipients, safe to retry because of the ledger."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from campaign.attempts import Attempt, AttemptState
from campaign.dialing.dialer import Dialer
from campaign.reporting.results import Batch
from campaign.unexpected import redact_unexpected_errors
from hamsa import NotPlaced
from runtime.artifacts import Records


def surely_not_placed(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """The allow-list of retries: only when no phone can have rung. Everything else is for settling, or for a person."""
    return isinstance(state.data, NotPlaced)


@task(
    name="dial",
    task_run_name="dial {batch}",
    # Half a minute to a few minutes of a lost connection; whoever was called in an earlier try is not dialed again.
    retries=5,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=surely_not_placed,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@redact_unexpected_errors
async def dial(batch: Batch, dialer: Dialer, records: Records) -> None:
    """Call everybody in a batch, wait for all their ends, and write the table of their job records.

    Raises:
        NotPlaced: There was no connection; the task is retried with those who have no result yet.
        CampaignError: The ledger failed; nobody is dialed without a claim.
    """
    results = await dialer.run(batch)
    await records.dialed(batch, results)


class Followed:
    """Calls of earlier runs, and what became of them. Plain, so that Prefect does not walk it."""

    __slots__ = ("attempts",)

    def __init__(self, attempts: list[Attempt]) -> None:
        self.attempts = attempts

    def __str__(self) -> str:
        """What the task run is called."""
        return f"{len(self.attempts)} calls of earlier runs"

    def states(self) -> dict[str, int]:
        """How many came to which state."""
        states: dict[str, int] = {}
        for attempt in self.attempts:
            states[attempt.state.value] = states.get(attempt.state.value, 0) + 1
        return states


@task(name="follow", task_run_name="follow {followed}", cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def follow(followed: Followed, dialer: Dialer, records: Records) -> None:
    """Follow calls that earlier runs placed to their ends, and write their table."""
    placed = [attempt for attempt in followed.attempts if attempt.state is AttemptState.PLACED]
    ended = {attempt.call_key: attempt for attempt in await dialer.follow_all(placed)}
    followed.attempts = [ended.get(attempt.call_key, attempt) for attempt in followed.attempts]
    await records.followed(followed.attempts)
