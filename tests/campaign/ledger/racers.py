"""What processes do in the races for claims: each function runs in several of them at once, on one ledger.

Run as a program it claims and places until somebody kills it, and prints what the ledger has promised it:
`python -m tests.campaign.ledger.racers URL FIRST`.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from typing import Any, TypeVar

from campaign.attempts import AttemptState, Claim
from campaign.errors import JobConflict
from campaign.ledger.claims.limits import LimitReached, Limits
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules.policy.policy import Policy
from tests.campaign.ledger.asking import ask, ask_by, up_to

T = TypeVar("T")

RACERS = 3
"""How many processes fight."""

NUMBERS = 60
"""How many customers are fought for."""

_together: Barrier


def begin(together: Barrier) -> None:
    """Set up a process of the race."""
    global _together  # noqa: PLW0603
    _together = together


def race(what: Callable[[str, int], Coroutine[Any, Any, T]], url: str, racer: int) -> T:
    """Run a part of a race, starting when all the others do."""
    _together.wait(timeout=120)
    return asyncio.run(what(url, racer))


def _shuffled(racer: int) -> list[int]:
    numbers = list(range(NUMBERS))
    random.Random(racer).shuffle(numbers)
    return numbers


def _own(racer: int) -> list[int]:
    """Customers that no other racer fights for: only a limit stands between them."""
    return [NUMBERS * racer + number for number in _shuffled(racer)]


async def open_and_claim_all(url: str, racer: int) -> list[str]:
    """Open a ledger that nobody has made yet, and claim every customer. Returns those it got."""
    async with Ledger(url) as ledger:
        answers = await asyncio.gather(*[ledger.claim(ask(number, run_id=f"{racer}")) for number in _shuffled(racer)])
    return [answer.recipient_id for answer in answers if isinstance(answer, Claim)]


async def claim_one_by_one(url: str, racer: int) -> list[str]:
    """Claim every customer by the rules of one attempt, each alone in its transaction."""
    got = []
    async with Ledger(url) as ledger:
        for number in range(NUMBERS):
            answer = await ledger.claim(ask(number, run_id=f"{racer}", decision=up_to(1)))
            if isinstance(answer, Claim):
                got.append(answer.recipient_id)
    return got


async def claim_under_a_cap(url: str, racer: int) -> list[str]:
    """Claim every customer for a campaign of its own, under a cap of one call to a number in 24 hours."""
    policy = Policy(preset="unrestricted", per_24_hours=1)
    async with Ledger(url) as ledger:
        answers = await asyncio.gather(
            *[ledger.claim(ask_by(policy, number, campaign=f"campaign-{racer}")) for number in _shuffled(racer)]
        )
    return [answer.phone for answer in answers if isinstance(answer, Claim)]


async def claim_the_same_people(url: str, racer: int) -> list[tuple[int, float]]:
    """Claim people whose numbers others call for them, too, under no cap at all, hold the line for a moment, and end.

    Returns:
        For each call that was placed: whose person and number, and when it began and ended.
    """
    calls: list[tuple[int, float]] = []

    async def call(ledger: Ledger, number: int) -> None:
        policy = Policy(preset="unrestricted", max_attempts=5)
        # Odd racers have the person at another number, even ones other people at the number.
        at, name = (number + NUMBERS, f"r{number}") if racer % 2 else (number, f"r{number}")
        for turn in range(3):
            request = replace(ask_by(policy, at, campaign=f"c-{racer}-{turn}"), recipient_id=name, person=name)
            answer = await ledger.claim(request)
            if not isinstance(answer, Claim):
                continue
            began = time.time()
            await ledger.place(answer.call_key, answer.call_key)
            await asyncio.sleep(0.01)
            calls.extend([(number, began), (number, time.time())])
            await ledger.end(CallEnd(AttemptState.NO_ANSWER), call_key=answer.call_key)

    async with Ledger(url) as ledger:
        await asyncio.gather(*[call(ledger, number) for number in _shuffled(racer)])
    return calls


async def claim_and_lose_again(url: str, racer: int) -> list[str]:
    """Claim, release, claim again, place: whoever places one, has it. Returns those it placed."""
    placed: list[str] = []

    async def strive(ledger: Ledger, number: int) -> None:
        for _ in range(4):
            answer = await ledger.claim(ask(number, run_id=f"{racer}"))
            if not isinstance(answer, Claim):
                continue
            if random.random() < 0.7:
                await ledger.release(answer)
            else:
                assert await ledger.place(answer.call_key, f"job-{number}-{racer}")
                placed.append(answer.call_key)

    async with Ledger(url) as ledger:
        await asyncio.gather(*[strive(ledger, number) for number in _shuffled(racer)])
    return placed


async def report_the_ends(url: str, racer: int) -> int:
    """Report the end of every placed call, and try to own every job. Returns how many ends were news."""
    async with Ledger(url) as ledger:
        rows = await ledger.attempts(states=[AttemptState.PLACED])
        random.Random(racer).shuffle(rows)
        end = CallEnd(AttemptState.NO_ANSWER)
        shown = await asyncio.gather(
            *[ledger.end(end, call_key=row.call_key) for row in rows[::2]],
            *[ledger.end(end, job_id=row.job_id) for row in rows[1::2]],
        )
    return sum(shown)


async def own_one_job(url: str, racer: int) -> int:
    """Note one and the same job on an attempt of its own. Returns how often that was news."""
    async with Ledger(url) as ledger:
        keys = [row.call_key for row in await ledger.attempts()]
        try:
            return int(await ledger.place(keys[racer], "the job"))
        except JobConflict:
            return 0


async def spend(url: str, racer: int) -> list[str]:
    """Call everybody in one campaign that may cost 20, at prices up to 1, until the ledger says that it is spent.

    Returns the keys that it got.
    """
    rng = random.Random(racer)
    keys: list[str] = []
    async with Ledger(url) as ledger:
        limits = Limits(max_cost=20.0, began_at=ledger.now())

        async def call(number: int) -> None:
            while isinstance(answer := await ledger.claim(ask(number, run_id=f"{racer}", limits=limits)), LimitReached):
                if not answer.may_wait:
                    return
                await asyncio.sleep(0.01)
            if not isinstance(answer, Claim):
                return
            keys.append(answer.call_key)
            await asyncio.sleep(rng.random() * 0.02)
            if rng.random() < 0.1:
                await ledger.mark_uncertain(answer, error="the answer was lost")
            elif rng.random() < 0.1:
                await ledger.release(answer)
                keys.remove(answer.call_key)
            else:
                end = CallEnd(AttemptState.COMPLETED, cost=rng.choice([0.3, 0.7, 1.0, 1.0]))
                await ledger.end(end, call_key=answer.call_key, job_id=f"job-{answer.call_key}")

        await asyncio.gather(*[call(number) for number in _own(racer)])
    return keys


async def look_for_a_price(url: str, racer: int) -> list[str]:
    """Claim everybody in one campaign whose cost is bounded, while nobody knows what a call costs."""
    return await _claim_all(url, racer, run_id=f"{racer}", max_cost=5.0)


async def share_max_calls(url: str, racer: int) -> list[str]:
    """Claim everybody in a run of its own, of which each may make 10 calls."""
    return await _claim_all(url, racer, run_id=f"{racer}", max_calls=10)


async def share_a_run(url: str, racer: int) -> list[str]:
    """Claim everybody in one and the same run, of which 10 calls were approved."""
    return await _claim_all(url, racer, run_id="one", approved_calls=10)


async def _claim_all(url: str, racer: int, *, run_id: str, **limits: Any) -> list[str]:
    async with Ledger(url) as ledger:
        bound = Limits(began_at=ledger.now(), **limits)
        answers = await asyncio.gather(
            *[ledger.claim(ask(number, run_id=run_id, limits=bound)) for number in _own(racer)]
        )
    return [answer.call_key for answer in answers if isinstance(answer, Claim)]


async def expire(url: str, racer: int) -> int:
    """Expire leases, while everybody else does it and reports the calls as placed."""
    async with Ledger(url) as ledger:
        rows = await ledger.attempts(states=[AttemptState.CLAIMED])
        expired, *_placed = await asyncio.gather(
            ledger.expire_leases(), *[ledger.place(row.call_key, f"job-{row.recipient_id}") for row in rows]
        )
    return expired


async def until_killed(url: str, first: int) -> None:
    """Claim and place forever; say of each what the ledger has confirmed."""
    said = os.fdopen(sys.stdout.fileno(), "w", buffering=1)

    async def call(ledger: Ledger, number: int) -> None:
        claim = await ledger.claim(ask(number, run_id=f"{first}"))
        assert isinstance(claim, Claim), claim
        said.write(f"claimed {claim.call_key}\n")
        if number % 3:
            await ledger.place(claim.call_key, f"job-{number}", record={"text": "x" * (number % 3000)})
            said.write(f"placed {claim.call_key}\n")

    async with Ledger(url) as ledger:
        said.write("open\n")
        deadline = time.monotonic() + 120  # nobody came
        while time.monotonic() < deadline:
            await asyncio.gather(*[call(ledger, first + number) for number in range(20)])
            first += 20


if __name__ == "__main__":
    asyncio.run(until_killed(sys.argv[1], int(sys.argv[2])))
