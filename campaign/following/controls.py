"""Controls: calls that Hamsa surely has, by which a look at its list is checked before its silence is believed.

Promises that a look speaks only if it shows every control old enough to be listed, each with the number, time and agent
by which the attempt's own call would be found, with one made surely before and one surely after it, and only if it
shows calls that nobody answered as well. A list that is behind, cut off, cached, filtered otherwise than asked for, or
that writes its fields otherwise, shows itself here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from campaign.attempts import Attempt
from campaign.following.reading import Look
from campaign.intake import means_number
from campaign.ledger import Control
from hamsa.models import CallSummary, JobStatus


def why_silent(
    attempt: Attempt,
    look: Look,
    controls: Sequence[Control],
    *,
    now: datetime,
    old_enough: timedelta,
    offset: timedelta,
    tolerance: timedelta,
) -> str | None:
    """Why it means nothing that a look does not show an attempt's call; None if it does mean something.

    Args:
        attempt: Whose call was not found.
        controls: Calls of the attempt's account and agent, from about the same time.
        old_enough: A call older than this must be listed.
        offset: How far Hamsa's clock is ahead of ours.
        tolerance: How much further off a time in the list may be.
    """
    if look.unread is not None:
        return look.unread
    rows = {row.id: row for row in look.rows}
    shown = [control for control in controls if control.job_id in rows]
    # Assumed: the call list holds every call of the account's key.
    # Assumed: the call list holds a call soon.
    missing = [each for each in controls if each.job_id not in rows and now - each.lease_until >= old_enough]
    if missing:
        return (
            f"Hamsa's call list does not show {len(missing)} of {len(controls)} calls that Hamsa surely made about "
            f"that time, such as job {missing[0].job_id}, so it proves nothing of one that it does not show either"
        )
    # Assumed: the list shows numbers, times and agents as they were sent.
    for control in shown:
        if odd := _looks_otherwise(control, rows[control.job_id], offset, tolerance):
            return (
                f"Hamsa's call list shows {odd} for job {control.job_id}; that is not as it was sent, so this call may "
                "be listed in a way in which it cannot be found"
            )
    if not any(control.made_by <= attempt.since for control in shown):
        return _alone("before")
    if not any(control.claimed_at >= attempt.lease_until for control in shown):
        return _alone("after")
    # Assumed: the list shows each call to a number, not the latest.
    if _may_show_the_latest_only(attempt, look.rows):
        return (
            "Hamsa's call list shows another call to this number, and of no number more than one, so it may show only "
            "the latest call to each"
        )
    # Assumed: the list shows calls that nobody answered. One that failed does not prove it: the list may leave out but
    # the other kind. Those are demanded as controls.
    if not any(row.status == JobStatus.NO_ANSWER for row in look.rows):
        return (
            "Hamsa's call list shows no call that nobody answered, so it may not list such calls, and this may be one"
        )
    return None


def _may_show_the_latest_only(attempt: Attempt, rows: Sequence[CallSummary]) -> bool:
    """Whether another call to this number may stand in the place of the attempt's own, as in a list of contacts."""
    numbers = [row.call_params.user_number for row in rows if row.call_params is not None]
    hidden = any(means_number(number, attempt.phone) is True for number in numbers)
    return hidden and max(Counter(numbers).values()) == 1


def _alone(side: str) -> str:
    return (
        f"Hamsa's call list does not show this call, but there is no other call of this agent from shortly {side} it "
        "by which the list could be checked; another call, an event, or a person (settle-calls) can settle it"
    )


def _looks_otherwise(control: Control, row: CallSummary, offset: timedelta, tolerance: timedelta) -> str | None:
    """What of a control's row differs from what was sent, or is not shown."""
    number = row.call_params.user_number if row.call_params is not None else None
    if means_number(number, control.phone) is not True:
        return "another number" if number else "no number"
    if row.created_at is None:
        return "no time"
    begin, end = control.claimed_at + offset - tolerance, control.lease_until + offset + tolerance
    if not begin <= row.created_at <= end:
        return "another time"
    if control.agent_id is not None and row.voice_agent_id != control.agent_id:
        return "another agent" if row.voice_agent_id else "no agent"
    return None


def nearest_controls(attempt: Attempt, controls: Sequence[Control], rows: Mapping[str, CallSummary]) -> list[Control]:
    """The nearest controls before and after an attempt that a look shows: their records are read to check records."""
    before = [each for each in controls if each.job_id in rows and each.made_by <= attempt.since]
    after = [each for each in controls if each.job_id in rows and each.claimed_at >= attempt.lease_until]
    return [*before[-1:], *after[:1]]
