"""A Hamsa that tells of its calls whatever it likes: in every such world at most one ring per attempt, and a word.

Each world is drawn at random: any lies of the sandbox combined, faults, a crash, and time. The ordinary suite lives
through a few dozen of them, `HYPOTHESIS_PROFILE=thorough` through a thousand (see docs/reference/sandbox.md).
"""

import logging
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sandbox import Scenario
from sandbox.scenario.drawn_lies import LIES
from sandbox.scenario.lies import Lies
from tests.promises.world import AGENT, World, person

THOROUGH = settings().max_examples > 1000
WORLDS = 1000 if THOROUGH else 40

CUSTOMERS = range(8)
MANUAL = 90
"""Of this customer somebody plants calls from the dashboard, beside those of the campaign's."""

RINGS_UNKNOWN = (
    "lost_answer",
    "error_after",
    "html_504",
    "late_ring",
    "unreadable",
    "no_id",
    "says_no_after",
    "nobodys_id_after",
    "redirect_after",
)
NO_RING = ("error_before", "lost_request", "says_no", "nobodys_id", "redirect", "html_502", "rate_limited", "refused")


@dataclass(frozen=True)
class Plan:
    """One world: how its Hamsa lies, what its requests meet, and what happens."""

    lies: dict[str, Any] = field(default_factory=dict)
    later_lies: dict[str, Any] | None = None
    scenario: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    dies_at: int | None = None
    rounds: tuple[int, ...] = (1800, 1800, 1800)
    by_hand: tuple[int, ...] = ()
    seed: int = 0


def live_through(world: World, plan: Plan) -> None:
    """Let happen what is planned, and check on the way."""
    world.sandbox.fail_next(*plan.faults)
    for ago in plan.by_hand:
        world.run_for(1)
        world.sandbox.plant_call(
            person(MANUAL, "").phone, voice_agent_id=AGENT, created=world.clock.now().timestamp() - ago
        )
    world.begin_run("c", CUSTOMERS, seed=plan.seed, dies_at=plan.dies_at)
    world.run_for(400)
    world.check_rings()
    for number, seconds in enumerate(plan.rounds):
        if number == 1 and plan.later_lies is not None:
            world.sandbox.change(lies=plan.later_lies)
        world.begin_settling(seed=plan.seed + number)
        world.run_for(seconds)
        world.check_rings()
        world.begin_run("c", CUSTOMERS, seed=plan.seed + number)
        world.run_for(1200)
        world.check_rings()
    for run in world.runs:
        world.run_for(0 if run.process.ended else 7200)
    world.check_rings()
    world.check_told()


def or_not(strategy: st.SearchStrategy[Any], default: Any) -> st.SearchStrategy[Any]:
    """Mostly as documented: a world in which everything lies proves nothing to anybody."""
    return st.one_of(st.just(default), st.just(default), st.just(default), strategy)


def drawn_lies() -> st.SearchStrategy[dict[str, Any]]:
    """Lies of any kind and in any combination."""
    honest = Lies().model_dump(mode="json")
    return st.fixed_dictionaries({name: or_not(st.sampled_from(LIES[name]), honest[name]) for name in LIES})


def drawn_plans() -> st.SearchStrategy[Plan]:
    """Worlds."""
    scenario = st.fixed_dictionaries(
        {
            "list_lag_seconds": or_not(st.sampled_from([5, 120, 900, 5000]), 0),
            "clock_skew_seconds": or_not(st.integers(-7200, 7200), 0),
            "list_order": st.sampled_from(["newest", "oldest", "random"]),
            "list_numbers": or_not(st.sampled_from(["mixed", "national", "without_plus"]), "e164"),
            "never_ends": or_not(st.sampled_from([0.3, 1.0]), 0.0),
        }
    )
    faults = st.lists(st.one_of(st.just("ok"), st.sampled_from(RINGS_UNKNOWN), st.sampled_from(NO_RING)), max_size=8)
    return st.builds(
        Plan,
        lies=drawn_lies(),
        later_lies=or_not(drawn_lies(), None),
        scenario=scenario,
        faults=faults.map(tuple),
        dies_at=st.one_of(st.none(), st.integers(1, 60)),
        rounds=st.lists(st.sampled_from([60, 900, 1800, 7200]), min_size=2, max_size=4).map(tuple),
        by_hand=or_not(st.lists(st.integers(0, 300), max_size=2).map(tuple), ()),
        seed=st.integers(0, 1000),
    )


def one_world(plan: Plan) -> None:
    """Live through it in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="hamsa-lies-"))
    logging.disable()
    lies = Lies.model_validate(plan.lies)
    world = World(folder, Scenario(magic_numbers=False, slow_seconds=40, opt_outs=0.0, lies=lies, **plan.scenario))
    try:
        live_through(world, plan)
    finally:
        world.close()
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder)


@settings(max_examples=WORLDS, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(plan=drawn_plans())
def test_in_every_world_at_most_one_ring_per_attempt_and_nobody_is_lost_without_a_word(plan: Plan) -> None:
    one_world(plan)


HALF = ("ok", "lost_answer") * 4

MEASURED = {
    "dates only": Plan(lies={"list_times": "date"}, faults=HALF),
    "key late": Plan(lies={"record_key": "late"}, scenario={"never_ends": 0.5}, faults=HALF),
    "filtered counts the page": Plan(
        lies={"list_counts": "page", "list_page_rows": 4}, scenario={"list_order": "oldest"}, faults=HALF
    ),
}


@pytest.mark.parametrize("plan", MEASURED.values(), ids=MEASURED)
def test_worlds_in_which_phones_rang_twice_once(plan: Plan) -> None:
    one_world(plan)
