"""Runs from Prefect's command line: parameters one by one, and from a file, with numbers as ids."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.contact.place import Place
from tests.servers.program import PROJECT, Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

DEPLOYMENT = "call-customer/on-demand"


def prefect(place: Place, *arguments: str, file: str | None = None) -> str:
    """Prefect's command, `file` being what the shell hands it with `<`. Returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "deployment", "run", DEPLOYMENT, *arguments],
        cwd=PROJECT,
        env=place.server.environment,
        input=file or "",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_an_id_is_taken_as_a_number_and_from_a_file_of_parameters_and_rings_once(
    place: Place, worker: Program
) -> None:
    ledger = place.folder / "typed.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}")
    place.sandbox.reset()
    before = {run["id"] for run in place.runs_of(DEPLOYMENT)}
    params = {"name": "Mona", "amount": 120.5}
    one_by_one = ("phone=+12125550125", "recipient_id=1001", f"params={json.dumps(params)}", "campaign=2026")
    prefect(place, *(part for each in one_by_one for part in ("--param", each)))
    of_a_file = {"phone": 2125550126, "region": "US", "recipient_id": 1002, "params": params, "campaign": 2026}
    prefect(place, "--params", "-", file=json.dumps(of_a_file))
    prefect(place, "--params", json.dumps({**of_a_file, "recipient_id": "1002"}))
    for run in place.new_runs(DEPLOYMENT, since=before, count=3):
        state = place.wait(run["id"])
        assert state["type"] == "COMPLETED", state["message"]
    assert place.rings() == {"+12125550125": 1, "+12125550126": 1}
    with closing(sqlite3.connect(ledger)) as connection, connection:
        rows = connection.execute("select campaign, recipient_id, phone from call_attempts").fetchall()
    connection.close()
    assert set(rows) == {("2026", "1001", "+12125550125"), ("2026", "1002", "+12125550126")}
