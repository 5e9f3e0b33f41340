"""One measured page: 5,000 rows whose numbers have 36 past attempts each, in a ledger of a million, screened once.

`python -m benchmarks.history URL` fills an empty ledger and prints how long screening takes, as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.done import fill_ledger
from benchmarks.loop_watch import LoopWatch
from benchmarks.people import people
from campaign.dialing import Screener
from campaign.intake import Screen
from campaign.ledger import Ledger
from campaign.rules import Policy

ROWS, EACH = 5000, 36
CAMPAIGN = "benchmark"


async def screened(url: str, attempts: int, repeats: int) -> dict[str, Any]:
    """Fill the ledger and screen a page of people whom many campaigns have called.

    Args:
        url: An empty ledger.
        attempts: How many it shall hold.
        repeats: How often to screen; each time with a ledger that was just opened.

    Returns:
        Seconds of each time, of them computing in this process, and what was seen of the loop.
    """
    each = min(EACH, attempts)
    rows = min(ROWS, attempts // each)
    for number in range(each):
        await fill_ledger(url, rows, campaign=f"earlier-{number}", days_ago=20 + 15 * number)
    await fill_ledger(url, attempts - rows * each, campaign="of others", days_ago=50, start=rows)
    page = [(row, _row(person)) for row, person in enumerate(people(rows), 1)]
    seconds: list[float] = []
    processor: list[float] = []
    async with LoopWatch() as watch:
        for _ in range(repeats):
            async with Ledger(url) as ledger:
                screener = Screener(
                    screen=Screen(),
                    ledger=ledger,
                    rules=Policy().resolved(),
                    campaign=CAMPAIGN,
                    run_id="run",
                )
                began, used = time.perf_counter(), time.process_time()
                screened = await screener.page(page)
                seconds.append(time.perf_counter() - began)
                processor.append(time.process_time() - used)
                if len(screened.go) + len(screened.results) != rows:
                    message = f"{len(screened.go)} of {rows} people may be called, {len(screened.results)} may not."
                    raise RuntimeError(message)
    return {"seconds": seconds, "processor": processor, **watch.figures()}


def _row(person: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(("id", "phone", "name", "amount"), person, strict=True))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(screened(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
