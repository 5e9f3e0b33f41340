"""The result of one call, as plain data that may be shown, stored and passed on: no secret, no number unmasked."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from campaign.attempts import ENDED, Attempt, AttemptState
from campaign.intake import mask
from campaign.reporting.masking import hider, masked, masked_outcome, shown_id


class CallResult(BaseModel):
    """One call and its job record. Costs in Hamsa's currency, times in UTC."""

    model_config = ConfigDict(frozen=True)

    campaign: str = Field(description="The campaign it belongs to.")
    recipient_id: str = Field(description="Who was called; masked where the id is a phone number.")
    number: str = Field(description="The number that was called, masked.")
    attempt: int = Field(description="Which attempt at this recipient in the campaign this is, from 1.")
    call_key: str = Field(description="The attempt's key in the ledger, which went along to Hamsa in the params.")
    state: AttemptState = Field(description="Where the attempt stands.")
    job_id: str | None = Field(default=None, description="Hamsa's id of the call.")
    status: str | None = Field(default=None, description="What Hamsa called its status, known to us or not.")
    placed_at: datetime | None = Field(default=None, description="When it was placed.")
    ended_at: datetime | None = Field(default=None, description="When it was over.")
    duration_seconds: float | None = Field(default=None, description="How long it lasted.")
    cost: float | None = Field(default=None, description="What it cost.")
    outcome: dict[str, Any] | None = Field(default=None, description="What the agent extracted.")
    opted_out: bool = Field(default=False, description="Whether the callee asked for no more calls.")
    error: str | None = Field(default=None, description="What went wrong, if anything did.")
    job_record: dict[str, Any] | None = Field(
        default=None, description="Hamsa's job record, the callee's number masked."
    )

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """The result of an attempt, as far as the ledger knows it."""
        return cls(
            campaign=attempt.campaign,
            recipient_id=shown_id(attempt.recipient_id, attempt.phone),
            number=mask(attempt.phone),
            attempt=attempt.attempt,
            call_key=attempt.call_key,
            state=attempt.state,
            job_id=attempt.job_id,
            status=attempt.status,
            placed_at=attempt.placed_at,
            ended_at=attempt.ended_at,
            duration_seconds=attempt.duration_seconds,
            cost=attempt.cost,
            outcome=masked_outcome(attempt.outcome, attempt.phone),
            opted_out=attempt.opted_out,
            error=attempt.error,
            job_record=masked(attempt.record, hider(attempt.phone)),
        )

    @property
    def is_over(self) -> bool:
        """Whether the call has ended, however it went."""
        return self.state in ENDED

    @property
    def headline(self) -> str:
        """One sentence: who was called and how it went."""
        words = f"{self.recipient_id} ({self.number}): {self.state.label}"
        if self.duration_seconds:
            words += f" after {self.duration_seconds:.0f} s"
        return f"{words}, cost {self.cost:.2f}." if self.cost is not None else f"{words}."
