"""What a report about an attempt does to its row: pure, one report at a time.

Promises that a state is only ever left by the transitions that `campaign.attempts` allows, that evidence of a call is
never lost however late it comes, and that a job belongs to one attempt and an attempt to one job.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from campaign.attempts import ENDED, TRANSITIONS, AttemptState
from campaign.errors import JobConflict

WHY = ("error", "message_key", "status_code")
"""Columns that say why an attempt is in its present state: a new state begins without them."""

ALWAYS_ADDED = ("opted_out", "echoed", "job_id")
"""Facts that a later report adds, whatever is known already, and that none takes back."""

_KEEPS_CALL = ENDED | {AttemptState.PLACED}
"""States in which a job of Hamsa's belongs to the attempt."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended, as far as the reporter knows: a later report fills what is still missing.

    `echoed` says that the call's job record, asked for at Hamsa, held our `call_key`.
    """

    state: AttemptState
    status: str | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    cost: float | None = None
    outcome: dict[str, Any] | None = None
    record: dict[str, Any] | None = None
    opted_out: bool = False
    echoed: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A report about one attempt.

    Attributes:
        to: The state it is in; None if only `facts` are to be noted of an attempt that stays uncertain.
        facts: Values by column; None for what the reporter does not know.
        call_key: Which attempt, by its key …
        job_id: … or by Hamsa's job id; with both, the job is noted as its own.
        turn: If given, the report counts only while the attempt is in this turn.
        looks: If given, the report counts only while no other look changed the number of looks.
        only_from: If given, the report counts only while the attempt is in this state.
        notes: Whether `facts` are noted of an attempt that is in that state already, in place of what was noted before.
    """

    to: AttemptState | None
    facts: Mapping[str, Any]
    call_key: str | None = None
    job_id: str | None = None
    turn: int | None = None
    looks: int | None = None
    only_from: AttemptState | None = None
    notes: bool = False


@dataclass(slots=True)
class Merged:
    """What a report changes: values by column, and whether it was the one that brought the new state."""

    changes: dict[str, Any] = field(default_factory=dict)
    moved: bool = False


def merge(row: Mapping[str, Any], move: Move, owners: Mapping[str, str], now: datetime) -> Merged | JobConflict:
    """Say what a report does to a row.

    Args:
        row: The attempt's columns as they are. Of `outcome` and `record` only whether they are None is looked at.
        owners: Who owns the jobs that the report could touch: call keys by job id.

    Returns:
        The changes, none if the report is stale or says nothing new; or why its job cannot be noted.
    """
    state = AttemptState(row["state"])
    if move.turn is not None and move.turn != row["tries"]:
        return Merged()
    if move.looks is not None and move.looks != row["looks"]:
        return Merged()
    if move.only_from not in (None, state):
        return Merged()
    if conflict := _job_conflict(row, move, owners):
        return conflict
    if move.to is None:
        if state is not AttemptState.UNCERTAIN:
            return Merged()
        return Merged({**move.facts, "updated_at": now})
    if move.notes:
        return Merged({**move.facts, "updated_at": now} if state is move.to else {})
    if state in TRANSITIONS[move.to]:
        return Merged({**_brought(row, move), "state": move.to.value, "updated_at": now}, moved=True)
    if move.to not in _KEEPS_CALL or state not in _KEEPS_CALL:
        return Merged()
    added = _added(row, move, same_end=state is move.to and state in ENDED)
    return Merged({**added, "updated_at": now} if added else {})


def _job_conflict(row: Mapping[str, Any], move: Move, owners: Mapping[str, str]) -> JobConflict | None:
    job_id = move.facts.get("job_id")
    if job_id is None:
        return None
    if owners.get(job_id, row["call_key"]) != row["call_key"]:
        return JobConflict(f"Job {job_id} already belongs to another attempt; it is not noted for a second one.")
    if row["job_id"] not in (None, job_id):
        return JobConflict(
            f"Attempt {row['attempt']} of recipient {row['recipient_id']} has job {row['job_id']} and now also "
            f"{job_id}: Hamsa made two calls of one attempt. Send Hamsa's support both ids."
        )
    return None


def _brought(row: Mapping[str, Any], move: Move) -> dict[str, Any]:
    """What a report that brings a new state writes down."""
    known = {name: value for name, value in move.facts.items() if value is not None}
    for name in ALWAYS_ADDED:
        if row[name]:
            known.pop(name, None)
    return {**dict.fromkeys(WHY), **known}


def _added(row: Mapping[str, Any], move: Move, *, same_end: bool) -> dict[str, Any]:
    """What a report adds to a call whose state is known."""
    added: dict[str, Any] = {}
    for name, value in move.facts.items():
        if name in ALWAYS_ADDED:
            if value and not row[name]:
                added[name] = value
        elif value is not None and row[name] is None and name not in WHY:
            added[name] = value
    # The record of an end knows better than the record of the placing, which may be the one that is there.
    if same_end and move.facts.get("record") is not None:
        added["record"], added["error"] = move.facts["record"], move.facts.get("error")
        added["status"] = move.facts.get("status") or row["status"]
    return added
