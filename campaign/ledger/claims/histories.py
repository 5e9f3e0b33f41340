"""What the rules need of the past of many people at once, and no more: one statement for calls, one for opt-outs.

Promises to read everything that is in flight and everything of the campaign itself, and of the rest only the newest
calls to a number and a person as far back as a cap or the silence looks: a ledger of years is as quick as a new one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    CompoundSelect,
    Integer,
    Select,
    Text,
    bindparam,
    literal_column,
    select,
    text,
    true,
    union,
    union_all,
)

from campaign.attempts import COUNTS, VACANT, AttemptState, PastAttempt
from campaign.ledger.database.connections import AnyRow, Database, named_among, named_list
from campaign.ledger.schema import IN_FLIGHT, UtcDateTime, call_attempts, opt_outs
from campaign.rules import CONVERSATION, OptOut, Said

_ATTEMPTS = call_attempts.c

PAST = (
    _ATTEMPTS.campaign,
    _ATTEMPTS.recipient_id,
    _ATTEMPTS.phone,
    _ATTEMPTS.attempt,
    _ATTEMPTS.state,
    _ATTEMPTS.claimed_at,
    _ATTEMPTS.ended_at,
    _ATTEMPTS.run_id,
    _ATTEMPTS.person,
    _ATTEMPTS.debt,
    _ATTEMPTS.status,
    _ATTEMPTS.error,
)
"""What the rules need of a row, in the order in which `past_attempt` reads it."""

ROW = (
    _ATTEMPTS.call_key,
    _ATTEMPTS.tries,
    _ATTEMPTS.status_code,
    _ATTEMPTS.account,
    _ATTEMPTS.agent_id,
    _ATTEMPTS.updated_at,
    _ATTEMPTS.denied_at,
)
"""What a claim needs to know of a row beside that."""

_READ = (*PAST, *ROW)

_OPT_OUT = tuple(opt_outs.c[name] for name in OptOut.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose past is asked for.

    Attributes:
        campaign: Of which everything is read.
        phones: Numbers, of any campaign.
        recipient_ids: Recipients of the campaign.
        persons: People, of any campaign.
        since: Calls of other campaigns that are older do not matter; all do if None.
        most: How many of the newest calls to a number or a person matter; all do if None.
        talked_since: Older conversations do not matter; none does if None.
    """

    campaign: str
    phones: Collection[str]
    recipient_ids: Collection[str]
    persons: Collection[str]
    since: datetime | None = None
    most: int | None = None
    talked_since: datetime | None = None


class Histories(dict[str, list[PastAttempt]]):
    """Attempts, oldest first: by `phone`, and by `"id:" + recipient_id` in the campaign.

    Attributes:
        opt_outs: What blocks a number, by `phone`, or a person, by `"person:" + person`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, list[PastAttempt]] = {}
        self.opt_outs: dict[str, OptOut] = {}

    def __missing__(self, key: str) -> list[PastAttempt]:
        """Nothing is known."""
        return []

    def of(self, phone: str, recipient_id: str, person: str | None = None) -> list[PastAttempt]:
        """All that is known of a recipient's number, of the recipient, and of the person."""
        found = self.get(phone, ())
        theirs = (self.get(f"id:{recipient_id}", ()), self.people.get(person or recipient_id, ()))
        more = [past for pasts in theirs for past in pasts if past.phone != phone]
        return [*found, *dict.fromkeys(more)] if more else list(found)

    def opt_out_of(self, phone: str, person: str) -> OptOut | None:
        """What blocks this number or this person, if anything does."""
        return self.opt_outs.get(phone) or self.opt_outs.get(f"person:{person}")

    def add(self, pasts: Sequence[PastAttempt], campaign: str) -> None:
        """Take in attempts."""
        for past in sorted(pasts, key=lambda past: past.claimed_at):
            self.setdefault(past.phone, []).append(past)
            self.people.setdefault(past.who, []).append(past)
            if past.campaign == campaign:
                self.setdefault(f"id:{past.recipient_id}", []).append(past)

    def bar(self, found: Sequence[OptOut]) -> None:
        """Take in opt-outs. A plain refusal wins over words that a person has to read."""
        for each in sorted(found, key=lambda each: each.said is Said.UNCLEAR):
            for key in (each.phone, each.person and f"person:{each.person}"):
                if key:
                    self.opt_outs.setdefault(key, each)

    def replace(self, other: "Histories", keys: Collection[str], persons: Collection[str]) -> None:
        """Take what another one has of these keys and people in place of one's own."""
        for key in keys:
            self[key] = other.get(key, [])
        for person in persons:
            self.people[person] = other.people.get(person, [])
        self.opt_outs.update(other.opt_outs)


def past_attempt(row: AnyRow) -> PastAttempt:
    """Read a row of `calls_query`."""
    campaign, recipient_id, phone, attempt, state, claimed_at, ended_at, *others = row[: len(PAST)]
    return PastAttempt(
        campaign, recipient_id, phone, attempt, AttemptState(state), claimed_at, ended_at, False, *others
    )


def calls_query(database: Database, asked: Asked) -> tuple[CompoundSelect[Any], dict[str, Any]]:
    """Ask for the calls that matter, each once: the statement and its parameters."""
    statement = _calls_statement(
        database.is_file,
        since=asked.since is not None,
        most=None if asked.most is None else asked.most > 0,
        talked=asked.talked_since is not None,
    )
    return statement, {
        "campaign": asked.campaign,
        "phones": database.as_parameter(asked.phones),
        "recipients": database.as_parameter(asked.recipient_ids),
        "persons": database.as_parameter(asked.persons),
        "since": asked.since,
        "most": asked.most,
        "talked_since": asked.talked_since,
    }


@lru_cache(maxsize=32)
def _calls_statement(is_file: bool, *, since: bool, most: bool | None, talked: bool) -> CompoundSelect[Any]:
    """Made once for each form: to put it together takes longer than to run it."""
    here = _ATTEMPTS.campaign == bindparam("campaign", type_=Text)
    recent = _ATTEMPTS.claimed_at >= bindparam("since", type_=UtcDateTime) if since else true()
    queries = [select(*_READ).where(here, named_among(_ATTEMPTS.recipient_id, "recipients", is_file))]
    for column, name in ((_ATTEMPTS.phone, "phones"), (_ATTEMPTS.person, "persons")):
        theirs = named_among(column, name, is_file)
        if column is _ATTEMPTS.phone:
            queries.append(select(*_READ).where(here, theirs))
        queries.append(select(*_READ).where(text(IN_FLIGHT), theirs))
        if most is None:
            queries.append(select(*_READ).where(theirs, recent, _ATTEMPTS.state.not_in(sorted(VACANT))))
            continue
        if most:
            limit = bindparam("most", type_=Integer)
            queries.append(_newest(column, name, is_file, since="since" if since else None, most=limit, states=COUNTS))
        if talked:
            queries.append(_newest(column, name, is_file, since="talked_since", most=1, states=CONVERSATION))
    return union(*queries)


def _newest(
    column: Column[str],
    name: str,
    is_file: bool,
    *,
    since: str | None,
    most: BindParameter[int] | int,
    states: Collection[AttemptState],
) -> Select[Any]:
    """The newest calls in these states to each number or person: found by the index, however many there are."""
    each = named_list(name, is_file)
    call = call_attempts.alias("call")
    newest = (
        select(call)
        .where(call.c[column.name] == each.c.value, call.c.state.in_(sorted(states)))
        .where(true() if since is None else call.c.claimed_at >= bindparam(since, type_=UtcDateTime))
        .order_by(call.c.claimed_at.desc())
        .limit(most)
    )
    if not is_file:
        found = newest.lateral()
        return select(*(found.c[wanted.name] for wanted in _READ)).select_from(each.join(found, true()))
    # SQLite has no LATERAL, but its rows have numbers.
    rows: Select[Any] = newest.with_only_columns(literal_column("call.rowid")).correlate(each)
    return select(*_READ).select_from(each.join(call_attempts, literal_column("call_attempts.rowid").in_(rows)))


def opt_outs_query(
    database: Database, phones: Collection[str], persons: Collection[str], *, lifted: bool = False
) -> tuple[CompoundSelect[Any], dict[str, Any]]:
    """Ask for what blocks these numbers and people; with `lifted`, also for what did. With its parameters."""
    parameters = {"phones": database.as_parameter(phones), "persons": database.as_parameter(persons)}
    return _opt_outs_statement(database.is_file, lifted=lifted), parameters


@lru_cache(maxsize=8)
def _opt_outs_statement(is_file: bool, *, lifted: bool) -> CompoundSelect[Any]:
    holds = true() if lifted else opt_outs.c.lifted_at.is_(None)
    return union_all(
        select(*_OPT_OUT).where(holds, named_among(opt_outs.c.phone, "phones", is_file)),
        select(*_OPT_OUT).where(holds, named_among(opt_outs.c.person, "persons", is_file)),
    )


def opt_out(row: AnyRow) -> OptOut:
    """Read a row of `call_opt_outs`."""
    values = list(row)
    values[_SAID] = Said(values[_SAID])
    return OptOut(*values)


_SAID = tuple(OptOut.__dataclass_fields__).index("said")
