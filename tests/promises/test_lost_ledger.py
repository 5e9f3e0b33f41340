"""A ledger that cannot be written while people are called: no claim, so no call; the next run goes on."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Scenario
from tests.promises.world import DIAL, Run, World

CUSTOMERS = range(40)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, Scenario(magic_numbers=False))
    yield world
    world.close()


def full_disk(world: World, run: Run) -> Callable[[], Any]:
    """There is no room for anything new."""
    run.process.fill_disk()
    return lambda: None  # the next process finds room again


def lock(world: World, run: Run) -> Callable[[], Any]:
    """Another program writes to the file and does not come to an end."""
    other = sqlite3.connect(world.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def moved(world: World, run: Run) -> Callable[[], Any]:
    """The file is not where it was."""
    elsewhere = world.path.with_name("elsewhere.db")
    world.path.rename(elsewhere)
    return lambda: elsewhere.rename(world.path)


@pytest.mark.parametrize("trouble", [full_disk, lock, moved])
def test_without_a_ledger_nobody_more_is_called_and_the_next_run_goes_on(
    world: World, trouble: Callable[[World, Run], Callable[[], Any]]
) -> None:
    run = world.begin_run("c", CUSTOMERS, seed=3)
    world.run_for(200)
    rang = len(world.calls())
    assert 3 < rang < len(CUSTOMERS) - DIAL.lines
    fix = trouble(world, run)
    world.run_for(600)
    # Whoever had a claim already may still have been called; nobody got a new one.
    late = len(world.calls()) - rang
    assert late <= DIAL.lines
    world.run_for(3000)
    assert len(world.calls()) == rang + late, "somebody was called without a ledger"
    assert run.process.ended
    assert run.stopped is not None
    assert (run.stopped.kind, run.stopped.failed) == ("ledger", True)
    assert "ledger" in run.stopped.message.lower()
    fix()
    world.finish(rounds=3)
    assert len({call["number"] for call in world.calls()}) == len(CUSTOMERS)


def test_a_ledger_that_is_locked_for_a_moment_is_waited_for(world: World) -> None:
    run = world.begin_run("c", CUSTOMERS, seed=3)
    world.run_for(200)
    fix = lock(world, run)
    world.run_for(20)
    fix()
    world.run_for(3600)
    assert run.results is not None
    assert run.stopped is None
    assert {result.bucket.group for result in run.results} == {"called"}
    assert Counter(call["number"] for call in world.calls()).most_common(1)[0][1] == 1
