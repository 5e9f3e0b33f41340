"""What calls come to is kept beside them, and is at every moment what the calls themselves say."""

import random
from datetime import timedelta
from typing import Any

import pytest

from campaign.attempts import COUNTS, ENDED, AttemptState, Claim
from campaign.ledger.claims import spending
from campaign.ledger.claims.limits import Limits, Price, RunSums
from campaign.ledger.claims.totals import rebuild
from campaign.ledger.ledger import CallEnd, Ledger
from tests.campaign.ledger.asking import ask, kept

COSTS = [None, 0.0, 0.25, 1.0, 2.5, -1.0, 1e13]
STATES = sorted(ENDED)
LIMITS = Limits(max_cost=1e9, max_calls=10**6, assumed_call_cost=0.5)


async def shown(ledger: Ledger, price: Price) -> dict[str | None, RunSums]:
    """What the limits are judged by."""

    async def read(connection: Any) -> dict[str | None, RunSums]:
        return await spending._sums(connection, "c", LIMITS, price, ledger.now())  # noqa: SLF001

    return await ledger._transact(read)  # noqa: SLF001


async def counted(ledger: Ledger, price: Price) -> dict[str | None, RunSums]:
    """The same, call by call."""
    share = price.most if price.most is not None else LIMITS.assumed_call_cost or 0.0
    runs: dict[str | None, RunSums] = {}
    for row in await ledger.attempts(campaign="c"):
        if row.state not in COUNTS:
            continue
        sums = runs.setdefault(row.run_id, RunSums())
        talked = row.state in (AttemptState.COMPLETED, AttemptState.FORWARDED)
        priced = row.cost is not None and 0 < row.cost < 1e12
        in_flight = row.state in (AttemptState.CLAIMED, AttemptState.PLACED)
        reserved = max(row.reserved_cost or 0.0, share)
        sums.calls += 1
        sums.ended += row.state in ENDED
        sums.in_flight += in_flight
        sums.unpriced_conversations += talked and not priced
        if priced:
            sums.cost += row.cost or 0.0
        elif row.cost != 0 or (talked and not price.calls):
            sums.reserved += reserved
            sums.reserved_in_flight += reserved if in_flight else 0.0
        sums.claimed_at = max(row.claimed_at, sums.claimed_at or row.claimed_at)
    return runs


def plain(runs: dict[str | None, RunSums]) -> dict[str | None, dict[str, Any]]:
    names = RunSums.__dataclass_fields__
    return {
        run_id: {name: round(value, 6) if isinstance(value := getattr(sums, name), float) else value for name in names}
        for run_id, sums in runs.items()
    }


@pytest.mark.parametrize("seed", range(3))
async def test_however_calls_end_the_sums_are_those_of_the_calls(ledger: Ledger, seed: int) -> None:
    rng = random.Random(seed)
    claims: list[Claim] = []
    for turn in range(120):
        limits = Limits(max_cost=1e9, assumed_call_cost=rng.choice([0.5, 0.75]))
        do = rng.random()
        if do < 0.4 or not claims:
            number = rng.randrange(40)
            answer = await ledger.claim(ask(number, run_id=f"run-{rng.randrange(3)}", limits=limits))
            if isinstance(answer, Claim):
                claims.append(answer)
            continue
        claim = rng.choice(claims)
        if do < 0.5:
            await ledger.release(claim)
        elif do < 0.6:
            await ledger.mark_uncertain(claim, error="the answer was lost")
        elif do < 0.7:
            await ledger.place(claim.call_key, f"job-{claim.call_key}")
        else:  # also once more, with a cost that was missing before, or another one
            end = CallEnd(rng.choice(STATES), cost=rng.choice(COSTS))
            await ledger.end(end, call_key=claim.call_key, job_id=f"job-{claim.call_key}")
        if turn % 10 == 0:
            for price in (Price(), Price(3, 0.9)):
                assert plain(await shown(ledger, price)) == plain(await counted(ledger, price))
    before = await kept(ledger)
    assert before
    await ledger._transact(rebuild)  # noqa: SLF001
    assert await kept(ledger) == before


async def test_an_end_that_comes_twice_is_summed_once(ledger: Ledger) -> None:
    claim = await ledger.claim(ask(1))
    assert isinstance(claim, Claim)
    for cost in (None, 0.5, 0.7):
        await ledger.end(CallEnd(AttemptState.COMPLETED, cost=cost), call_key=claim.call_key, job_id="job")
    [(campaign, run_id, kind, talked, reserved, calls, cost)] = await kept(ledger)
    assert (campaign, run_id, kind, talked, reserved, calls, cost) == ("c", "run", "priced", False, 0.0, 1, 0.5)


async def test_a_claim_of_a_large_campaign_reads_no_more_than_one_of_a_small_one(ledger: Ledger) -> None:
    """Ended calls are read as sums: however many there are, as many rows as runs and kinds of them."""
    for number in range(60):
        claim = await ledger.claim(ask(number, limits=LIMITS))
        assert isinstance(claim, Claim), claim
        await ledger.end(CallEnd(AttemptState.COMPLETED, cost=0.25), call_key=claim.call_key, job_id=f"job-{number}")
    waited_for = ledger.now() - timedelta(hours=1)

    async def rows(connection: Any) -> int:
        asked = {"campaign": "c", "waited_for": waited_for}
        return len((await connection.execute(spending._ASKED, asked)).all())  # noqa: SLF001

    assert await ledger._transact(rows) == 1  # noqa: SLF001
