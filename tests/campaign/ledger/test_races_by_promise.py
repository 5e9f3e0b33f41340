"""Each promise about approval, canary, refusals, people, hours and evidence, with several processes on one ledger.

Money and `max_calls`, and calls in flight, are raced in `test_races.py`. What processes do differs with the seed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import select

from campaign.attempts import COUNTS, Attempt, AttemptState
from campaign.intake import PeopleShown
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.ledger.notes.approvals import Approval
from campaign.ledger.schema import policies
from campaign.rules.policy import Policy
from tests.campaign.ledger import racing_rules
from tests.campaign.ledger.asking import claimed
from tests.campaign.ledger.racers import RACERS
from tests.campaign.ledger.racing_rules import CLOSES, PEOPLE, SHOWN

pytestmark = pytest.mark.processes

MOST = 5 if settings().max_examples > 1000 else 1
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 1 + MOST))]
Race = Callable[[Any], list[Any]]


async def rows_of(url: str) -> list[Attempt]:
    async with Ledger(url) as ledger:
        return [row for row in await ledger.attempts() if row.state in COUNTS]


@pytest.mark.parametrize("seed", SEEDS)
async def test_2_an_approved_run_calls_those_who_were_shown_and_no_more(race: Race, ledger_url: str, seed: int) -> None:
    shown = PeopleShown("c")
    shown.add(SHOWN)
    async with Ledger(ledger_url) as ledger:
        for number in range(5):  # what a call costs is known
            claim = await claimed(ledger, 900 + number, campaign="earlier", agent_id="agent-plain")
            end = CallEnd(AttemptState.COMPLETED, cost=1.0)
            await ledger.end(end, call_key=claim.call_key, job_id=f"earlier-{number}")
        asked = Approval("c", "one", ledger.now(), PEOPLE, 12.0, shown.fingerprint, shown.as_bytes())
        await ledger.keep_question(asked)
        at_most = 9 if seed % 2 else 20
        await ledger.keep_answer(replace(asked, answered_at=ledger.now(), decision="approve", at_most=at_most))
    rung = [person for got in race(partial(racing_rules.dial_what_was_approved, seed=seed)) for person in got]
    assert set(rung) <= {person.id for person in SHOWN}
    assert max(Counter(rung).values()) == 1
    # Twelve calls at the price that was shown, however many people were approved.
    assert len(rung) == 9 if seed % 2 else 9 <= len(rung) <= 20
    calls = [row for row in await rows_of(ledger_url) if row.campaign == "c"]
    assert sorted(row.recipient_id for row in calls) == sorted(rung)
    assert sum(1.0 if row.cost is None else row.cost for row in calls) <= 12.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("how", "most"), [("send_a_canary_first", 3), ("trip_the_breaker", 4)])
async def test_3_no_run_goes_on_when_its_first_calls_did_not_end_well(
    race: Race, ledger_url: str, how: str, most: int, seed: int
) -> None:
    got = race(partial(getattr(racing_rules, how), seed=seed))
    for called in got:
        assert 1 <= len(called) <= most
    everybody = [person for called in got for person in called]
    assert len(everybody) == len(set(everybody))
    assert {row.state for row in await rows_of(ledger_url)} == {AttemptState.UNCERTAIN}


@pytest.mark.parametrize("seed", SEEDS)
async def test_4_whoever_said_no_is_called_by_nobody_from_then_on(race: Race, ledger_url: str, seed: int) -> None:
    happened = [each for got in race(partial(racing_rules.say_no, seed=seed)) for each in got]
    first_no: dict[str, float] = {}
    for what, person, at in happened:
        if what == "no":
            first_no[person] = min(at, first_no.get(person, at))
    assert first_no
    for what, person, at in happened:
        if what == "claimed":
            assert at <= first_no.get(person, at), f"{person} was called again after a no"
    said = {person for what, person, _ in happened if what != "claimed"}
    async with Ledger(ledger_url) as ledger:
        barred = {each.person for each in await ledger.opt_outs([], sorted(said))}
    assert barred == said, "also by the field that one of the processes alone has named"


@pytest.mark.parametrize("seed", SEEDS)
async def test_6_to_9_caps_hold_for_people_debts_and_places_and_each_claim_says_by_what_it_was_allowed(
    race: Race, ledger_url: str, seed: int
) -> None:
    keys = [key for got in race(partial(racing_rules.call_people_about_debts, seed=seed)) for key in got]
    rows = await rows_of(ledger_url)
    assert sorted(keys) == sorted(row.call_key for row in rows)
    assert len(rows) > PEOPLE
    whom: defaultdict[tuple[str | None, ...], list[Attempt]] = defaultdict(list)
    for row in rows:
        assert row.decided_by is not None
        whom[row.person, row.debt].append(row)
        whom[row.phone, row.debt].append(row)
        if row.decided_by["part_of_country"] == "GB-SCT":
            whom[row.person,].append(row)
            whom[row.phone,].append(row)
    for about, calls in whom.items():
        assert len(calls) <= (2 if len(about) == 2 else 1), about
    async with Ledger(ledger_url) as ledger:
        noted = await ledger._database.fetch(select(policies.c.policy))  # noqa: SLF001
    assert {row.policy for row in rows} == {policy for (policy,) in noted}
    for row in rows:  # the counts that it was allowed by are those of the calls that were claimed before
        assert row.decided_by is not None
        before = [each for each in rows if each.claimed_at < row.claimed_at]
        counts = row.decided_by["calls_in_7_days"]
        assert counts["person"] >= sum(each.person == row.person for each in before)
        assert counts["number"] >= sum(each.phone == row.phone for each in before)
        same = [each for each in rows if each.claimed_at <= row.claimed_at and each.call_key != row.call_key]
        assert counts["person"] <= sum(each.person == row.person for each in same)
        assert counts["most"] == 2


@pytest.mark.parametrize("seed", SEEDS)
async def test_7_nobody_is_claimed_once_the_hours_are_over(race: Race, ledger_url: str, seed: int) -> None:
    got = race(partial(racing_rules.call_until_the_hours_are_over, seed=seed))
    asked = [at for times in got for at in times]
    assert len(asked) >= RACERS
    assert max(asked) < CLOSES.timestamp()
    rows = await rows_of(ledger_url)
    assert len(rows) == len(asked)
    assert max(row.claimed_at for row in rows) < CLOSES
    assert min(row.claimed_at for row in rows) >= CLOSES - timedelta(seconds=10)
    assert {row.policy for row in rows} == {Policy().resolved().version}
