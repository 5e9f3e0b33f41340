"""Lines that flows and machines share: a Prefect global concurrency limit, held around each call.

Promises that trouble with the limit ends no call: without a slot nobody is dialed, and a slot that cannot be given back
(Prefect frees it when its lease ends) does not keep the call's end from being noted.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectNotFound

from campaign.errors import CampaignError, LimitUnavailable

logger = logging.getLogger(__name__)


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
    return partial(_slot, limit)


@asynccontextmanager
async def _slot(limit: str) -> AsyncIterator[None]:
    # A lease that could not be renewed must not break off the following of a call that is in progress.
    held = concurrency(limit, occupy=1, strict=True, raise_on_lease_renewal_failure=False)
    try:
        await held.__aenter__()
    except Exception as error:
        raise LimitUnavailable(
            f"Prefect gave no slot of the concurrency limit {limit} ({error!r}): no more calls are made. Run again "
            "when its server is back."
        ) from error
    try:
        yield
    finally:
        try:
            await held.__aexit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the call's own end is to be noted
            logger.warning("A slot of the concurrency limit %s could not be given back: %r", limit, error)
