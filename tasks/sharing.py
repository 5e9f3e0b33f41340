"""Lines that flows and machines share: a Prefect global concurrency limit, held around each call."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectNotFound

from campaign.errors import CampaignError


async def shared_lines(limit: str | None) -> Callable[[], AbstractAsyncContextManager[None]]:
    """What is entered around each call: a slot of the global concurrency limit, if one is named.

    Raises:
        CampaignError: There is no such limit. Nobody was called.
    """
    if limit is None:
        return nullcontext
    async with get_client() as client:
        try:
            await client.read_global_concurrency_limit_by_name(limit)
        except ObjectNotFound as error:
            raise CampaignError(
                f"The calling policy names the concurrency limit {limit}, which Prefect does not know. Make it with "
                f"`prefect gcl create {limit} --limit 10`, or empty the field; nobody was called."
            ) from error
    # A lease that could not be renewed must not break off the following of a call that is in progress.
    return partial(concurrency, limit, occupy=1, strict=True, raise_on_lease_renewal_failure=False)
