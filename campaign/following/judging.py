"""What a look at Hamsa's list says of one attempt: pure, over the list's rows and the records that were read.

Promises that a matching key wins over everything, that no displayed field rules a call out before its record was read,
and that a record counts against a call being ours only if it carries the key of another attempt of this ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from campaign.attempts import Attempt
from campaign.following.keys import ShownKeys
from campaign.intake import means_number
from campaign.ledger import Owner
from hamsa.models import CallSummary, JobRecord


@dataclass(frozen=True, slots=True)
class Found:
    """The call is this one."""

    job: JobRecord
    certain: bool


@dataclass(frozen=True, slots=True)
class Unclear:
    """It cannot be decided: the attempt stays uncertain, and this look proves nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoTrace:
    """A look in which nothing could be our call. Whether that means anything is for the controls to say."""

    used_records: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the calls that a look shows.

    Attributes:
        owners: Whose jobs they are, as far as the ledger knows.
        records: The job records that could be read.
        keys: What in each of them may be a key.
        keyed: For each job whose record carries the key of an attempt of this ledger, that attempt.
        claimants: For each call, to how many attempts without a job it could belong, by what the list shows.
        echoes: Whether this account's records of this agent are known to give our key back.
        offset: How far Hamsa's clock is ahead of ours.
        tolerance: How much further off a time in the list may be.
        grace: For how long after its lease an attempt's call may still be made.
    """

    owners: Mapping[str, Owner]
    records: Mapping[str, JobRecord]
    keys: Mapping[str, ShownKeys]
    keyed: Mapping[str, Owner]
    claimants: Mapping[str, int]
    echoes: bool
    offset: timedelta
    tolerance: timedelta
    grace: timedelta


def number_of(row: CallSummary) -> str | None:
    """The callee's number as the list shows it."""
    return row.call_params.user_number if row.call_params is not None else None


def fits(
    attempt: Attempt, row: CallSummary, offset: timedelta, tolerance: timedelta, *, waited: timedelta = timedelta()
) -> bool:
    """Whether what the list shows of a call allows that it is this attempt's, if Hamsa let it wait for so long at most.

    A row cannot be ruled out by a number, a time or an agent that it lacks, nor by a number that cannot be read.
    """
    begin, end = attempt.since + offset - tolerance, attempt.lease_until + offset + tolerance + waited
    return (
        (row.created_at is None or begin <= row.created_at <= end)
        and (attempt.agent_id is None or row.voice_agent_id is None or row.voice_agent_id == attempt.agent_id)
        and means_number(number_of(row), attempt.phone) is not False
    )


def is_anothers(attempt: Attempt, row: CallSummary, owner: Owner) -> bool:
    """Whether a call is another attempt's, of which the ledger or the call's record says so.

    Not if the list shows it at this attempt's number and not at the other's, nor if the other has another job and the
    list does not show its number: then something contradicts something, and it is not known what is true.
    """
    if owner.call_key == attempt.call_key or not owner.is_sure:
        return False
    theirs = means_number(number_of(row), owner.phone) is True
    if not theirs and means_number(number_of(row), attempt.phone) is True:
        return False
    return owner.job_id in (None, row.id) or (theirs and owner.phone != attempt.phone)


def possible(
    attempt: Attempt, rows: Iterable[CallSummary], evidence: Evidence, *, waited: timedelta = timedelta()
) -> list[CallSummary]:
    """The calls that cannot be ruled out to be this attempt's, if Hamsa let it wait for so long at most."""
    left: list[CallSummary] = []
    for row in rows:
        said = (evidence.owners.get(row.id), evidence.keyed.get(row.id))
        if any(owner is not None and is_anothers(attempt, row, owner) for owner in said):
            continue
        # Without a record nobody knows. With one that has no key of ours, the list's fields say what they say.
        # Assumed: `params` come back in job records and events.
        known = row.id in evidence.records and said[1] is None
        if known and not fits(attempt, row, evidence.offset, evidence.tolerance, waited=waited):
            continue
        left.append(row)
    return left


def judge(
    attempt: Attempt, rows: Sequence[CallSummary], evidence: Evidence, *, unread: str | None
) -> Found | Unclear | NoTrace:
    """Decide what a look says of one attempt.

    Args:
        unread: Why the list may not have been read whole, if so.
    """
    for row in rows:
        if row.id in evidence.records and evidence.keys[row.id].hold(attempt.call_key):
            return Found(evidence.records[row.id], certain=True)
    left = possible(attempt, rows, evidence)
    if not left:
        if possible(attempt, rows, evidence, waited=evidence.grace):
            return Unclear(
                "Hamsa's call list shows a call that was made some minutes later and carries no key: it may be this "
                "one, if Hamsa let it wait"
            )
        return NoTrace(used_records=any(row.id not in evidence.owners for row in rows))
    at_number = [row for row in left if means_number(number_of(row), attempt.phone)]
    unread_records = sum(row.id not in evidence.records for row in left)
    if len(left) > 1:
        if unread_records:
            return Unclear(f"{len(left)} calls in Hamsa's list could be this one: some records could not be read yet")
        return Unclear(f"{len(left)} calls in Hamsa's list could be this one")
    if evidence.claimants.get(left[0].id, 0) > 1:
        return Unclear("one call in Hamsa's list could belong to this or to another attempt")
    if unread_records:
        return Unclear("one call fits, but its record could not be read")
    if not at_number:
        return Unclear(
            "a call in Hamsa's list shows no number that can be read, so nobody knows whether it is this one"
        )
    return _only_one(left[0], evidence, unread)


def _only_one(row: CallSummary, evidence: Evidence, unread: str | None) -> Found | Unclear:
    """Whether the one call that could be ours is taken for ours."""
    if row.id in evidence.owners or row.id in evidence.keyed:
        return Unclear("the one call to this number in Hamsa's list is said to be another attempt's")
    if evidence.echoes:
        # Assumed: `params` come back at once. One without our key is rather somebody else's then; but keys may be late.
        return Unclear("a call to this number in Hamsa's list carries no key, so it may be this one or another's")
    if unread is not None:
        return Unclear(unread)
    return Found(evidence.records[row.id], certain=False)
