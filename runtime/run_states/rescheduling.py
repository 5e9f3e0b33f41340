"""A run that may call only later leaves its worker and its place among the deployment's runs, and starts again then.

To suspend it would need a person who resumes it, and a state that is not final is an error to Prefect if a flow returns
it. So it is scheduled first, and then leaves as a suspended run does.
"""

from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.runtime import flow_run
from prefect.states import Scheduled
from prefect.utilities.engine import propose_state

MARGIN_SECONDS = 1
"""Prefect rounds to seconds, and may so begin half a second early: the rules would say no once more."""


def can_reschedule() -> bool:
    """Whether somebody would start this flow run once more: a deployment's worker, unless it is part of another run."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    return run is not None and run.deployment_id is not None and run.parent_task_run_id is None


def is_within(hours: float, when: datetime) -> bool:
    """Whether a moment comes within so many hours of this run's planned start, which no waiting moves."""
    planned: datetime = flow_run.scheduled_start_time
    return when <= planned + timedelta(hours=hours)


async def reschedule_at(when: datetime, message: str) -> None:
    """Schedule this flow run for later and leave, as a run that is suspended leaves.

    Returns only if Prefect will not have it so, because somebody cancels the run just now.

    Args:
        when: Aware.
        message: What its page shows until then.

    Raises:
        prefect.exceptions.Pause: It is scheduled; let it pass.
    """
    context = FlowRunContext.get()
    assert context is not None and context.flow_run is not None  # noqa: S101, PT018 - see `can_reschedule`
    run_id = context.flow_run.id
    async with get_client() as client:
        # Its process is about to end. With one to its name, a Cancel would wait for a worker to end that.
        await client.request("PATCH", "/flow_runs/{id}", path_params={"id": run_id}, json={"infrastructure_pid": None})
        scheduled: State[Any] = Scheduled(scheduled_time=when + timedelta(seconds=MARGIN_SECONDS), message=message)
        # Not by force: that would undo a Cancel.
        state = await propose_state(client, scheduled, flow_run_id=run_id)
    if state.is_scheduled():
        raise Pause(state=state)
