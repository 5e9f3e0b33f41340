"""Lives are drawn from tables: always to an end, in order, and the same for the same seed."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamsa.models import FINAL_STATUSES, JobStatus
from sandbox import Dwell, ManualClock, Sandbox, Scenario
from sandbox.calls.lives import DWELLS, SHOWN_AS, TRANSITIONS, Course, Phase, Step, check_transitions, draw_life
from tests.sandbox.asking import fictional

COURSE = Course(TRANSITIONS, DWELLS)
seeds = st.integers(0, 2**64)


@given(seeds, st.floats(0.01, 10_000), st.sampled_from([None, *Phase]))
def test_every_life_runs_forward_along_the_table_to_a_final_phase(
    seed: int, speed: float, through: Phase | None
) -> None:
    life = draw_life(random.Random(seed), Course(TRANSITIONS, DWELLS, speed), 1000.0, through=through)
    assert life.begins[0] == 1000.0
    assert list(life.begins) == sorted(life.begins)
    for before, after in zip(life.phases, life.phases[1:], strict=False):
        assert after in {step.to for step in TRANSITIONS[before]}
    assert SHOWN_AS[life.phases[-1]] in FINAL_STATUSES
    assert life.status_at(life.ends_at) in FINAL_STATUSES
    assert life.status_at(999.0) == JobStatus.PENDING
    if through is not None:
        assert through in life.phases


@given(seeds, st.floats(0, 5000))
def test_the_phase_at_a_moment_is_the_last_that_has_begun(seed: int, passed: float) -> None:
    life = draw_life(random.Random(seed), COURSE, 0.0)
    begun = [phase for phase, begin in zip(life.phases, life.begins, strict=True) if begin <= passed]
    assert life.phase_at(passed) == begun[-1]


@given(seeds)
def test_speed_shortens_a_life_and_changes_nothing_else(seed: int) -> None:
    slow = draw_life(random.Random(seed), COURSE, 0.0)
    fast = draw_life(random.Random(seed), Course(TRANSITIONS, DWELLS, 60), 0.0)
    assert fast.phases == slow.phases
    assert fast.talk_seconds == slow.talk_seconds
    assert fast.ends_at == pytest.approx(slow.ends_at / 60)


@given(seeds, st.sampled_from(list(Phase)))
def test_how_a_call_ends_does_not_depend_on_how_long_calls_are(seed: int, through: Phase) -> None:
    dwells = {name: Dwell(mean_seconds=0) for name in DWELLS}
    instant = draw_life(random.Random(seed), Course(TRANSITIONS, dwells), 0.0, through=through)
    assert instant.phases == draw_life(random.Random(seed), COURSE, 0.0, through=through).phases
    assert instant.ends_at == 0.0


def test_lengths_are_log_normal_around_their_mean() -> None:
    chance = random.Random(7)
    drawn = [Dwell(mean_seconds=90, sigma=0.6).draw(chance) for _ in range(20_000)]
    assert statistics.mean(drawn) == pytest.approx(90, rel=0.03)
    assert statistics.median(drawn) == pytest.approx(90 * 2.718281828 ** (-(0.6**2) / 2), rel=0.03)
    assert {Dwell(mean_seconds=12).draw(chance) for _ in range(10)} == {12}


def test_a_life_that_is_held_never_ends() -> None:
    life = draw_life(random.Random(1), COURSE, 0.0, through=Phase.COMPLETED)
    held = life.held_in(Phase.TALKING)
    assert held.status_at(1e12) == JobStatus.IN_PROGRESS
    unanswered = draw_life(random.Random(1), COURSE, 0.0, through=Phase.NO_ANSWER)
    assert unanswered.held_in(Phase.TALKING) is unanswered


@pytest.mark.parametrize(
    ("transitions", "message"),
    [
        ({Phase.QUEUED: (Step(to=Phase.RINGING, weight=1, dwell="lunch"),)}, "no dwell named 'lunch'"),
        (
            {
                Phase.QUEUED: (Step(to=Phase.RINGING, weight=1, dwell="queue"),),
                Phase.RINGING: (Step(to=Phase.QUEUED, weight=1, dwell="queue"),),
            },
            "a life must come to an end",
        ),
        ({Phase.QUEUED: (Step(to=Phase.RINGING, weight=1, dwell="queue"),)}, "end in ringing, which is not final"),
    ],
)
def test_tables_by_which_a_life_would_not_end_are_refused(
    transitions: dict[Phase, tuple[Step, ...]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_transitions(transitions, DWELLS)


def fates(seed: int, numbers: list[str]) -> dict[str, list[tuple[object, ...]]]:
    """How a call to each of these numbers goes, in this order."""
    clock = ManualClock()
    sandbox = Sandbox(seed=seed, clock=clock, scenario=Scenario(never_ends=0.1))
    shown: dict[str, list[tuple[object, ...]]] = {}
    for number in numbers:
        sandbox.plant_call(number)
    clock.advance(1_000_000)
    for call in sandbox.calls():
        fate = tuple(call[name] for name in ("status", "talk_seconds", "cost", "outcome", "never_ends"))
        shown.setdefault(call["number"], []).append(fate)
    return shown


@given(st.randoms(use_true_random=False), st.integers(0, 1000))
def test_the_order_of_arrival_does_not_change_a_numbers_fate(shuffler: random.Random, seed: int) -> None:
    numbers = [fictional(ordinal) for ordinal in range(12)] * 2
    shuffled = list(numbers)
    shuffler.shuffle(shuffled)
    assert fates(seed, numbers) == fates(seed, shuffled)


def test_another_seed_is_another_day() -> None:
    numbers = [fictional(ordinal) for ordinal in range(30)]
    assert fates(1, numbers) != fates(2, numbers)
    assert len({str(fate) for fate in fates(1, [numbers[0]] * 10)[numbers[0]]}) > 1
