"""The parameters of the present run, as Prefect keeps them: taken back where nobody is to know them any more."""

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run


async def replace_own_parameters(changes: dict[str, Any]) -> None:
    """Have Prefect keep these values in place of those that the present run was given; all others stay.

    Raises:
        httpx.HTTPError: Prefect's server did not take it.
    """
    if flow_run.id is None:
        return
    run_id = UUID(flow_run.id)
    async with get_client() as client:
        run = await client.read_flow_run(run_id)
        await client.update_flow_run(run_id, parameters={**run.parameters, **changes})
