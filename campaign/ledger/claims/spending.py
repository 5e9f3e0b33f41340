"""What a campaign's calls came to so far, and what calls cost, read inside the transaction that claims the next one."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import AttemptState
from campaign.ledger.claims.judging import ClaimRequest
from campaign.ledger.claims.limits import Limits, Price, RunSums, Spending
from campaign.ledger.claims.totals import FREE, MOST_BELIEVED, PRICED, UNPRICED
from campaign.ledger.schema import IN_FLIGHT, UtcDateTime, call_attempts, call_totals

PRICED_CALLS = 1000
"""Of how many calls, the last that ended, the prices are looked at: what calls cost years ago says nothing."""

_COLUMNS, _TOTALS = call_attempts.c, call_totals.c


def last_calls(agent_id: str | None, route: str | None) -> Select[Any]:
    """Ask for the last calls of an agent by a route that ended: their cost and length."""
    return (
        select(_COLUMNS.cost, _COLUMNS.duration_seconds)
        .where(_COLUMNS.agent_id == agent_id, _COLUMNS.route == route, _COLUMNS.ended_at.is_not(None))
        .order_by(_COLUMNS.ended_at.desc())
        .limit(PRICED_CALLS)
    )


async def read_spending(
    connection: AsyncConnection, requests: Iterable[ClaimRequest], now: datetime
) -> dict[ClaimRequest, Spending]:
    """Read what each claim that is bound by limits is judged by. Claims of one campaign share what they add.

    Args:
        connection: Inside the transaction, which holds the campaigns' locks.
        requests: Claims; those without limits are passed over.
    """
    prices: dict[tuple[str | None, str | None], Price] = {}
    read: dict[tuple[str, str | None, str | None, Limits], Spending] = {}
    alike: defaultdict[str, list[Spending]] = defaultdict(list)
    found: dict[ClaimRequest, Spending] = {}
    for request in requests:
        limits = request.limits
        if limits is None or not limits.any:
            continue
        like = (request.agent_id, request.route)
        if like not in prices:
            prices[like] = await _price(connection, *like)
        key = (request.campaign, *like, limits)
        if key not in read:
            sums = await _sums(connection, request.campaign, limits, prices[like], now)
            read[key] = Spending(prices[like], sums, alike[request.campaign])
            alike[request.campaign].append(read[key])
        found[request] = read[key]
    return found


async def _price(connection: AsyncConnection, agent_id: str | None, route: str | None) -> Price:
    last = last_calls(agent_id, route).with_only_columns(_COLUMNS.cost).subquery()
    price = case((and_(last.c.cost > 0, last.c.cost < MOST_BELIEVED), last.c.cost))
    known = select(func.count(price), func.max(price), func.count()).select_from(last)
    return Price(*(await connection.execute(known)).one())


async def _sums(
    connection: AsyncConnection, campaign: str, limits: Limits, price: Price, now: datetime
) -> dict[str | None, RunSums]:
    share = price.most if price.most is not None else limits.assumed_call_cost or 0.0
    waited_for = now - timedelta(seconds=limits.give_up_after)
    runs: dict[str | None, RunSums] = {}
    for row in await connection.execute(_ASKED, {"campaign": campaign, "waited_for": waited_for}):
        sums = runs.setdefault(row.run_id or None, RunSums())
        ended = row.in_flight is None
        reserved = row.calls * max(row.reserved_cost or 0.0, share)
        sums.calls += row.calls
        sums.ended += row.calls if ended else 0
        sums.in_flight += row.calls if row.in_flight else 0
        if ended and row.talked and row.cost_kind != PRICED:
            sums.unpriced_conversations += row.calls
        # A conversation for nothing is believed of a Hamsa that gives prices, and is no price of one that gives none.
        priced = row.cost_kind == PRICED or (row.cost_kind == FREE and (price.calls > 0 or not row.talked))
        if priced:
            sums.cost += row.cost
        else:
            sums.reserved += reserved
            sums.reserved_in_flight += reserved if row.in_flight else 0.0
        sums.claimed_at = max(row.claimed_at, sums.claimed_at or row.claimed_at)
    return runs


def _asked() -> CompoundSelect[Any]:
    """Ask, in one statement and so of one moment, for the sums over ended calls and for calls without an end."""
    campaign = bindparam("campaign", type_=Text)
    ended = select(
        *(_TOTALS[name] for name in ("run_id", "cost_kind", "talked", "reserved_cost", "calls", "cost", "claimed_at")),
        cast(null(), Integer).label("in_flight"),
    ).where(_TOTALS.campaign == campaign, _TOTALS.calls > 0)
    waited_for = bindparam("waited_for", type_=UtcDateTime)
    rings = and_(_COLUMNS.state.in_([AttemptState.CLAIMED, AttemptState.PLACED]), _COLUMNS.claimed_at > waited_for)
    in_flight = case((rings, 1), else_=0)
    without_end = (
        select(
            _COLUMNS.run_id,
            literal(UNPRICED),
            false(),
            _COLUMNS.reserved_cost,
            func.count(),
            literal(0.0),
            func.max(_COLUMNS.claimed_at),
            in_flight.label("in_flight"),
        )
        .where(_COLUMNS.campaign == campaign, text(IN_FLIGHT))
        .group_by(_COLUMNS.run_id, _COLUMNS.reserved_cost, in_flight)
    )
    return union_all(ended, without_end)


_ASKED = _asked()
