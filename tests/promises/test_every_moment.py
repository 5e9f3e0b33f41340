"""A run that ends at any moment, killed or cancelled, leaves a ledger from which the next one goes on."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sandbox import Scenario
from tests.promises.world import World

FAULTS = ("lost_answer", "error_after", "error_before", "rate_limited_after", "refused_after", "rate_limited")
"""What the calls of the run meet, whichever asks first."""

STEP = 90 if settings().max_examples <= 100 else max(1, 3000 // settings().max_examples)
"""Of all the moments at which a run may end, every so many-th is tried: each 90th, by `make test-all` each 25th."""


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator["Worlds"]:
    worlds = Worlds(tmp_path)
    yield worlds
    worlds.close()


class Worlds:
    """Makes one world after the other, each like the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._present: World | None = None

    def next(self) -> World:
        self.close()
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        self._present = World(folder, Scenario(magic_numbers=False, slow_seconds=40))
        self._present.sandbox.fail_next(*FAULTS)
        return self._present

    def close(self) -> None:
        if self._present is not None:
            self._present.close()
            self._present = None


def effects_of_a_run(worlds: Worlds) -> int:
    """How many effects a whole run has, from the opening of the ledger to its end."""
    world = worlds.next()
    run = world.begin_run("c", [0, 1, 2, 3], seed=1)
    world.run_for(3000)
    assert run.results is not None
    return run.process.effects


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_run_killed_at_any_instruction_calls_nobody_twice_and_loses_nobody(worlds: Worlds, before: bool) -> None:
    kill_at_any_instruction(worlds, before=before)


def kill_at_any_instruction(worlds: Worlds, *, before: bool) -> None:
    """Kill a run just before, or just after, each of its effects; go on; and see that the promises hold."""
    last = effects_of_a_run(worlds)
    assert last > 50
    for moment in range(1 + (0 if before else STEP // 2), last + 1, STEP):
        world = worlds.next()
        run = world.begin_run("c", [0, 1, 2, 3], seed=1, dies_at=moment, dies_before=before)
        world.run_for(3000)
        assert run.process.ended
        world.check()
        world.finish(rounds=3)


def test_a_run_cancelled_at_any_instruction_dials_no_more_and_orphans_no_claim(worlds: Worlds) -> None:
    last = effects_of_a_run(worlds)
    for moment in range(1, last + 1, STEP):
        world = worlds.next()
        run = world.begin_run("c", [0, 1, 2, 3], seed=1, cancelled_at=moment)
        world.run_for(3000)
        assert run.process.ended
        assert "claimed" not in {row["state"] for row in world.rows()}
        world.check()
        world.finish(rounds=3)


def test_cancellation_stops_dialing_at_once_and_leaves_what_rings_to_be_settled(worlds: Worlds) -> None:
    world = worlds.next()
    world.heal()
    run = world.begin_run("c", range(20), seed=1)
    world.run_for(30)
    rang = len(world.calls())
    assert 0 < rang < 20
    world.cancel(run.process)
    world.run_for(5)
    assert run.process.ended
    assert len(world.calls()) == rang
    assert Counter(row["state"] for row in world.rows()).keys() <= {"placed", "uncertain", "released", "completed"}
    world.finish(rounds=2)
    assert len({call["number"] for call in world.calls()}) == 20
