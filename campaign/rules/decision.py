"""Whether a recipient may be called now: one pure decision, asked as a forecast and again inside the claim.

Promises that `Go` is given only if every rule holds at `at`, and that `NotNow.until` is the earliest moment at
which all of them will, if nothing else happens meanwhile. The same arguments always give the same answer.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from campaign.attempts import COUNTS, OPEN, AttemptState, PastAttempt
from campaign.buckets import Bucket
from campaign.intake import CalledBefore, Recipient
from campaign.rules.opening import Closed, local_time, opening
from campaign.rules.rules import LONGEST_CALL, Cap, Go, Never, NotNow, Rules
from campaign.wording import counted

CONVERSATION = frozenset({AttemptState.COMPLETED, AttemptState.FORWARDED, AttemptState.TERMINATED})
"""Somebody may have talked to the agent. A terminated call is among them: it broke off, perhaps in mid-sentence."""

DONE = frozenset({AttemptState.COMPLETED, AttemptState.FORWARDED})
"""What the campaign wanted of the recipient is done: never called again in it."""


ASKED_IN_A_CALL = "asked in an earlier call not to be called again"

_POSSIBLE_FROM = "; possible from "
"""What stands in a reason between why somebody is not called now and when they may be."""


def decide(
    *,
    recipient: Recipient,
    history: Sequence[PastAttempt],
    campaign: str,
    run_id: str | None,
    rules: Rules,
    at: datetime,
) -> Go | NotNow | Never:
    """Decide whether a recipient may be called at `at`.

    Args:
        history: The attempts at this number and at this person in any campaign, as far back as the rules look, and
            all at this recipient in this campaign.
        rules: `Policy.resolved()`.
        at: Aware; the moment of dialing, or of the forecast.

    Returns:
        `Go`, or the bucket in which the recipient ends with the reason: a clause without a full stop or a phone
        number, its times at the callee's place.
    """
    mine = _mine(recipient, history, campaign)
    if verdict := _final(history, mine, _also(recipient, history, campaign), run_id, rules):
        return verdict
    zones, terms = recipient.zones, recipient.terms
    placed = rules.at(recipient.country, terms.subdivision)
    if isinstance(placed, Never):
        return placed
    rules, place = placed
    if why := rules.consent.why_not(terms.consent, at, zones):
        return Never(Bucket.NO_CONSENT, why)
    waits = _waits(recipient, history=history, mine=mine, rules=rules, at=at)
    begin, because = max(waits, key=lambda wait: wait[0], default=(at, ""))
    bucket = Bucket.DEFERRED
    if (ringing := _in_flight(recipient, history, campaign, at)) is not None:
        # Whatever else has to be waited for: that call's end decides.
        bucket, until, because = ringing
        begin = max(begin, until)
    hours = opening(rules.hours, zones, place, begin, terms.hours)
    possible = hours.opens_at if isinstance(hours, Closed) else begin
    if possible is not None and (why := rules.consent.why_not(terms.consent, possible, zones)):
        return Never(Bucket.NO_CONSENT, f"{why} when a call is possible")
    if isinstance(hours, Closed):
        if hours.zone_unknown:
            return Never(Bucket.UNKNOWN_TIME_ZONE, hours.reason)
        if hours.opens_at is None:
            return NotNow(bucket, because or hours.reason, None)
        return NotNow(bucket, _until(because or hours.reason, hours.opens_at, zones), hours.opens_at)
    if because:
        return NotNow(bucket, _until(because, begin, zones), begin)
    return Go(_next_attempt(mine))


def decide_for_good(
    recipient: Recipient | CalledBefore,
    history: Sequence[PastAttempt],
    *,
    campaign: str,
    run_id: str | None,
    rules: Rules,
) -> Never | None:
    """What `decide` says if no waiting would change it, or None: for that it need not be known where the callee is."""
    mine = _mine(recipient, history, campaign)
    return _final(history, mine, _also(recipient, history, campaign), run_id, rules)


def _mine(recipient: Recipient | CalledBefore, history: Sequence[PastAttempt], campaign: str) -> list[PastAttempt]:
    return [past for past in history if past.campaign == campaign and past.recipient_id == recipient.id]


def _also(recipient: Recipient | CalledBefore, history: Sequence[PastAttempt], campaign: str) -> str | None:
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


def _final(
    history: Sequence[PastAttempt], mine: Sequence[PastAttempt], also: str | None, run_id: str | None, rules: Rules
) -> Never | None:
    """The reasons that no waiting changes. `also` is another recipient of the campaign with the same number."""
    if any(past.opted_out for past in history):
        return Never(Bucket.OPTED_OUT, ASKED_IN_A_CALL)
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
    why = f": {past.error}" if past.error else ""
    if past.state is AttemptState.UNCERTAIN:
        if rules.redial_uncertain:
            return None
        return Never(Bucket.UNCERTAIN, f"nobody knows yet whether the phone rang in attempt {past.attempt}{why}")
    if past.state is AttemptState.PLACED:
        since = f"{past.claimed_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return Never(Bucket.IN_PROGRESS, f"attempt {past.attempt} has been in progress since {since}{why}")
    if past.run_id is not None and past.run_id != run_id:
        return Never(Bucket.OTHER_RUN, f"attempt {past.attempt} is being placed by another run")
    return Never(Bucket.IN_PROGRESS, f"attempt {past.attempt} is being placed")


def _used_up(mine: Sequence[PastAttempt], rules: Rules) -> Never | None:
    made = [past for past in mine if past.state in COUNTS]
    if len(made) < rules.max_attempts:
        return None
    # Those that an earlier, more generous policy made are counted too.
    allowed = counted(rules.max_attempts, "attempt")
    if any(past.state is AttemptState.UNCERTAIN for past in made):
        return Never(Bucket.UNCERTAIN, f"an uncertain attempt counts, and no more than {allowed} may be made")
    last = max(made, key=_end).state.label
    return Never(Bucket.ALREADY_CALLED, f"called as often as the policy allows ({allowed}); the last ended as {last}")


def _in_flight(
    recipient: Recipient, history: Sequence[PastAttempt], campaign: str, at: datetime
) -> tuple[Bucket, datetime, str] | None:
    """Another call that rings this number or this person's phone, or may: the bucket, until when at most, and words.

    This recipient's own attempts are judged before; what is known of nobody's end after `LONGEST_CALL` rings no more.
    """
    others = [
        past
        for past in history
        if past.state in OPEN
        and past.claimed_at + LONGEST_CALL > at
        and (past.campaign != campaign or past.recipient_id != recipient.id)
    ]
    if not others:
        return None
    last = max(others, key=_start)
    whose = "this number" if last.phone == recipient.phone else "this person, at another number,"
    where = "of this campaign" if last.campaign == campaign else f"of the campaign {last.campaign}"
    until = last.claimed_at + LONGEST_CALL
    if last.state is AttemptState.UNCERTAIN:
        return Bucket.DEFERRED, until, f"nobody knows yet whether a call {where} rang {whose.rstrip(',')}"
    return Bucket.OTHER_RUN, until, f"{whose} is being called by a call {where}"


def _waits(
    recipient: Recipient,
    *,
    history: Sequence[PastAttempt],
    mine: Sequence[PastAttempt],
    rules: Rules,
    at: datetime,
) -> list[tuple[datetime, str]]:
    """What has to be waited for, each with its end. Once over, none of them comes back without another call."""
    waits: list[tuple[datetime, str]] = []
    debt = recipient.debt
    if last := max((past for past in mine if past.state in COUNTS), key=_end, default=None):
        # Of an uncertain attempt nothing is known; nobody answered is the likelier half.
        state = AttemptState.NO_ANSWER if last.state in OPEN else last.state
        gap = rules.gaps.get(state, timedelta())
        if _end(last) + gap > at:
            waits.append(
                (_end(last) + gap, f"attempt {last.attempt} ended as {last.state.label} less than {_span(gap)} ago")
            )
    if rules.caps:
        made = sorted((past for past in history if past.state in COUNTS), key=_start, reverse=True)
        for whose, theirs in (("number", _at(recipient.phone)), ("person", _to(recipient.who))):
            calls = [past for past in made if theirs(past)]
            for cap in rules.caps:
                per_debt = debt is not None and cap.within in rules.caps_per_debt
                counts = list(filter(_about(debt), calls)) if per_debt else calls
                if (ends := _capped(cap, counts, at)) is not None:
                    most = f"the most for one {whose}{' and debt' if per_debt else ''}"
                    most += f" by the rules for {rules.place}" if rules.place else ""
                    waits.append((ends, f"called {counted(cap.calls, 'time')} in {_span(cap.within)}, {most}"))
    if rules.silence:
        about = _about(debt) if rules.silence_per_debt else _anything
        talks = [past for past in history if past.state in CONVERSATION and about(past)]
        if talks and (over := max(map(_end, talks)) + rules.silence) > at:
            waits.append((over, f"had a conversation less than {_span(rules.silence)} ago"))
    return waits


def _capped(cap: Cap, calls: Sequence[PastAttempt], at: datetime) -> datetime | None:
    """When a cap allows the next call, if it does not now. Calls are newest first."""
    if len(calls) < cap.calls or (over := calls[cap.calls - 1].claimed_at + cap.within) <= at:
        return None
    return over


def _at(phone: str) -> Callable[[PastAttempt], bool]:
    return lambda past: past.phone == phone


def _to(who: str) -> Callable[[PastAttempt], bool]:
    return lambda past: past.who == who


def _about(debt: str | None) -> Callable[[PastAttempt], bool]:
    """Calls about this debt. Where it is not known what a call was about, or what this one is, they are alike."""
    return lambda past: debt is None or past.debt is None or past.debt == debt


def _anything(_past: PastAttempt) -> bool:
    return True


def _next_attempt(mine: Collection[PastAttempt]) -> int:
    # The lowest free number, not the count plus one: an uncertain attempt that was redialed may have proved absent
    # since, and its vacant row is then the one to reuse.
    taken = {past.attempt for past in mine if past.state in COUNTS}
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


def _start(past: PastAttempt) -> datetime:
    return past.claimed_at


def _end(past: PastAttempt) -> datetime:
    # A call whose end was learned days later was over long before.
    if past.ended_at is None:
        return past.claimed_at
    # By a clock that is not ours, an end may lie before its call.
    return max(past.claimed_at, min(past.ended_at, past.claimed_at + LONGEST_CALL))


def _until(reason: str, until: datetime, zones: Sequence[str]) -> str:
    # Shown to the minute: never earlier than it is.
    shown = until + timedelta(minutes=1) - timedelta(microseconds=1)
    return f"{reason}{_POSSIBLE_FROM}{local_time(shown, zones)}"


def _span(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    if minutes % (24 * 60) == 0 and minutes > 24 * 60:
        return counted(minutes // (24 * 60), "day")
    return counted(minutes // 60, "hour") if minutes % 60 == 0 else counted(minutes, "minute")
