"""Recipients that share one task run, and the one result in which each row ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from campaign.buckets import Bucket
from campaign.recipients import Recipient


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


class Batch:
    """Recipients that share one task run, and what became of each so far: a repeated task run goes on where it was."""

    __slots__ = ("number", "recipients", "results")

    def __init__(self, number: int, recipients: Sequence[Recipient]) -> None:
        self.number = number
        self.recipients = list(recipients)
        self.results: dict[int, Result] = {}

    def __str__(self) -> str:
        """What a task run that makes these calls is called."""
        if len(self.recipients) == 1:
            return f"recipient {self.recipients[0].id}"
        return f"batch {self.number} ({len(self.recipients)} recipients)"
