"""No call at a wrong time: each minute's answer is compared with the rules as they were written down by hand.

The suite tries a sample; `make test-all` each rule at every clock change of an eighth of the zones, another eighth for
the next rule, until the end of 2028, minute by minute, and two years of the zone where the rule is at home.
`HYPOTHESIS_PROFILE=thorough` tries each rule in every zone.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import settings

from campaign.buckets import Bucket
from campaign.intake import CallTerms, Recipient
from campaign.rules.decision import decide
from campaign.rules.policy import Policy
from campaign.rules.rules import Go, Never, NotNow
from tests.campaign.rules.written_rules import BEGIN, CASES, END, Case, clock_changes

HOUR = 3600
NO_PLACES = {"localtime", "Factory", "posixrules"}
SEED = 20261127

WHOLE = settings().max_examples > 1000
"""Whether there is a night's time."""

SHARES = 1 if WHOLE else 8
"""One of so many shares of the zones is tried with a rule."""


RULES = {case.name: Policy(**case.policy).resolved() for case in CASES}


def answer(case: Case, zones: Sequence[str], moment: float) -> Go | NotNow:
    """What the project says."""
    said = decide(
        recipient=Recipient(
            id="c",
            phone="+12125550100",
            zones=tuple(zones),
            country=case.country,
            terms=CallTerms(case.part, case.named),
        ),
        history=(),
        campaign="c",
        run_id="r",
        rules=RULES[case.name],
        at=datetime.fromtimestamp(moment, UTC),
    )
    if isinstance(said, Never) and said.bucket is Bucket.UNKNOWN_TIME_ZONE and len(zones) > 1:
        return NotNow(Bucket.DEFERRED, said.reason, None)  # no moment suits all of its zones
    assert isinstance(said, Go | NotNow), (case.name, zones, said)
    return said


def attack(case: Case, zones: Sequence[str], moments: Iterable[int]) -> int:
    """Compare the answers at moments in order; returns at how many."""
    count, promised = 0, None
    for moment in moments:
        count += 1
        may = all(case.is_open(moment, zone) for zone in zones)
        said = answer(case, zones, moment)
        if isinstance(said, Go) is not may:
            pytest.fail(f"{case.name} in {zones} at {datetime.fromtimestamp(moment, UTC)}: {said}, and it is {may}")
        if isinstance(said, Go):
            if promised is not None and moment < promised:
                pytest.fail(f"{case.name} in {zones}: open at {moment}, and it had said {promised}")
            promised = None
        elif said.until is not None:
            assert said.bucket is Bucket.DEFERRED
            until = int(said.until.timestamp())
            if until != promised:
                first = all(case.is_open(until, zone) for zone in zones) and not all(
                    case.is_open(until - 60, zone) for zone in zones
                )
                if not first or until <= moment:
                    pytest.fail(f"{case.name} in {zones} at {moment}: it opens at {until} by its word, and does not")
                promised = until
    return count


@cache
def changes() -> dict[str, tuple[int, ...]]:
    return {zone: tuple(clock_changes(zone)) for zone in sorted(available_timezones() - NO_PLACES)}


@cache
def zones_by_changes() -> tuple[tuple[str, ...], ...]:
    """Zones whose clocks are changed at the same moments and show the same: what holds of one holds of its aliases."""
    alike: dict[object, list[str]] = {}
    for zone, moments in changes().items():
        shown = tuple(
            str(datetime.fromtimestamp(each + shift, UTC).astimezone(ZoneInfo(zone)))
            for each in (int(BEGIN.timestamp()), *moments)
            for shift in (-HOUR, HOUR)
        )
        alike.setdefault(shown, []).append(zone)
    return tuple(tuple(zones) for zones in alike.values())


def around(change: int, hours: int, step: int = 60) -> range:
    return range(change - hours * HOUR, change + hours * HOUR, step)


def every_minute(change: int) -> list[int]:
    """Each minute of the night in which clocks are changed; five hours off, each fifth and the one before it."""
    wider = around(change, 44, 300)
    return sorted({*around(change, 5), *wider, *(moment - 60 for moment in wider)})


def half_hours() -> Iterator[int]:
    """Each half hour of two years and the minute before it; in a night, the minute after it too."""
    for half in range(int(BEGIN.timestamp()), int(END.timestamp()), 1800):
        yield from (half, half + 60, half + 1740) if WHOLE else (half, half + 1740)


def together(rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Numbers that may be in several zones."""
    yield ("America/Anchorage", "America/Adak")
    yield ("Australia/Perth", "Australia/Adelaide", "Australia/Lord_Howe", "Australia/Sydney")
    yield ("Europe/London", "Europe/Isle_of_Man", "Europe/Jersey")
    names = sorted(changes())
    for size in (2, 2, 3):
        yield tuple(rng.sample(names, size))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_sample_of_minutes_is_answered_as_the_rules_say(case: Case) -> None:
    rng = random.Random(f"{SEED}{case.name}")
    zones = rng.sample([zones[0] for zones in zones_by_changes()], 6)
    count = sum(
        attack(case, [zone], sorted({*around(change, 1, 300), *rng.sample(around(change, 30), 30)}))
        for zone in (case.home, *zones)
        for change in changes()[zone][:3]
    )
    moments = rng.sample(range(int(BEGIN.timestamp()), int(END.timestamp()), 60), 600)
    count += attack(case, [case.home], sorted(moments))
    for several in together(rng):
        count += attack(case, several, sorted(moments[:40]))
    assert count > 800


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_window_is_open_to_its_last_moment_and_not_before_its_first(case: Case) -> None:
    rng = random.Random(SEED)
    for moment in rng.sample(range(int(BEGIN.timestamp()), int(END.timestamp()), 60), 50):
        said = answer(case, [case.home], moment)
        if isinstance(said, NotNow):
            assert said.until is not None
            opens = said.until.timestamp()
            assert isinstance(answer(case, [case.home], opens), Go)
            assert isinstance(answer(case, [case.home], opens - 0.001), NotNow)


@pytest.mark.thorough
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_minute_around_every_clock_change_of_every_zone_is_answered_as_the_rules_say(case: Case) -> None:
    rng, count = random.Random(SEED), 0
    for zone, *aliases in zones_by_changes()[CASES.index(case) % SHARES :: SHARES]:
        for change in changes()[zone]:
            count += attack(case, [zone], every_minute(change))
            for alias in aliases:
                count += attack(case, [alias], sorted({*around(change, 1, 600), *rng.sample(around(change, 26), 8)}))
    count += attack(case, [case.home], half_hours())
    for several in (each for _ in range(3 if WHOLE else 1) for each in together(rng)):
        count += attack(
            case, several, sorted(rng.sample(range(int(BEGIN.timestamp()), int(END.timestamp()), 60), 3000))
        )
    assert count > (100_000 if WHOLE else 70_000) + 350_000 // (2 * SHARES)
