"""Who gets a claim: pure, over what the ledger holds of the numbers and recipients that a group of claims asks for.

Promises that no two claims of a group get the same attempt, that the rules of each are asked with everything known of
its number and its recipient, and that only a vacant attempt is claimed again.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self, TypeAlias
from uuid import uuid4

from campaign.attempts import VACANT, AttemptState, Claim, Denial, PastAttempt
from campaign.buckets import Bucket
from campaign.ledger.claims.histories import Histories
from campaign.ledger.claims.limits import LimitReached, Limits, Spending
from campaign.ledger.erasure.pseudonyms import Pseudonyms
from campaign.rules import Go, Never, NotNow, OptOut

Decide: TypeAlias = Callable[[Sequence[PastAttempt], datetime], Go | NotNow | Never]
"""Given the attempts at this number, this person and this recipient that matter, and the time: may it be dialed?"""


@dataclass(frozen=True, slots=True, eq=False)
class ClaimRequest:
    """Who is to be claimed, and the rules and limits that are asked inside the claim's own transaction.

    Attributes:
        recipient_id: Whom, by the id upstream.
        phone: E.164.
        lease_seconds: How long the claim may be used.
        account: Whose key it is.
        person: Who it is, where the recipient's id is something else's.
        debt: What the call is about.
        opt_out_fields: The outcome fields that mean *no more calls*, written on the claim.
        policy: The version of the rules, and …
        stated: … what the ledger keeps of them.
        looks_back: How old a call of another campaign may be that matters; any age if None.
        route: Whose number calls.
        silence: How old a conversation may be that matters.
        most_counted: How many of the newest of them matter; all if None.
    """

    campaign: str
    recipient_id: str
    phone: str
    run_id: str
    lease_seconds: float
    decide: Decide
    account: str | None = None
    agent_id: str | None = None
    agent_updated_at: datetime | None = None
    route: str | None = None
    limits: Limits | None = None
    person: str | None = None
    debt: str | None = None
    opt_out_fields: tuple[str, ...] = ()
    policy: str | None = None
    stated: Mapping[str, Any] = field(default_factory=dict, repr=False)
    looks_back: timedelta | None = None
    silence: timedelta = timedelta()
    most_counted: int | None = None

    @property
    def who(self) -> str:
        """The person, over all campaigns."""
        return self.person or self.recipient_id


_DENIED = frozenset({AttemptState.RELEASED, AttemptState.REFUSED})
"""In these states Hamsa may have said no. Otherwise nothing was sent, or its absence was proved."""


class Seen(NamedTuple):
    """A row of the ledger, as far as claims need it."""

    call_key: str
    tries: int
    past: PastAttempt
    denial: Denial | None = None

    @classmethod
    def of(cls, past: PastAttempt, columns: Iterable[Any]) -> Self:
        """Read what the columns `histories.ROW` hold."""
        call_key, tries, status_code, account, agent_id, updated_at, denied_at = columns
        denied = past.state in _DENIED and (denied_at is not None or status_code is not None)
        denial = Denial(account, agent_id, denied_at or past.claimed_at, updated_at) if denied else None
        return cls(call_key, tries, past, denial)


class Known:
    """The attempts that matter to a group of claims, kept up to date as the group adds its own.

    Args:
        pseudonyms: Whose numbers and ids were erased, of those that are asked for.
    """

    def __init__(self, pseudonyms: Pseudonyms | None = None) -> None:
        self._pseudonyms = pseudonyms or Pseudonyms()
        self._places: dict[str, tuple[Hashable, ...]] = {}
        self._by: defaultdict[Hashable, dict[str, Seen]] = defaultdict(dict)
        self._opt_outs = Histories()

    def add(self, row: Seen) -> None:
        """Note an attempt, in place of what was known of it."""
        past = self._pseudonyms.named(row.past)
        row = row._replace(past=past)
        places = (("p", past.phone), ("r", past.campaign, past.recipient_id), ("h", past.who))
        for place in self._places.get(row.call_key, ()):  # it may have been claimed again, at a new number
            self._by[place].pop(row.call_key, None)
        for place in places:
            self._by[place][row.call_key] = row
        self._places[row.call_key] = places

    def bar(self, found: Sequence[OptOut]) -> None:
        """Note who is not to be called."""
        self._opt_outs.bar([self._pseudonyms.named(each) for each in found])

    def opt_out_of(self, request: ClaimRequest) -> OptOut | None:
        """What blocks the number or the person, if anything does."""
        return self._opt_outs.opt_out_of(request.phone, request.who)

    def of(self, request: ClaimRequest) -> list[Seen]:
        """What is known of the number and the person in any campaign, and of the recipient in this one."""
        places = (("p", request.phone), ("r", request.campaign, request.recipient_id), ("h", request.who))
        found: dict[str, Seen] = {}
        for place in places:
            found |= self._by.get(place, {})
        return list(found.values())


@dataclass(slots=True)
class Verdicts:
    """What a group of claims comes to.

    Attributes:
        answers: One per request, in their order: an exception if the request's own rules failed.
        again: Rows to be taken over: vacant attempts that are claimed once more.
    """

    answers: list[Claim | NotNow | Never | LimitReached | Exception] = field(default_factory=list)
    new: list[dict[str, Any]] = field(default_factory=list)
    again: list[dict[str, Any]] = field(default_factory=list)


def judge(
    requests: Sequence[ClaimRequest],
    known: Known,
    held: Mapping[str, str],
    spending: Mapping[ClaimRequest, Spending],
    now: datetime,
) -> Verdicts:
    """Decide a group of claims, one after the other.

    Args:
        known: What the ledger holds of their numbers and recipients; the claims that are given are added.
        held: Campaigns that are on hold, with the reason.
        spending: What the claims that are bound by limits are judged by; the claims that are given are added.
    """
    verdicts = Verdicts()
    for request in requests:
        try:
            verdicts.answers.append(
                _judge_one(request, known, held, spending=spending.get(request), now=now, verdicts=verdicts)
            )
        except Exception as error:  # noqa: BLE001  # the rules of one recipient never stop the others
            verdicts.answers.append(error)
    return verdicts


def _judge_one(
    request: ClaimRequest,
    known: Known,
    held: Mapping[str, str],
    *,
    spending: Spending | None,
    now: datetime,
    verdicts: Verdicts,
) -> Claim | NotNow | Never | LimitReached:
    if request.campaign in held:
        return NotNow(Bucket.NOT_REACHED, f"the campaign is on hold ({held[request.campaign]})", None)
    if (blocked := known.opt_out_of(request)) is not None:
        return blocked.as_never()
    seen = known.of(request)
    verdict = request.decide([row.past for row in seen], now)
    if not isinstance(verdict, Go):
        return verdict
    vacant = _vacant(request, seen, verdict.attempt)
    if isinstance(vacant, Never):
        return vacant
    reserved = None
    if spending is not None and request.limits is not None:
        if (reached := spending.judge(request.run_id, request.limits)) is not None:
            return reached
        reserved = spending.share(request.limits)
        spending.claimed(request.run_id, request.limits, now)
    claim = Claim(
        call_key=vacant.call_key if vacant else uuid4().hex,
        campaign=request.campaign,
        recipient_id=request.recipient_id,
        phone=request.phone,
        attempt=verdict.attempt,
        turn=vacant.tries + 1 if vacant else 1,
        claimed_at=now,
        lease_until=now + timedelta(seconds=request.lease_seconds),
        opt_out_fields=request.opt_out_fields,
        denial=vacant.denial if vacant else None,
    )
    (verdicts.again if vacant else verdicts.new).append(
        {**_row(claim, request, verdict.facts), "reserved_cost": reserved}
    )
    known.add(Seen(claim.call_key, claim.turn, _past(claim, request)))
    return claim


def _vacant(request: ClaimRequest, seen: Sequence[Seen], attempt: int) -> Seen | Never | None:
    """The row of this attempt that may be claimed again, if there is one; `Never` if the attempt is taken."""
    vacant: Seen | None = None
    for row in seen:
        past = row.past
        if past.campaign != request.campaign or past.attempt != attempt:
            continue
        if past.recipient_id != request.recipient_id and past.phone != request.phone:
            continue  # the same person, as another recipient at another number: the rules have judged that
        if past.recipient_id != request.recipient_id:
            return Never(Bucket.DUPLICATE_NUMBER, "this number is called for another recipient of the campaign")
        if past.state not in VACANT:
            return Never(Bucket.OTHER_RUN, f"attempt {attempt} is already {past.state.label}")
        vacant = row
    return vacant


def _row(claim: Claim, request: ClaimRequest, facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns that a claim writes."""
    return {
        "call_key": claim.call_key,
        "campaign": claim.campaign,
        "recipient_id": claim.recipient_id,
        "phone": claim.phone,
        "attempt": claim.attempt,
        "state": AttemptState.CLAIMED.value,
        "run_id": request.run_id,
        "account": request.account,
        "agent_id": request.agent_id,
        "route": request.route,
        "agent_updated_at": request.agent_updated_at,
        "claimed_at": claim.claimed_at,
        "denied_at": claim.denial.asked_at if claim.denial else None,
        "lease_until": claim.lease_until,
        "updated_at": claim.claimed_at,
        "tries": claim.turn,
        "looks": 0,
        "opted_out": False,
        "echoed": False,
        "person": request.who,
        "debt": request.debt,
        "opt_out_fields": list(request.opt_out_fields) or None,
        "policy": request.policy,
        "decided_by": None if facts is None else dict(facts),
    }


def _past(claim: Claim, request: ClaimRequest) -> PastAttempt:
    return PastAttempt(
        campaign=claim.campaign,
        recipient_id=claim.recipient_id,
        phone=claim.phone,
        attempt=claim.attempt,
        state=AttemptState.CLAIMED,
        claimed_at=claim.claimed_at,
        run_id=request.run_id,
        person=request.who,
        debt=request.debt,
    )
