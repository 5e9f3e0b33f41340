"""The buckets of the report: every place where an upstream row can end, with the words a person reads.

Promises that each row is in exactly one of them, so that they add up to the rows read.
"""

from enum import StrEnum
from typing import Self


class Bucket(StrEnum):
    """Where a row ended, in the order in which a report lists them."""

    label: str
    """A few words for a report's table."""
    group: str
    """`called` (a phone rang or may have), `later` (a next run takes it up), or `never` (not in this campaign)."""

    def __new__(cls, value: str, group: str = "", label: str = "") -> Self:
        """Make the member `value` and hang its words on it; `Bucket("completed")` finds the member as usual."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.group = group
        member.label = label
        return member

    COMPLETED = "completed", "called", "talked to the agent"
    FORWARDED = "forwarded", "called", "forwarded to a person"
    NO_ANSWER = "no_answer", "called", "did not answer"
    TERMINATED = "terminated", "called", "ended before it was finished"
    FAILED = "failed", "called", "failed"
    IN_PROGRESS = "in_progress", "called", "in progress, end not yet known"
    UNCERTAIN = "uncertain", "called", "uncertain whether the phone rang"

    WOULD_CALL = "would_call", "later", "would be called now"
    DEFERRED = "deferred", "later", "may be called later"
    NOT_REACHED = "not_reached", "later", "not reached before the run stopped"
    NOT_APPROVED = "not_approved", "later", "not among those who were approved"
    REFUSED = "refused", "later", "refused by Hamsa"
    OTHER_RUN = "other_run", "later", "being called by another run"

    ALREADY_CALLED = "already_called", "never", "already called in this campaign"
    NO_LONGER_DUE = "no_longer_due", "never", "no longer due"
    NOT_SELECTED = "not_selected", "never", "left out by a filter"
    DO_NOT_CALL = "do_not_call", "never", "on the do-not-call list"
    OPTED_OUT = "opted_out", "never", "asked not to be called"
    NO_CONSENT = "no_consent", "never", "no consent that counts"
    NO_ID = "no_id", "never", "no id"
    NO_NUMBER = "no_number", "never", "no phone number"
    NOT_A_NUMBER = "not_a_number", "never", "not a phone number"
    NO_REGION = "no_region", "never", "national number without a region"
    WRONG_LINE = "wrong_line", "never", "not a kind of line to call"
    DUPLICATE_NUMBER = "duplicate_number", "never", "number already in this campaign"
    DUPLICATE_RECIPIENT = "duplicate_recipient", "never", "id already in this campaign"
    UNKNOWN_TIME_ZONE = "unknown_time_zone", "never", "time zone unknown"
    MISSING_PARAMS = "missing_params", "never", "a value the agent needs is missing"
    BAD_ROW = "bad_row", "never", "the row cannot be read"
