"""What the README tells people to do works, and shows what it says; its links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.readme import README, blocks, commands
from tests.flows.world import World
from tests.servers.prefect import PrefectServer
from tests.servers.program import PROJECT


def run(server: PrefectServer, folder: Path, *command: str, key: str = "") -> str:
    """Run a command where a reader would, and return what it printed."""
    environment = server.environment | {"HAMSA_API_KEY": key, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.prefect
@pytest.mark.processes
def test_the_first_campaign_goes_as_it_says(world: World, prefect_server: PrefectServer, tmp_path: Path) -> None:
    (saving,) = blocks("python")
    for meant, here in (
        ('region="eu",', f'base_url="{world.sandbox.base_url}",'),
        ("the agent's id in Hamsa", "agent-collections"),
        # The hour at which the test runs must not matter.
        ('preset="strict"', 'preset="unrestricted", poll_max_seconds=1'),
    ):
        assert meant in saving
        saving = saving.replace(meant, here)
    run(prefect_server, tmp_path, sys.executable, "-m", "prefect", "block", "register", "-m", "blocks")
    said = run(prefect_server, tmp_path, sys.executable, "-c", saving, key=world.sandbox.api_key)
    assert said == f"The ledger is {tmp_path / 'calls.db'}."
    (rows,) = blocks("csv")
    (tmp_path / "overdue.csv").write_text(rows, encoding="utf-8")
    calling = [(command, says) for command, says in commands() if command.startswith("python -m flows.")]
    assert len(calling) == 4
    for command, says in calling:
        shown = run(prefect_server, tmp_path, sys.executable, *_words(command))
        assert shown == says, command
    assert sorted(world.rings().values()) == [1, 1, 1]


def test_its_make_targets_and_programs_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for command, _ in commands() for target in re.findall(r"^make ([a-z-]+)", command)}
    assert {"demo", "ui", "test", "check"} <= named <= targets
    assert (PROJECT / ".ci/run").exists()


def test_its_links_lead_to_files_that_are_there() -> None:
    links = re.findall(r"\]\(([^)#]+)", README)
    missing = [link for link in links if "://" not in link and not (PROJECT / link).exists()]
    assert not missing


def _words(command: str) -> list[str]:
    return shlex.split(command)[1:]
