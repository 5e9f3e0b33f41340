"""Saves the blocks on a server that is not the suite's: in a process of its own, as a person's script would."""

import json
import subprocess
import sys

from tests.deployments.place import Place
from tests.servers.program import PROJECT

_SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from tests.deployments.saving import save_blocks
given = json.load(sys.stdin)
folder = Path(given.pop("folder"))
asyncio.run(save_blocks(folder, **given))
"""


def save_all(place: Place) -> None:
    """Save every block that prefect.yaml names, with a policy that asks before it calls more than five people."""
    given = {
        "folder": str(place.folder),
        "api_key": place.sandbox.api_key,
        "base_url": place.sandbox.base_url,
        # One that needs no params, so that a form with nothing but a number is enough.
        "agent": "agent-plain",
        "policy": {"approve_above": 5, "calls_per_task": 10, "lines": 10},
    }
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=PROJECT,
        env=place.server.environment,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
