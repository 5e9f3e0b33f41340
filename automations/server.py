"""Is there a Prefect server to put deployments and automations on? Where there is none, a sentence says what to do."""

from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings


async def why_not() -> str | None:
    """Why nothing can be put on a server, and what to do; None if the server answers."""
    url = get_current_settings().api.url
    if url is None:
        return (
            "No Prefect server is chosen: start one by `prefect server start`, and set PREFECT_API_URL to its address."
        )
    async with get_client() as client:
        error = await client.api_healthcheck()
    return (
        f"No Prefect server answers at {url} ({error}): start it, or set PREFECT_API_URL to another's."
        if error
        else None
    )
