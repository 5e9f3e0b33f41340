"""What processes do in the races for each promise about people, money and hours: see `test_races_by_promise.py`."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from campaign.attempts import AttemptState, Claim
from campaign.dialing.claiming import Claimant, claim_request
from campaign.intake import CallTerms, PeopleShown, Recipient
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.reporting.results import Batch
from campaign.rules.policy import DialSettings, Policy
from campaign.rules.policy.places import PlaceRules, with_places
from campaign.rules.rules import Cap, Rules
from sandbox import ManualClock, Sandbox, Scenario
from tests.campaign.campaign_world import CampaignWorld, people

PEOPLE = 24
"""How many people are fought for."""

SHOWN = people(PEOPLE)
NEW = people(PEOPLE, start=PEOPLE)

CLOSES = datetime(2026, 11, 3, 18, 0, tzinfo=UTC)
"""When the hours for calling are over in London."""


def capped(calls: int) -> Rules:
    """So many calls in a week to a number, and to a person about one debt; to people in Scotland one a day."""
    week = timedelta(days=7)
    rules = replace(
        Policy(preset="unrestricted", max_attempts=9).resolved(),
        caps=(Cap(calls, week),),
        caps_per_debt=frozenset({week}),
    )
    return with_places(rules, {}, [PlaceRules(place="GB-SCT", per_24_hours=1)])


def _world(url: str, racer: int, scenario: Scenario) -> CampaignWorld:
    """A dialer's world on the shared ledger, with a Hamsa of its own whose ids are its own."""
    world = CampaignWorld(path=Path("unused"), url=url)
    world.sandbox = Sandbox(seed=racer, clock=world.clock, scenario=scenario)
    return world


def _rung(world: CampaignWorld, whom: Sequence[Recipient]) -> list[str]:
    return [person.id for person in whom for _ in world.sandbox.calls(person.phone)]


async def dial_what_was_approved(url: str, racer: int, *, seed: int) -> list[str]:
    """Dial one approved run, of which each process has another list: some who were shown and some who came since."""
    rng = random.Random(seed * 100 + racer)
    world = _world(url, racer, Scenario(magic_numbers=False))
    everybody = [*rng.sample(SHOWN, PEOPLE - 4), *rng.sample(NEW, 12)]
    rng.shuffle(everybody)

    async def run() -> None:
        async with world.dialer(run_id="one", policy=Policy(preset="unrestricted", lines=4)) as dialer:
            asked = await dialer._ledger.last_approval("c", "one")  # noqa: SLF001
            assert asked is not None
            assert asked.at_most is not None
            # What is asked for another run meanwhile changes nothing for this one.
            other = replace(asked, run_id=f"two-{racer}", at_most=PEOPLE, recipients=PeopleShown("c").as_bytes())
            await dialer._ledger.keep_question(other)  # noqa: SLF001
            dialer.approve(PeopleShown("c", asked.recipients or b""), at_most=asked.at_most, cost=asked.cost)
            await dialer.run(Batch(1, everybody))

    await world.drive(run())
    return _rung(world, [*SHOWN, *NEW])


async def send_a_canary_first(url: str, racer: int, *, seed: int) -> list[str]:
    """Dial everybody in a run of its own whose first three calls go ahead, at a Hamsa that loses each answer."""
    return await _dial_in_vain(
        url, racer, Policy(preset="unrestricted", lines=8, canary=3, stop_after_uncertain=99), seed
    )


async def trip_the_breaker(url: str, racer: int, *, seed: int) -> list[str]:
    """Dial everybody in a run of its own that stops after four uncertain calls, at a Hamsa that loses each answer."""
    return await _dial_in_vain(url, racer, Policy(preset="unrestricted", lines=8, stop_after_uncertain=4), seed)


async def _dial_in_vain(url: str, racer: int, policy: Policy, seed: int) -> list[str]:
    rng = random.Random(seed * 100 + racer)
    chances: list[dict[str, Any]] = [
        {"lost_answer": 1.0},
        {"lost_request": 1.0},
        {"lost_answer": 0.5, "lost_request": 0.5},
    ]
    lost = rng.choice(chances)
    world = _world(url, racer, Scenario(magic_numbers=False, reads_lost=1.0, **lost))
    settings = DialSettings.of(policy)
    await world.dial(rng.sample(SHOWN, PEOPLE), policy=policy, settings=settings, run_id=f"run-{racer}")
    async with Ledger(url, clock=world.clock) as ledger:
        return [row.recipient_id for row in await ledger.attempts(campaign="c", run_id=f"run-{racer}")]


async def say_no(url: str, racer: int, *, seed: int) -> list[tuple[str, str, float]]:
    """Call people for campaigns of its own, at two numbers each; some say no, in one field or in another.

    Returns:
        What happened, with whom and when: `no` as soon as it was written, `claimed` from before it was asked for.
    """
    rng = random.Random(seed * 100 + racer)
    happened: list[tuple[str, str, float]] = []
    fields = ("wants_no_more_calls",) if racer else ("wants_no_more_calls", "refused.contact")
    rules = replace(Policy(preset="unrestricted").resolved(), opt_out_fields=fields)

    async with Ledger(url) as ledger:

        async def call(number: int, turn: int) -> None:
            person = f"r{number}"
            at = SHOWN[number] if rng.random() < 0.5 else NEW[number]
            whom = at.model_copy(update={"id": f"{person}-{racer}-{turn}", "person": person})
            asked_at = time.time()
            answer = await ledger.claim(_request(whom, f"c-{racer}-{turn}", rules))
            if not isinstance(answer, Claim):
                return
            happened.append(("claimed", person, asked_at))
            no = rng.random() < 0.3
            noes: list[dict[str, Any]] = [{"wantsNoMoreCalls": "Ja"}, {"refused": {"contact": "نعم"}}]
            outcome = rng.choice(noes) if no else {"x": 1}
            end = CallEnd(AttemptState.COMPLETED, outcome=outcome)
            await ledger.end(end, call_key=answer.call_key, job_id=f"job-{answer.call_key}")
            if no and "wantsNoMoreCalls" in outcome:
                happened.append(("no", person, time.time()))
            elif no:
                happened.append(("no, by the other's field", person, time.time()))

        for turn in range(3):
            await asyncio.gather(*[call(number, turn) for number in rng.sample(range(PEOPLE), PEOPLE)])
    return happened


async def call_people_about_debts(url: str, racer: int, *, seed: int) -> list[str]:
    """Call people at two numbers each, about two debts each, for campaigns of its own, under caps."""
    rng = random.Random(seed * 100 + racer)
    rules, keys = capped(2), list[str]()

    async with Ledger(url) as ledger:

        async def call(number: int, turn: int) -> None:
            at = rng.choice([SHOWN, NEW])[number]
            name, terms = f"{number}-{racer}-{turn}", CallTerms("SCT" if number % 3 == 0 else "ENG")
            facts = {"id": name, "person": f"r{number}", "debt": rng.choice(["A", "B"]), "terms": terms}
            answer = await ledger.claim(_request(at.model_copy(update=facts), f"c-{racer}-{turn}", rules))
            if isinstance(answer, Claim):
                keys.append(answer.call_key)
                end = CallEnd(AttemptState.NO_ANSWER)
                await ledger.end(end, call_key=answer.call_key, job_id=f"job-{answer.call_key}")

        for turn in range(4):
            await asyncio.gather(*[call(number, turn) for number in rng.sample(range(PEOPLE), PEOPLE)])
    return keys


async def call_until_the_hours_are_over(url: str, racer: int, *, seed: int) -> list[float]:
    """Claim people one after the other while the last seconds of the day pass. Returns when each was asked for."""
    rng, clock = random.Random(seed * 100 + racer), ManualClock(CLOSES - timedelta(seconds=10))
    rules, asked = Policy().resolved(), list[float]()
    async with Ledger(url, clock=clock) as ledger:
        for person in rng.sample(SHOWN, PEOPLE):
            clock.advance(rng.random() * 1.5)
            whom = person.model_copy(
                update={"id": f"{person.id}-{racer}", "phone": f"+44207946{200 * racer + person.row:04}"}
            )
            answer = await ledger.claim(_request(whom, "c", rules))
            if isinstance(answer, Claim):
                asked.append(clock.now().timestamp())
    return asked


def _request(whom: Recipient, campaign: str, rules: Rules) -> Any:
    return claim_request(
        whom,
        Claimant(campaign=campaign, run_id=campaign, rules=rules, lease_seconds=90, account=None, agent_id="agent"),
    )
