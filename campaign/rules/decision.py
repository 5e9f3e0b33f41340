"""Whether a recipient may be called now: one pure decision, asked as a forecast and again inside the claim.

Promises that `Go` is given only if every rule holds at `at`, and that `NotNow.until` is the earliest moment at
which all of them will, if nothing else happens meanwhile. The same arguments always give the same answer.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from campaign.attempts import COUNTS, OPEN, AttemptState, PastAttempt
from campaign.buckets import Bucket
from campaign.rules.windows import Closed, Hours, local_time, opening

DialableKind = Literal["mobile", "fixed_line", "fixed_line_or_mobile", "voip", "personal_number", "uan", "toll_free"]
"""Kinds of line that a policy may allow. Premium-rate and shared-cost numbers are not among them."""

CONVERSATION = frozenset({AttemptState.COMPLETED, AttemptState.FORWARDED, AttemptState.TERMINATED})
"""Somebody may have talked to the agent. A terminated call is among them: it broke off, perhaps in mid-sentence."""

DONE = frozenset({AttemptState.COMPLETED, AttemptState.FORWARDED})
"""What the campaign wanted of the recipient is done: never called again in it."""

_NO = frozenset({"", "0", "false", "f", "no", "n", "none", "null", "n/a", "na", "unknown", "لا"})
"""How an agent may write that somebody did *not* ask to be left alone. Anything else counts as having asked."""

_POSSIBLE_FROM = "; possible from "
"""What stands in a reason between why somebody is not called now and when they may be."""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `calls` calls to one number, over all campaigns, in any stretch of `within`."""

    calls: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy with everything decided: what the preset says where the policy says nothing.

    Attributes:
        preset: The name of the preset it started from.
        hours: When a phone may ring, at the callee's place.
        caps: Limits on calls to one number over all campaigns.
        gaps: How long to wait after an attempt of the campaign that ended so; not named: no wait.
        silence: How long a number is left alone after a conversation, in any campaign.
        max_attempts: Attempts at one recipient within the campaign, uncertain ones included.
        redial_uncertain: Whether an attempt of unknown fate may be followed by another one.
        opt_out_fields: Outcome fields in which the agent notes that somebody wants no more calls.
        line_kinds: Kinds of line that may be called.
    """

    preset: str
    hours: Hours
    caps: tuple[Cap, ...]
    gaps: Mapping[AttemptState, timedelta]
    silence: timedelta
    max_attempts: int
    redial_uncertain: bool
    opt_out_fields: tuple[str, ...]
    line_kinds: frozenset[DialableKind]


class Callee(Protocol):
    """What the rules need of a recipient."""

    @property
    def id(self) -> str:
        """The recipient's id upstream."""
        ...

    @property
    def phone(self) -> str:
        """E.164."""
        ...


@dataclass(frozen=True, slots=True)
class Go:
    """May be called now, as this attempt (counted from 1; a vacant ledger row of that number is to be reused)."""

    attempt: int


@dataclass(frozen=True, slots=True)
class NotNow:
    """May be called later: from `until` on (UTC), or at no foreseeable time if that is None."""

    bucket: Bucket
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Never:
    """Is not called by this run, whatever the hour."""

    bucket: Bucket
    reason: str


def decide(
    *,
    recipient: Callee,
    zones: Sequence[str],
    country: str | None = None,
    history: Sequence[PastAttempt],
    campaign: str,
    run_id: str | None,
    rules: Rules,
    at: datetime,
) -> Go | NotNow | Never:
    """Decide whether a recipient may be called at `at`.

    Args:
        recipient: Whom to call.
        zones: Every time zone in which the callee may be; one, if the row names it. See `opening`.
        country: ISO 3166 code of the number's country, for working days and holidays.
        history: All attempts at this phone in any campaign, and at this recipient in this campaign.
        campaign: The campaign that wants to call.
        run_id: The run that asks.
        rules: `Policy.resolved()`.
        at: Aware; the moment of dialing, or of the forecast.

    Returns:
        `Go`, or the bucket in which the recipient ends with the reason: a clause without a full stop or a phone
        number, its times at the callee's place.
    """
    mine = _mine(recipient, history, campaign)
    if verdict := _final(history, mine, _also(recipient, history, campaign), run_id, rules):
        return verdict
    waits = _waits(recipient.phone, history, mine, rules, at)
    begin, because = max(waits, key=lambda wait: wait[0], default=(at, ""))
    hours = opening(rules.hours, zones, country, begin)
    if isinstance(hours, Closed):
        if hours.zone_unknown:
            return Never(Bucket.UNKNOWN_TIME_ZONE, hours.reason)
        if hours.opens_at is None:
            return NotNow(Bucket.DEFERRED, hours.reason, None)
        return NotNow(Bucket.DEFERRED, _until(because or hours.reason, hours.opens_at, zones), hours.opens_at)
    if waits:
        return NotNow(Bucket.DEFERRED, _until(because, begin, zones), begin)
    return Go(_next_attempt(mine))


def decide_for_good(
    *, recipient: Callee, history: Sequence[PastAttempt], campaign: str, run_id: str | None, rules: Rules
) -> Never | None:
    """What `decide` says if no waiting would change it, or None: for that it need not be known where the callee is."""
    mine = _mine(recipient, history, campaign)
    return _final(history, mine, _also(recipient, history, campaign), run_id, rules)


def _mine(recipient: Callee, history: Sequence[PastAttempt], campaign: str) -> list[PastAttempt]:
    return [past for past in history if past.campaign == campaign and past.recipient_id == recipient.id]


def _also(recipient: Callee, history: Sequence[PastAttempt], campaign: str) -> str | None:
    """Another recipient of the campaign who has the same number."""
    for past in history:
        if past.campaign == campaign and past.phone == recipient.phone and past.recipient_id != recipient.id:
            return past.recipient_id
    return None


def why_and_from_when(reason: str) -> tuple[str, str]:
    """Take a reason apart: why somebody is not called now, and the moment from which it is possible, if it names one.

    The moment differs from one recipient to the next, the rest does not.
    """
    why, _, when = reason.partition(_POSSIBLE_FROM)
    return why, when


def asks_for_no_more_calls(outcome: Mapping[str, Any] | None, fields: Iterable[str]) -> bool:
    """Whether an outcome says that the callee wants no more calls.

    Missing, null and a written no (`false`, `"no"`, `0`, …) do not; anything else in one of the fields does, since a
    refusal overheard is worse than a call not made.

    Args:
        outcome: What the agent extracted; any field can be null or a string.
        fields: Names of top-level fields (`rules.opt_out_fields`).
    """
    return any(_is_yes((outcome or {}).get(name)) for name in fields)


def _is_yes(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().strip(".").casefold() not in _NO
    return bool(value)


def _final(
    history: Sequence[PastAttempt],
    mine: Sequence[PastAttempt],
    also: str | None,
    run_id: str | None,
    rules: Rules,
) -> Never | None:
    """The reasons that no waiting changes. `also` is another recipient of the campaign with the same number."""
    if any(past.opted_out for past in history):
        return Never(Bucket.OPTED_OUT, "asked in an earlier call not to be called again")
    for past in mine:
        if past.state in DONE:
            how = "talked to the agent" if past.state is AttemptState.COMPLETED else "was forwarded to a person"
            return Never(Bucket.ALREADY_CALLED, f"{how} in attempt {past.attempt}")
    for past in mine:
        if past.state in OPEN and (verdict := _open_attempt(past, run_id, rules)):
            return verdict
    if verdict := _used_up(mine, rules):
        return verdict
    if also is not None:
        return Never(Bucket.DUPLICATE_NUMBER, f"this number belongs to recipient {also} of the campaign as well")
    if any(past.state is AttemptState.REFUSED and past.run_id == run_id for past in mine):
        return Never(Bucket.REFUSED, "Hamsa refused this call, and it is not tried again in the same run")
    return None


def _open_attempt(past: PastAttempt, run_id: str | None, rules: Rules) -> Never | None:
    if past.state is AttemptState.UNCERTAIN:
        if rules.redial_uncertain:
            return None
        return Never(Bucket.UNCERTAIN, f"nobody knows yet whether the phone rang in attempt {past.attempt}")
    doing = "is being placed" if past.state is AttemptState.CLAIMED else "is in progress"
    if past.run_id is not None and past.run_id != run_id:
        return Never(Bucket.OTHER_RUN, f"attempt {past.attempt} {doing} by another run")
    return Never(Bucket.IN_PROGRESS, f"attempt {past.attempt} {doing}")


def _used_up(mine: Sequence[PastAttempt], rules: Rules) -> Never | None:
    counted = [past for past in mine if past.state in COUNTS]
    if len(counted) < rules.max_attempts:
        return None
    # Those that an earlier, more generous policy made are counted too.
    allowed = _times(rules.max_attempts, "attempt")
    if any(past.state is AttemptState.UNCERTAIN for past in counted):
        return Never(Bucket.UNCERTAIN, f"an uncertain attempt counts, and no more than {allowed} may be made")
    last = _words(max(counted, key=_end).state)
    return Never(Bucket.ALREADY_CALLED, f"called as often as the policy allows ({allowed}); the last ended as {last}")


def _waits(
    phone: str, history: Sequence[PastAttempt], mine: Sequence[PastAttempt], rules: Rules, at: datetime
) -> list[tuple[datetime, str]]:
    """What has to be waited for, each with its end. Once over, none of them comes back without another call."""
    waits: list[tuple[datetime, str]] = []
    if last := max((past for past in mine if past.state in COUNTS), key=_end, default=None):
        # Of an uncertain attempt nothing is known; nobody answered is the likelier half.
        state = AttemptState.NO_ANSWER if last.state in OPEN else last.state
        gap = rules.gaps.get(state, timedelta())
        if _end(last) + gap > at:
            waits.append(
                (_end(last) + gap, f"attempt {last.attempt} ended as {_words(last.state)} less than {_span(gap)} ago")
            )
    if rules.caps:
        calls = sorted(
            (past.claimed_at for past in history if past.phone == phone and past.state in COUNTS), reverse=True
        )
        for cap in rules.caps:
            if len(calls) >= cap.calls and calls[cap.calls - 1] + cap.within > at:
                number = f"called {_times(cap.calls, 'time')} in {_span(cap.within)}, the most for one number"
                waits.append((calls[cap.calls - 1] + cap.within, number))
    if rules.silence:
        talks = [_end(past) for past in history if past.state in CONVERSATION]
        if talks and max(talks) + rules.silence > at:
            waits.append((max(talks) + rules.silence, f"had a conversation less than {_span(rules.silence)} ago"))
    return waits


def _next_attempt(mine: Collection[PastAttempt]) -> int:
    # The lowest free number, not the count plus one: an uncertain attempt that was redialed may have proved absent
    # since, and its vacant row is then the one to reuse.
    taken = {past.attempt for past in mine if past.state in COUNTS}
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


def _end(past: PastAttempt) -> datetime:
    return past.ended_at or past.claimed_at


def _until(reason: str, until: datetime, zones: Sequence[str]) -> str:
    # Shown to the minute: never earlier than it is.
    shown = until + timedelta(minutes=1) - timedelta(microseconds=1)
    return f"{reason}{_POSSIBLE_FROM}{local_time(shown, zones)}"


def _words(state: AttemptState) -> str:
    return state.label


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _span(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    if minutes % (24 * 60) == 0 and minutes > 24 * 60:
        return _times(minutes // (24 * 60), "day")
    return _times(minutes // 60, "hour") if minutes % 60 == 0 else _times(minutes, "minute")
