"""Screen: each row of a page goes on to be dialed, or into a bucket with its reason, before a line is spent on it."""

import logging
from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from campaign.dialing import NumberedRow, Screened, Screener
from campaign.unexpected import redact_unexpected_errors
from runtime.annotations import unwrapped

logger = logging.getLogger(__name__)


def _name_of_page() -> str:
    rows = unwrapped(task_run.parameters["rows"])
    return f"screen rows {rows[0][0]}-{rows[-1][0]}"


@task(name="screen", task_run_name=_name_of_page, cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def screen(rows: Sequence[NumberedRow], screener: Screener) -> Screened:
    """Screen one page of rows.

    Returns:
        Who is to be dialed, who waits for the result of an earlier call, and where the other rows ended.
    """
    screened = await screener.page(rows)
    logger.info("Rows %d to %d: %s", rows[0][0], rows[-1][0], screened.words)
    return screened
