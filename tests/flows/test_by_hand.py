"""Flows from a terminal: parameters by name, blocks by name, one sentence for what is wrong."""

import subprocess
import sys
from pathlib import Path

from tests.flows.world import World, rows

ROOT = Path(__file__).parents[2]


def command(world: World, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"flows.{module}", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_a_campaign_is_run_from_a_terminal(world: World) -> None:
    world.agent().save("by-hand", overwrite=True)
    world.policy().save("by-hand", overwrite=True)
    world.ledger.save("by-hand", overwrite=True)
    people = world.folder / "people.csv"
    people.write_text("id,phone\n" + "".join(f"{row['id']},{row['phone']}\n" for row in rows(3)))
    blocks = ("--agent", "by-hand", "--policy", "by-hand", "--ledger", "by-hand")
    done = command(world, "call_overdue_customers", *blocks, "--customers", str(people), "--campaign", "by-hand")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 customers called" in done.stdout
    assert sorted(world.rings().values()) == [1, 1, 1]


def test_a_block_that_does_not_exist_gives_one_sentence(world: World) -> None:
    done = command(world, "call_overdue_customers", "--agent", "nobody-made-this", "--customers", "people.csv")
    assert done.returncode == 2
    assert "hamsa-voice-agent/nobody-made-this" in done.stderr
    assert "Traceback" not in done.stderr
