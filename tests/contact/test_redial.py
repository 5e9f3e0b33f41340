"""The afternoon's redial, as deployed: whom the morning's run did not reach is called once more, and nobody else."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.contact.place import CAMPAIGN, Place, listed
from tests.servers.program import Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

MORNING, REDIAL = "call-overdue-customers/weekday-mornings", "call-overdue-customers/redial-afternoons"

UNANSWERED = {f"out-{area}": f"+1{area}5550190" for area in (212, 305, 415)}
"""Numbers that never answer, in the sandbox."""

REACHED = {f"talked-{area}": f"+1{area}5550198" for area in (212, 305, 415)}


def calls(ledger: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """State and run of each attempt, by recipient and number."""
    with closing(sqlite3.connect(ledger)) as connection, connection:
        rows = connection.execute("select recipient_id, attempt, state, run_id from call_attempts").fetchall()
    connection.close()
    return {(recipient, attempt): (state, run) for recipient, attempt, state, run in rows}


async def test_the_redial_calls_the_unanswered_once_more_when_their_time_has_come_and_nobody_else(
    place: Place, worker: Program
) -> None:
    ledger = place.folder / "redialed.db"
    # The rules that the redial's description asks for.
    rules: dict[str, Any] = {"ledger_url": f"sqlite:///{ledger}", "max_attempts": 2, "per_24_hours": 2}
    given = {**CAMPAIGN, "customers": listed(place.folder, {**UNANSWERED, **REACHED}, "redialed")}

    def run(deployment: str) -> tuple[str, str]:
        made = place.start(deployment, **given)
        state = place.wait(made)
        assert state["type"] == "COMPLETED", state["message"]
        return made, state["message"]

    place.sandbox.reset()
    place.sandbox.change_scenario(magic_numbers=True)
    try:
        await place.save_blocks(**rules, minutes_after_no_answer=240)
        morning, message = run(MORNING)
        assert "6 of 6 customers called" in message
        once = {(who, 1): ("no_answer", morning) for who in UNANSWERED}
        once |= {(who, 1): ("completed", morning) for who in REACHED}
        assert calls(ledger) == once

        _, message = run(REDIAL)
        assert calls(ledger) == once, "four hours are not over"
        assert "Nobody was called again" in message

        await place.save_blocks(**rules, minutes_after_no_answer=0)
        redial, message = run(REDIAL)
        twice = once | {(who, 2): ("no_answer", redial) for who in UNANSWERED}
        assert calls(ledger) == twice

        run(REDIAL)
        assert calls(ledger) == twice, "two attempts are all"
    finally:
        place.sandbox.change_scenario(magic_numbers=False)
    assert place.rings() == {**dict.fromkeys(UNANSWERED.values(), 2), **dict.fromkeys(REACHED.values(), 1)}
