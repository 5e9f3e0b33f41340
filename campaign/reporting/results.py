"""Recipients that share one task run, and the one result in which each row ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from campaign.attempts import ENDED, OPEN, Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.intake import CalledBefore, Recipient
from campaign.reporting.masking import shown_id


@dataclass(frozen=True, slots=True)
class Result:
    """Where one row ended.

    Attributes:
        row: The row's number upstream, from 1.
        recipient_id: The recipient's id, if the row had one.
        phone: E.164, if the row had a number. Never shown unmasked.
        bucket: Exactly one.
        reason: A clause that says why, without a phone number.
        call_key: The attempt, if this run made one.
        until: When the recipient may be called, if that is known.
    """

    row: int
    recipient_id: str | None
    phone: str | None
    bucket: Bucket
    reason: str
    call_key: str | None = None
    until: datetime | None = None

    @classmethod
    def of(
        cls,
        recipient: Recipient | CalledBefore,
        bucket: Bucket,
        reason: str,
        *,
        call_key: str | None = None,
        until: datetime | None = None,
    ) -> "Result":
        """Where a recipient's row ended."""
        return cls(recipient.row, recipient.id, recipient.phone, bucket, reason, call_key, until)


class Batch:
    """Recipients that share one task run, and the result of each so far: a repeated task run continues where it was."""

    __slots__ = ("number", "recipients", "results")

    def __init__(self, number: int, recipients: Sequence[Recipient]) -> None:
        self.number = number
        self.recipients = list(recipients)
        self.results: dict[int, Result] = {}

    def __str__(self) -> str:
        """What a task run that makes these calls is called."""
        if len(self.recipients) == 1:
            return f"recipient {shown_id(self.recipients[0].id, self.recipients[0].phone)}"
        return f"batch {self.number} ({len(self.recipients)} recipients)"

    @property
    def without_result(self) -> list[Recipient]:
        """Who is still to be called, or was when it was broken off."""
        return [recipient for recipient in self.recipients if recipient.row not in self.results]

    def broken_off(self, reason: str, attempts: Iterable[Attempt] = ()) -> list[Result]:
        """A result for everybody, although dialing ended in their midst.

        Args:
            reason: Why whoever was not called was not.
            attempts: What this run has in the ledger for those who have no result.
        """
        latest = {attempt.recipient_id: attempt for attempt in sorted(attempts, key=lambda each: each.attempt)}
        for recipient in self.without_result:
            attempt = latest.get(recipient.id)
            bucket, why, key = Bucket.NOT_REACHED, reason, None
            if attempt is not None and attempt.state in ENDED | OPEN:
                bucket, why = _stands(attempt)
                key = attempt.call_key
            self.results[recipient.row] = Result.of(recipient, bucket, why, call_key=key)
        return [self.results[recipient.row] for recipient in self.recipients]


def _stands(attempt: Attempt) -> tuple[Bucket, str]:
    """Where a row stands whose attempt the run leaves as it is."""
    if attempt.state is AttemptState.PLACED:
        return Bucket.IN_PROGRESS, "the call was in progress; the next run or settling follows it"
    if attempt.state in OPEN:
        return Bucket.UNCERTAIN, "the call was being placed; settling finds out whether the phone rang"
    return Bucket[attempt.state.name], attempt.error or attempt.state.label
