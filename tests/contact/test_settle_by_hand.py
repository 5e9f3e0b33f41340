"""A person settles one attempt by the deployment's form, from the command line as from the UI."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from campaign.attempts import Claim
from campaign.ledger import Ledger
from campaign.ledger.ledger import ClaimRequest
from campaign.rules.rules import Go
from sandbox.world import PROJECT_ID
from tests.contact.place import Place
from tests.servers.program import PROJECT, Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

DEPLOYMENT = "settle-calls/every-5-minutes"


async def uncertain_attempts(url: str, count: int) -> list[Claim]:
    """Attempts whose answers were lost."""
    claims: list[Claim] = []
    async with Ledger(url) as ledger:
        for number in range(count):
            claim = await ledger.claim(
                ClaimRequest(
                    campaign="by-hand",
                    recipient_id=f"c-{number}",
                    phone=f"+4420794{60000 + number}",
                    run_id="run",
                    lease_seconds=90.0,
                    decide=lambda _history, _at: Go(1),
                    account=PROJECT_ID,
                    agent_id="agent-collections",
                )
            )
            assert isinstance(claim, Claim)
            await ledger.mark_uncertain(claim, error="the answer was lost")
            claims.append(claim)
    return claims


def run(place: Place, **by_hand: Any) -> dict[str, Any]:
    """Run the deployment as a person does at a command line. Returns the state."""
    said = {"campaign": "by-hand", "who": "Mona", "why": "she asked the customer", **by_hand}
    before = {each["id"] for each in place.runs_of(DEPLOYMENT)}
    given = ["--param", f"by_hand={json.dumps(said)}", "--param", "wait_seconds=0"]
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "deployment", "run", DEPLOYMENT, *given],
        cwd=PROJECT,
        env=place.server.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (new,) = place.new_runs(DEPLOYMENT, since=before)
    return place.wait(new["id"])


def kept(ledger: Path) -> tuple[list[Any], list[Any]]:
    """Each attempt's state, and what persons said."""
    with closing(sqlite3.connect(ledger)) as connection, connection:
        states = connection.execute("SELECT recipient_id, state FROM call_attempts ORDER BY recipient_id").fetchall()
        said = connection.execute("SELECT rang, who, why FROM call_settlements ORDER BY settled_at").fetchall()
    connection.close()
    return states, said


async def test_a_person_settles_what_nobody_else_can_and_nothing_against_hamsas_word(
    place: Place, worker: Program
) -> None:
    path = place.folder / "by-hand.db"
    await place.save_blocks(ledger_url=f"sqlite:///{path}")
    place.sandbox.reset()
    claims = await uncertain_attempts(f"sqlite:///{path}", 3)
    rang = run(place, recipient_id="c-0", the_phone="rang")
    assert rang["type"] == "COMPLETED", rang
    assert "1 completed" in rang["message"]
    assert run(place, recipient_id="c-1", the_phone="did not ring")["type"] == "COMPLETED"
    twice = run(place, recipient_id="c-1", the_phone="rang")
    assert twice["type"] == "FAILED"
    assert "attempt 1 at c-1 in campaign by-hand is not placed, and only one that is uncertain" in twice["message"]
    other = run(place, recipient_id="c-0", attempt=2, the_phone="rang")
    assert "The ledger has no attempt 2 at c-0 in campaign by-hand" in other["message"]
    # Hamsa has a record of this call: it is not taken for one that never was.
    place.sandbox.plant("+442079460002", voice_agent_id="agent-collections", call_key=claims[2].call_key)
    against = run(place, recipient_id="c-2", the_phone="did not ring")
    assert against["type"] == "FAILED"
    assert "Hamsa has its call" in against["message"]
    states, said = kept(path)
    assert states[:2] == [("c-0", "completed"), ("c-1", "not_placed")]
    assert states[2][1] not in ("not_placed", "uncertain")
    assert said == [(1, "Mona", "she asked the customer"), (0, "Mona", "she asked the customer")]
