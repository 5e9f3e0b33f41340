"""What a campaign's calls came to so far, and what calls cost, read inside the transaction that claims the next one."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import COUNTS, ENDED, AttemptState
from campaign.ledger.claims.judging import ClaimRequest
from campaign.ledger.claims.limits import Limits, Price, RunSums, Spending
from campaign.ledger.schema import call_attempts

PRICED_CALLS = 1000
"""Of how many calls, the last that ended, the prices are looked at: what calls cost years ago says nothing."""

MOST_BELIEVED = 1e12
"""A cost above this, an infinite one, or one that is not a number is taken for none."""

_COLUMNS = call_attempts.c

_TALKED = _COLUMNS.state.in_([AttemptState.COMPLETED, AttemptState.FORWARDED])


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
        now: The moment of the claim.
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
    last = last_calls(agent_id, route).subquery()
    told = select(func.count(), func.max(last.c.cost)).where(_is_price(last.c.cost))
    calls, most = (await connection.execute(told)).one()
    return Price(calls, most)


async def _sums(
    connection: AsyncConnection, campaign: str, limits: Limits, price: Price, now: datetime
) -> dict[str | None, RunSums]:
    waited_for = now - timedelta(seconds=limits.give_up_after)
    in_flight = and_(_COLUMNS.state.in_([AttemptState.CLAIMED, AttemptState.PLACED]), _COLUMNS.claimed_at > waited_for)
    # A conversation for nothing is believed of a Hamsa that tells prices, and is no price of one that tells none.
    told = case((_COLUMNS.cost == 0, ~_TALKED), else_=_is_price(_COLUMNS.cost))
    if price.calls:
        told = case((_COLUMNS.cost == 0, True), else_=_is_price(_COLUMNS.cost))
    share = price.most if price.most is not None else limits.assumed_call_cost or 0.0
    reserved = case((_COLUMNS.reserved_cost > share, _COLUMNS.reserved_cost), else_=share)
    untold = case((told, False), else_=True)  # also where the cost is null
    query = (
        select(
            _COLUMNS.run_id,
            func.count().label("calls"),
            _count(in_flight).label("in_flight"),
            _count(_COLUMNS.state.in_(sorted(ENDED))).label("ended"),
            _count(and_(_TALKED, case((_is_price(_COLUMNS.cost), False), else_=True))).label("unpriced_conversations"),
            func.sum(case((told, _COLUMNS.cost), else_=0.0)).label("cost"),
            func.sum(case((untold, reserved), else_=0.0)).label("reserved"),
            func.sum(case((and_(untold, in_flight), reserved), else_=0.0)).label("reserved_in_flight"),
            func.max(_COLUMNS.claimed_at).label("claimed_at"),
        )
        .where(_COLUMNS.campaign == campaign, _COLUMNS.state.in_(sorted(COUNTS)))
        .group_by(_COLUMNS.run_id)
    )
    rows = (await connection.execute(query)).all()
    return {run_id: RunSums(*sums) for run_id, *sums in rows}


def _is_price(cost: ColumnElement[float | None]) -> ColumnElement[bool]:
    return and_(cost > 0, cost < MOST_BELIEVED)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
