"""What can be asked of a ledger. Promises answers from committed rows alone, at a cost that fits the question."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from campaign.attempts import COUNTS, OPEN, Attempt, AttemptState, PastAttempt
from campaign.ledger.database import AnyRow, Database
from campaign.ledger.schema import call_attempts, campaigns
from campaign.ledger.spending import last_calls
from campaign.ledger.transaction import history_query, past_attempt

_COLUMNS = call_attempts.c

_ATTEMPT = tuple(_COLUMNS[name] for name in Attempt.__dataclass_fields__)
"""The columns in the order in which `Attempt` takes them."""

_STATE = tuple(Attempt.__dataclass_fields__).index("state")


@dataclass(slots=True)
class CampaignTotals:
    """A campaign so far, over all its runs. Costs are in Hamsa's money; `seconds` are of talk."""

    states: dict[AttemptState, int] = field(default_factory=dict)
    cost: float = 0.0
    max_call_cost: float = 0.0
    seconds: float = 0.0

    @property
    def called(self) -> int:
        """Attempts in which a phone rang or may have."""
        return sum(count for state, count in self.states.items() if state in COUNTS)


@dataclass(frozen=True, slots=True)
class CallAverages:
    """What calls came to so far: how many ended, what one cost and how long it lasted, and what the costliest cost."""

    calls: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    max_call_cost: float = 0.0


class LedgerReader:
    """Reads a ledger that somebody else opened. Every method raises `LedgerError` if it cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def name(self) -> str:
        """The URL as it may be shown: without its password."""
        return self._database.name

    @property
    def is_file(self) -> bool:
        """Whether the ledger is a SQLite file, good for one machine."""
        return self._database.is_file

    def now(self) -> datetime:
        """The ledger's time: the clock, corrected by the database's where that is another machine's."""
        return self._database.now()

    async def attempts(
        self,
        *,
        campaign: str | None = None,
        states: Collection[AttemptState] | None = None,
        run_id: str | None = None,
        account: str | None = None,
        call_keys: Collection[str] | None = None,
        recipient_ids: Collection[str] | None = None,
    ) -> list[Attempt]:
        """The attempts that match every argument given, oldest first. None matches all, an empty collection nothing."""
        if any(given is not None and not given for given in (states, call_keys, recipient_ids)):
            return []
        query = select(*_ATTEMPT).order_by(_COLUMNS.claimed_at, _COLUMNS.call_key)
        query = query.where(*_conditions(campaign=campaign, states=states, run_id=run_id))
        if account is not None:
            query = query.where(_COLUMNS.account == account)
        if call_keys is not None:
            query = query.where(self._database.among(_COLUMNS.call_key, call_keys))
        if recipient_ids is not None:
            query = query.where(self._database.among(_COLUMNS.recipient_id, recipient_ids))
        return [_attempt(row) for row in await self._database.fetch(query)]

    async def count_attempts(
        self,
        *,
        campaign: str | None = None,
        run_id: str | None = None,
        states: Collection[AttemptState] | None = None,
    ) -> int:
        """How many attempts match every argument given, without loading them. None matches all, no states nothing."""
        conditions = _conditions(campaign=campaign, states=states, run_id=run_id)
        query = select(func.count()).select_from(call_attempts).where(*conditions)
        ((count,),) = await self._database.fetch(query)
        return int(count)

    async def unfinished(
        self, *, account: str | None = None, campaign: str | None = None, call_keys: Collection[str] | None = None
    ) -> list[Attempt]:
        """Attempts of which something is still to be learned: claimed, placed or uncertain."""
        return await self.attempts(campaign=campaign, states=OPEN, account=account, call_keys=call_keys)

    async def states(self, call_keys: Collection[str]) -> dict[str, AttemptState]:
        """Where these attempts stand now: a cheap look, for following calls that webhooks report."""
        query = select(_COLUMNS.call_key, _COLUMNS.state).where(self._database.among(_COLUMNS.call_key, call_keys))
        return {key: AttemptState(state) for key, state in await self._database.fetch(query)}

    async def history(
        self, campaign: str, phones: Collection[str], recipient_ids: Collection[str]
    ) -> dict[str, list[PastAttempt]]:
        """Every attempt at these numbers in any campaign, and at these recipients in this one.

        Returns:
            Lists of attempts, oldest first, by `phone`, and by `recipient_id` under the key `"id:" + recipient_id`.
        """
        found: defaultdict[str, list[PastAttempt]] = defaultdict(list)
        query = history_query(self._database, campaign, phones, recipient_ids)
        pasts = [past_attempt(row) for row in await self._database.fetch(query)]
        pasts.sort(key=_age)
        for past in pasts:
            found[past.phone].append(past)
            if past.campaign == campaign:
                found["id:" + past.recipient_id].append(past)
        return found

    async def owned(self, job_ids: Collection[str]) -> dict[str, str]:
        """Which of these Hamsa jobs belong to an attempt: job id to call key."""
        query = select(_COLUMNS.job_id, _COLUMNS.call_key).where(self._database.among(_COLUMNS.job_id, job_ids))
        return dict(await self._database.fetch(query))

    async def account_echoes(self, account: str | None, agent_id: str | None) -> bool:
        """Whether Hamsa was seen to give back our `call_key` in this account's job records.

        Args:
            account: Whose records.
            agent_id: Calls of which agent; of inline agents, whose params travel otherwise, if None.
        """
        mine = (_COLUMNS.account == account, _COLUMNS.agent_id == agent_id, _COLUMNS.echoed)
        query = select(_COLUMNS.call_key).where(*mine).limit(1)
        return bool(await self._database.fetch(query))

    async def totals(self, campaign: str) -> CampaignTotals:
        """Attempts by state, cost and seconds of a campaign so far, over all its runs."""
        sums = (func.count(), func.sum(_COLUMNS.cost), func.max(_COLUMNS.cost), func.sum(_COLUMNS.duration_seconds))
        query = select(_COLUMNS.state, *sums).where(_COLUMNS.campaign == campaign).group_by(_COLUMNS.state)
        totals = CampaignTotals()
        for state, count, cost, max_call_cost, seconds in await self._database.fetch(query):
            totals.states[AttemptState(state)] = count
            totals.cost += cost or 0.0
            totals.max_call_cost = max(totals.max_call_cost, max_call_cost or 0.0)
            totals.seconds += seconds or 0.0
        return totals

    async def averages(self, agent_id: str | None, route: str | None) -> CallAverages:
        """What the last calls of an agent by a route came to, in whichever campaign, to estimate the next ones by."""
        last = last_calls(agent_id, route).subquery()
        means = (func.avg(func.coalesce(last.c.cost, 0)), func.avg(func.coalesce(last.c.duration_seconds, 0)))
        ((calls, cost, seconds, most),) = await self._database.fetch(
            select(func.count(), *means, func.max(last.c.cost))
        )
        return CallAverages(calls, float(cost or 0), float(seconds or 0), float(most or 0))

    async def on_hold(self, campaign: str) -> str | None:
        """The note of a campaign that was put on hold, or None when it may go on."""
        query = select(campaigns.c.note).where(campaigns.c.campaign == campaign, campaigns.c.on_hold)
        rows = await self._database.fetch(query)
        return (rows[0].note or "no reason given") if rows else None


def _conditions(
    *, campaign: str | None, states: Collection[AttemptState] | None, run_id: str | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if campaign is not None:
        conditions.append(_COLUMNS.campaign == campaign)
    if states is not None:
        conditions.append(_COLUMNS.state.in_(sorted(states)))
    if run_id is not None:
        conditions.append(_COLUMNS.run_id == run_id)
    return conditions


def _attempt(row: AnyRow) -> Attempt:
    values = list(row)
    values[_STATE] = AttemptState(values[_STATE])
    return Attempt(*values)


def _age(past: PastAttempt) -> datetime:
    return past.claimed_at
