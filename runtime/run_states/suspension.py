"""A run that somebody suspends or cancels in the middle of a campaign: Prefect itself would let it dial on to its end.

Prefect cancels by a worker's signal (see `runtime.run_states.cancellation`); a run that was started by
hand has no worker, and learns here that somebody pressed Cancel.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled

logger = logging.getLogger(__name__)

ASKED_EVERY_SECONDS = 3.0
"""How soon a run notices that somebody pressed Suspend or Cancel."""

ANSWERED_WITHIN_SECONDS = 5.0
"""How long Prefect's server may take for a run that is about to end."""


async def until_suspended(on_cancelling: Callable[[], None]) -> State[Any]:
    """Wait until Prefect's server has this flow run as suspended, and return that state.

    Suspended is what Prefect's server starts again when it is resumed. A run that is merely paused keeps its process,
    and nobody would start it again if it left: it goes on. A server that does not answer is asked again: that it is
    gone is noticed elsewhere.

    Args:
        on_cancelling: Called whenever the run is found as being cancelled, or as cancelled.
    """
    if flow_run.id is None:  # nobody can suspend what Prefect does not run
        await asyncio.Event().wait()
    run_id = UUID(flow_run.id)
    async with get_client() as client:
        while True:
            await asyncio.sleep(ASKED_EVERY_SECONDS)
            try:
                state = (await client.read_flow_run(run_id)).state
            except Exception as error:  # noqa: BLE001 - whatever it is, a question that failed must not end the calls
                logger.debug("Prefect's server did not say in which state the run is: %s", error)
                continue
            if state is None:
                continue
            if state.is_paused() and state.state_details.pause_reschedule:
                return state
            if state.is_cancelling() or state.is_cancelled():
                on_cancelling()


async def show_in_state(headline: str) -> State[Any] | None:
    """Put a run's headline into the message of its state, if somebody suspended or cancelled it.

    A worker that cancelled the run writes its own message over it, once the process has ended; the history of states
    keeps ours. A run that was resumed meanwhile is left alone.

    Returns:
        The suspended or cancelled state, or None if the run is in no such state or the server does not say.
    """
    if flow_run.id is None:
        return None
    run_id = UUID(flow_run.id)
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS), get_client() as client:
            state = (await client.read_flow_run(run_id)).state
            if state is None:
                return None
            if state.is_cancelling() or state.is_cancelled():
                shown: State[Any] = Cancelled(message=headline)
            elif state.is_paused() and state.state_details.pause_reschedule:
                shown = state.model_copy(update={"message": headline, "id": uuid4()})
            else:
                return None
            await client.set_flow_run_state(run_id, shown, force=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, the summary has the headline too
        logger.debug("Prefect's server did not take the run's headline: %s", error)
        return None
    return shown
