"""What the ended calls of each run come to, kept as sums beside them, so that no claim has to sum a campaign again.

Promises that the sums change in the transaction that changes a call, so that whoever reads both in one statement sees
each call once.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import ENDED, AttemptState
from campaign.ledger.database.connections import upsert
from campaign.ledger.schema import call_attempts, call_totals

MOST_BELIEVED = 1e12
"""A cost above this, an infinite one, or one that is not a number is taken for none."""

PRICED, FREE, UNPRICED = "priced", "free", "unpriced"
"""Hamsa charged something; it charged nothing; it did not say."""

TALKED = frozenset({AttemptState.COMPLETED, AttemptState.FORWARDED})


class Group(NamedTuple):
    """Ended calls that are summed together: alike in all that a limit looks at."""

    campaign: str
    run_id: str
    cost_kind: str
    talked: bool
    reserved_cost: float


def group_of(row: Mapping[str, Any]) -> Group | None:
    """Where a call is summed; None if it has not ended."""
    state = AttemptState(row["state"])
    if state not in ENDED:
        return None
    kind = cost_kind(row["cost"])
    talked = state in TALKED and kind != PRICED
    # Of a call whose cost is known nothing stays reserved.
    reserved = 0.0 if kind == PRICED or (kind == FREE and not talked) else float(row["reserved_cost"] or 0.0)
    return Group(row["campaign"], row["run_id"] or "", kind, talked, reserved)


def cost_kind(cost: float | None) -> str:
    """How a cost counts."""
    if cost is None or math.isnan(cost) or cost < 0 or cost >= MOST_BELIEVED:
        return UNPRICED
    return PRICED if cost > 0 else FREE


class Changes:
    """What the changes of some calls do to the sums."""

    def __init__(self) -> None:
        self._calls: defaultdict[Group, int] = defaultdict(int)
        self._cost: defaultdict[Group, float] = defaultdict(float)
        self._claimed_at: dict[Group, datetime] = {}

    def note(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """A call was changed: its columns before and after."""
        for row, sign in ((before, -1), (after, 1)):
            group = group_of(row)
            if group is None:
                continue
            self._calls[group] += sign
            if group.cost_kind == PRICED:
                self._cost[group] += sign * row["cost"]
            at = row["claimed_at"]
            self._claimed_at[group] = max(at, self._claimed_at.get(group, at))

    async def write(self, connection: AsyncConnection) -> None:
        """Bring the sums up to date, in the transaction that changed the calls."""
        rows = [
            {
                **group._asdict(),
                "calls": self._calls[group],
                "cost": self._cost[group],
                "claimed_at": self._claimed_at[group],
            }
            for group in sorted(self._calls)  # everybody locks them in the same order
            if self._calls[group] or self._cost[group]
        ]
        if not rows:
            return
        statement = upsert(connection, call_totals)
        mine, new = call_totals.c, statement.excluded
        later = case((new.claimed_at > mine.claimed_at, new.claimed_at), else_=mine.claimed_at)
        sums = {"calls": mine.calls + new.calls, "cost": mine.cost + new.cost, "claimed_at": later}
        added = statement.on_conflict_do_update(index_elements=list(Group._fields), set_=sums)
        await connection.execute(added, rows)


async def rebuild(connection: AsyncConnection) -> None:
    """Sum all calls again: for rows that came into the ledger in another way than by its transactions."""
    await connection.execute(call_totals.delete())
    columns = ("campaign", "run_id", "state", "cost", "reserved_cost", "claimed_at")
    query = select(*(call_attempts.c[name] for name in columns)).where(call_attempts.c.state.in_(sorted(ENDED)))
    changes = Changes()
    for row in (await connection.execute(query)).mappings():
        changes.note({"state": AttemptState.CLAIMED}, dict(row))
    await changes.write(connection)
