"""What the README says of the first deployed campaign, typed as it stands; its runs take it that they are contained."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contact.place import POOL, Place
from tests.examples.readme import blocks, commands
from tests.servers.prefect import PrefectServer
from tests.servers.program import PROJECT, Program
from tests.servers.sandbox import RunningSandbox

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

CAMPAIGN = "call-overdue-customers/weekday-mornings"

STARTED_OTHERWISE = (". .venv", "prefect server", "python -m sandbox", "export ", "read ", "prefect worker", "make ")
"""Commands whose effect the test has in another way: it types the others."""


def typed(server: PrefectServer, folder: Path, command: str, **environment: str) -> str:
    """Type a command of the README. Returns what it printed."""
    words = shlex.split(command)
    words[0] = sys.executable
    if command.startswith("prefect "):
        words[1:1] = ["-m", "prefect"]
    done = subprocess.run(
        words,
        cwd=folder,
        env=server.environment | {"PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def test_from_the_blocks_to_a_scheduled_campaign_that_calls(
    start_prefect_server: Callable[..., PrefectServer],
    start_worker: Callable[..., Program],
    start_sandbox: Callable[..., RunningSandbox],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # By this mark, too, a run takes itself to be in a container; nothing of the machine has to be changed for it.
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    server, sandbox = start_prefect_server(), start_sandbox(speed=600)
    place = Place(server, sandbox, tmp_path)
    (saving,) = blocks("python")
    for meant, here in (
        ('region="eu",', f'base_url="{sandbox.base_url}",'),
        ("the agent's id in Hamsa", "agent-collections"),
        ('preset="strict"', 'preset="unrestricted", poll_max_seconds=1'),
    ):
        assert meant in saving
        saving = saving.replace(meant, here)
    (tmp_path / "save_blocks.py").write_text(saving, encoding="utf-8")
    mine = [command for command, _ in commands() if not command.startswith(("python -m flows.", *STARTED_OTHERWISE))]
    assert any("examples.receivables" in command for command in mine)
    parts = ("dry_run=true", "schedule ls", "schedule resume")
    dry, listing, switching = (next(command for command in mine if part in command) for part in parts)
    before = mine[: mine.index(dry)]
    for command in before:
        typed(server, tmp_path, command, HAMSA_API_KEY=sandbox.api_key)
    said = place.deploy()
    assert said.count("\n") == 2, said
    assert said.endswith(f"Next, in a terminal of its own: prefect worker start --pool {POOL}\n")
    start_worker(POOL, server=server, name="first")
    typed(server, tmp_path, dry)
    (run,) = place.runs_of(CAMPAIGN)
    assert place.state(run["id"])["message"].startswith("Dry run: "), place.state(run["id"])
    assert place.rings() == {}
    shown = typed(server, tmp_path, listing)
    (schedule_id,) = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", shown)
    typed(server, tmp_path, switching.replace("SCHEDULE_ID", schedule_id))
    assert [schedule["active"] for schedule in place.deployment(CAMPAIGN)["schedules"]] == [True]
    planned = place.new_runs(CAMPAIGN, since={run["id"]})
    assert planned[0]["state"]["type"] == "SCHEDULED"
    # Its time comes: the run that the schedule made is started as the UI's *Run now* does.
    place.set_state(planned[0]["id"], "SCHEDULED", scheduled_time=datetime.now(UTC).isoformat())
    state = place.wait(planned[0]["id"], within_seconds=120)
    assert state["type"] == "COMPLETED", state
    rings = place.rings()
    assert rings
    assert set(rings.values()) == {1}
