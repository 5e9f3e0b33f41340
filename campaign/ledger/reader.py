"""What can be asked of a ledger. Promises answers from committed rows alone, at a cost that fits the question."""

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func, or_, select, union

from campaign.attempts import COUNTS, OPEN, Attempt, AttemptState
from campaign.ledger.claims.histories import Asked, Histories, calls_query, opt_out, opt_outs_query, past_attempt
from campaign.ledger.claims.spending import last_calls
from campaign.ledger.database.connections import AnyRow
from campaign.ledger.erasure.pseudonyms import Pseudonyms, pseudonyms_among
from campaign.ledger.evidence import LedgerEvidence
from campaign.ledger.notes.approvals import Approval, last_approval
from campaign.ledger.notes.refusals import Refusal
from campaign.ledger.schema import call_accounts, call_attempts, campaigns, refusals
from campaign.ledger.transaction import why_on_hold
from campaign.rules import LONGEST_CALL, OptOut, Rules

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


class LedgerReader(LedgerEvidence):
    """Reads a ledger that somebody else opened. Every method raises `LedgerError` if it cannot be read."""

    @property
    def name(self) -> str:
        """The URL as it may be shown: without its password."""
        return self._database.name

    @property
    def is_file(self) -> bool:
        """Whether the ledger is a SQLite file, good for one machine."""
        return self._database.is_file

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
        erased = await pseudonyms_among(self._database, (), recipient_ids) if recipient_ids else Pseudonyms()
        if recipient_ids is not None:
            wanted = erased.added_to(recipient_ids)
            query = query.where(self._database.among(_COLUMNS.recipient_id, wanted))
        return [erased.named(_attempt(row)) for row in await self._database.fetch(query)]

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
        self,
        campaign: str,
        phones: Collection[str],
        recipient_ids: Collection[str],
        persons: Collection[str] | None = None,
        *,
        rules: Rules | None = None,
    ) -> Histories:
        """The attempts at these numbers and people in any campaign, and at these recipients in this one.

        Args:
            campaign: Of which every attempt is read.
            recipient_ids: Recipients of the campaign.
            persons: People; by default those whose ids are the recipients'.
            rules: Whose caps and silence are to be judged: of other campaigns only what matters to them is read. All
                is read if None.
        """
        people = recipient_ids if persons is None else persons
        silence = rules.longest_silence if rules is not None else None
        erased = await pseudonyms_among(self._database, phones, {*recipient_ids, *people})
        asked = Asked(
            campaign,
            erased.added_to(phones),
            erased.added_to(recipient_ids),
            erased.added_to(people),
            since=None if rules is None else self.now() - rules.looks_back,
            most=None if rules is None else rules.most_counted,
            talked_since=self.now() - silence - LONGEST_CALL if silence else None,
        )
        found = Histories()
        rows = await self._database.fetch(*calls_query(self._database, asked))
        pasts = [past_attempt(row) for row in {row.call_key: row for row in rows}.values()]
        found.add([erased.named(past) for past in pasts], campaign)
        # After the calls: a refusal is written with the end of its call, so whoever saw the end sees the refusal.
        query = opt_outs_query(self._database, erased.added_to(phones), erased.added_to(people))
        found.bar([erased.named(opt_out(row)) for row in await self._database.fetch(*query)])
        return found

    async def opt_outs(
        self, phones: Collection[str], persons: Collection[str], *, lifted: bool = False
    ) -> list[OptOut]:
        """What blocks these numbers and people, oldest first.

        Args:
            lifted: Whether what a person lifted is returned as well.
        """
        erased = await pseudonyms_among(self._database, phones, persons)
        whose = (erased.added_to(phones), erased.added_to(persons))
        query = opt_outs_query(self._database, *whose, lifted=lifted)
        found = {row.opt_out_id: erased.named(opt_out(row)) for row in await self._database.fetch(*query)}
        return sorted(found.values(), key=lambda each: each.noted_at)

    async def calls_of(self, *, phones: Collection[str], persons: Collection[str]) -> list[Attempt]:
        """Every attempt at these numbers, or at these people by their own ids or recipients' ids, oldest first."""
        among = self._database.among
        erased = await pseudonyms_among(self._database, phones, persons)
        numbers, people = erased.added_to(phones), erased.added_to(persons)
        whose = or_(
            among(_COLUMNS.phone, numbers), among(_COLUMNS.person, people), among(_COLUMNS.recipient_id, people)
        )
        query = select(*_ATTEMPT).where(whose).order_by(_COLUMNS.claimed_at, _COLUMNS.call_key)
        return [erased.named(_attempt(row)) for row in await self._database.fetch(query)]

    async def refusals_of(self, *, phones: Collection[str], persons: Collection[str], most: int) -> list[Refusal]:
        """Why these numbers and recipients were not called, newest first, as far as it is kept."""
        among = self._database.among
        erased = await pseudonyms_among(self._database, phones, persons)
        numbers, people = erased.added_to(phones), erased.added_to(persons)
        whose = or_(among(refusals.c.phone, numbers), among(refusals.c.recipient_id, people))
        columns = [refusals.c[name] for name in Refusal.__dataclass_fields__]
        query = select(*columns).where(whose).order_by(refusals.c.decided_at.desc()).limit(most)
        return [erased.named(Refusal(*row)) for row in await self._database.fetch(query)]

    async def erased_calls(self, call_keys: Collection[str], job_ids: Collection[str]) -> frozenset[str]:
        """Which of these keys of attempts, and Hamsa jobs, are of people who were erased."""
        among = self._database.among
        theirs = or_(among(_COLUMNS.call_key, call_keys), among(_COLUMNS.job_id, job_ids))
        query = select(_COLUMNS.call_key, _COLUMNS.job_id).where(theirs, _COLUMNS.erased_at.is_not(None))
        return frozenset(name for row in await self._database.fetch(query) for name in row if name is not None)

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

    async def last_approval(self, campaign: str, run_id: str | None = None) -> Approval | None:
        """What a run asked of a person, and the answer; without `run_id`, what any run of the campaign asked last."""
        rows = await self._database.fetch(last_approval(campaign, run_id))
        return Approval(*rows[0]) if rows else None

    async def account_of_key(self, key_name: str) -> str | None:
        """The account whose key this was when Hamsa last said so."""
        query = select(call_accounts.c.account).where(call_accounts.c.key_name == key_name)
        rows = await self._database.fetch(query)
        return rows[0].account if rows else None

    async def on_hold(self, campaign: str) -> str | None:
        """Who put a campaign on hold and why, as a clause; None when it may go on."""
        query = select(campaigns.c.note, campaigns.c.held_by).where(
            campaigns.c.campaign == campaign, campaigns.c.on_hold
        )
        rows = await self._database.fetch(query)
        return why_on_hold(rows[0].note, rows[0].held_by) if rows else None

    async def campaign_names(self) -> list[str]:
        """Every campaign that has an attempt or was ever on hold, by name."""
        names = union(select(_COLUMNS.campaign), select(campaigns.c.campaign)).order_by("campaign")
        return [str(row.campaign) for row in await self._database.fetch(names)]


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
