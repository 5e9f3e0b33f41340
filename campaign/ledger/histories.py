"""What the rules need of the past of many people at once, and no more: one statement for calls, one for opt-outs.

Promises to read everything that is in flight and everything of the campaign itself, and of the rest only the newest
calls to a number and a person as far back as a cap or the silence looks: a ledger of years is as quick as a new one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, func, not_, or_, select, text, true, union_all

from campaign.attempts import COUNTS, AttemptState, PastAttempt
from campaign.ledger.database import AnyRow, Database
from campaign.ledger.schema import IN_FLIGHT, call_attempts, opt_outs
from campaign.rules.decision import CONVERSATION
from campaign.rules.opt_outs import OptOut, Said

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
)
"""What the rules need of a row, in the order in which `past_attempt` reads it."""

_READ = (*PAST, _ATTEMPTS.call_key, _ATTEMPTS.tries)

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
        most: How many of the newest calls of other campaigns matter; all do if None.
    """

    campaign: str
    phones: Collection[str]
    recipient_ids: Collection[str]
    persons: Collection[str]
    since: datetime | None = None
    most: int | None = None


class Histories(dict[str, list[PastAttempt]]):
    """Attempts, oldest first: by `phone`, and by `"id:" + recipient_id` in the campaign.

    Attributes:
        people: Attempts by person.
        opt_outs: What bars a number, by `phone`, or a person, by `"person:" + person`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, list[PastAttempt]] = {}
        self.opt_outs: dict[str, OptOut] = {}

    def of(self, phone: str, recipient_id: str, person: str | None = None) -> list[PastAttempt]:
        """All that is known of a recipient's number, of the recipient, and of the person."""
        found = self.get(phone, ())
        theirs = (self.get(f"id:{recipient_id}", ()), self.people.get(person or recipient_id, ()))
        more = [past for pasts in theirs for past in pasts if past.phone != phone]
        return [*found, *dict.fromkeys(more)] if more else list(found)

    def opt_out_of(self, phone: str, person: str) -> OptOut | None:
        """What bars this number or this person, if anything does."""
        return self.opt_outs.get(phone) or self.opt_outs.get(f"person:{person}")

    def add(self, pasts: Sequence[PastAttempt], campaign: str) -> None:
        """Take in attempts."""
        for past in sorted(pasts, key=_age):
            self.setdefault(past.phone, []).append(past)
            self.people.setdefault(past.who, []).append(past)
            if past.campaign == campaign:
                self.setdefault(f"id:{past.recipient_id}", []).append(past)

    def bar(self, found: Sequence[OptOut]) -> None:
        """Take in opt-outs. A plain refusal wins over words that a person has to read."""
        for each in sorted(found, key=_clearest):
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
    campaign, recipient_id, phone, attempt, state, claimed_at, ended_at, run_id, person, debt = row[: len(PAST)]
    return PastAttempt(
        campaign, recipient_id, phone, attempt, AttemptState(state), claimed_at, ended_at, False, run_id, person, debt
    )


def calls_query(database: Database, asked: Asked) -> CompoundSelect[Any]:
    """Ask for the calls that matter. A call can be in the answer more than once."""
    at_number = database.among(_ATTEMPTS.phone, asked.phones)
    to_recipient = database.among(_ATTEMPTS.recipient_id, asked.recipient_ids)
    to_person = database.among(_ATTEMPTS.person, asked.persons)
    here = _ATTEMPTS.campaign == asked.campaign
    in_flight = text(IN_FLIGHT)
    of_old: list[ColumnElement[bool]] = [_ATTEMPTS.state.in_(sorted(COUNTS))]
    if asked.since is not None:
        of_old.append(_ATTEMPTS.claimed_at >= asked.since)
    return union_all(
        select(*_READ).where(here, to_recipient),
        select(*_READ).where(here, at_number, not_(to_recipient)),
        select(*_READ).where(in_flight, at_number),
        select(*_READ).where(in_flight, to_person),
        _newest(asked, at_number, _ATTEMPTS.campaign != asked.campaign, *of_old),
        _newest(asked, to_person, not_(at_number), not_(and_(here, to_recipient)), *of_old),
    )


def _newest(asked: Asked, *which: ColumnElement[bool]) -> Select[Any]:
    """Of each number and person, about each debt: the newest calls that caps count, and the last conversation."""
    if asked.most is None:
        return select(*_READ).where(*which)
    apart = (_ATTEMPTS.phone, _ATTEMPTS.person, _ATTEMPTS.debt)
    talked = _ATTEMPTS.state.in_(sorted(CONVERSATION))
    over = func.coalesce(_ATTEMPTS.ended_at, _ATTEMPTS.claimed_at)
    recent = (
        select(
            *_READ,
            talked.label("talked"),
            func.row_number().over(partition_by=apart, order_by=_ATTEMPTS.claimed_at.desc()).label("place"),
            func.row_number().over(partition_by=(*apart, talked), order_by=over.desc()).label("place_of_kind"),
        )
        .where(*which)
        .subquery()
    )
    kept = or_(recent.c.place <= asked.most, and_(recent.c.talked, recent.c.place_of_kind == 1))
    return select(*(recent.c[column.name] for column in _READ)).where(kept)


def opt_outs_query(
    database: Database, phones: Collection[str], persons: Collection[str], *, lifted: bool = False
) -> CompoundSelect[Any]:
    """Ask for what bars these numbers and people; with `lifted`, also for what did."""
    holds = true() if lifted else opt_outs.c.lifted_at.is_(None)
    return union_all(
        select(*_OPT_OUT).where(holds, database.among(opt_outs.c.phone, phones)),
        select(*_OPT_OUT).where(holds, database.among(opt_outs.c.person, persons)),
    )


def opt_out(row: AnyRow) -> OptOut:
    """Read a row of `call_opt_outs`."""
    values = list(row)
    values[_SAID] = Said(values[_SAID])
    return OptOut(*values)


_SAID = tuple(OptOut.__dataclass_fields__).index("said")


def _age(past: PastAttempt) -> datetime:
    return past.claimed_at


def _clearest(each: OptOut) -> bool:
    return each.said is Said.UNCLEAR
