"""A deployment may fetch the project by git: the pull step that prefect.yaml shows, from a repository on this disk."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from tests.contact.place import Place
from tests.servers.program import PROJECT, Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

NAME = "from-a-clone"


def run(*command: str | Path, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_run_is_made_from_a_clone(place: Place, worker: Program, tmp_path: Path) -> None:
    environment = {
        **place.server.environment,
        **{f"GIT_{who}_{what}": "nobody@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    copy, bare = tmp_path / "copy", tmp_path / "hamsa-calls.git"
    run("git", "clone", "--quiet", PROJECT, copy, folder=tmp_path, environment=environment)
    # What runs is seen to be the clone, not this checkout, by what it calls itself.
    flow = copy / "flows" / "call_customer.py"
    flow.write_text(flow.read_text(encoding="utf-8").replace('f"call {', 'f"cloned: call {'), encoding="utf-8")
    run("git", "commit", "--quiet", "--all", "--message", "Tell a clone", folder=copy, environment=environment)
    run("git", "branch", "--move", "--force", "main", folder=copy, environment=environment)
    run("git", "clone", "--quiet", "--bare", copy, bare, folder=tmp_path, environment=environment)
    file = yaml.safe_load((copy / "prefect.yaml").read_text(encoding="utf-8"))
    (deployment,) = [each for each in file["deployments"] if each["name"] == "on-demand"]
    file["deployments"] = [{**deployment, "name": NAME}]
    file["pull"] = [{"prefect.deployments.steps.git_clone": {"repository": f"file://{bare}", "branch": "main"}}]
    (copy / "prefect.yaml").write_text(yaml.safe_dump(file), encoding="utf-8")
    deploy = (sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all")
    run(*deploy, folder=copy, environment=environment)
    await place.save_blocks()
    place.sandbox.reset()
    params = {"name": "Mona", "amount": 120.5}
    made = place.start(f"call-customer/{NAME}", phone="+12125550124", recipient_id="c-9", params=params)
    state = place.wait(made)
    assert state["type"] == "COMPLETED", state["message"]
    assert place.ask("GET", f"/flow_runs/{made}")["name"] == "cloned: call c-9"
    assert place.rings() == {"+12125550124": 1}
