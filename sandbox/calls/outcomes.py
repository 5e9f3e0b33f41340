"""What the agent brings home from a conversation, as an agent for overdue invoices would extract it."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Attitude(StrEnum):
    """How the callee takes the call."""

    PROMISES = "promises"
    WANTS_NO_MORE_CALLS = "wants_no_more_calls"
    DISPUTES = "disputes"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was extracted from a conversation."""

    promised_to_pay: bool
    promised_date: str | None
    wants_no_more_calls: bool
    disputes_the_debt: bool
    summary: str

    def to_wire(self) -> dict[str, Any]:
        """The fields as they stand in `outcomeResult`."""
        return {
            "promised_to_pay": self.promised_to_pay,
            "promised_date": self.promised_date,
            "wants_no_more_calls": self.wants_no_more_calls,
            "disputes_the_debt": self.disputes_the_debt,
            "summary": self.summary,
        }


def draw_attitude(chance: random.Random, *, promises: float, opt_outs: float) -> Attitude:
    """Draw how a callee takes the call, given the shares of those who promise and of those who want no more calls."""
    mark = chance.random()
    if mark < opt_outs:
        return Attitude.WANTS_NO_MORE_CALLS
    if mark < opt_outs + promises:
        return Attitude.PROMISES
    return Attitude.DISPUTES if chance.random() < 0.3 else Attitude.UNDECIDED


def draw_outcome(chance: random.Random, attitude: Attitude, called_at: datetime) -> Outcome:
    """Return what the agent extracts from a conversation held at `called_at` with somebody of this attitude."""
    days = chance.randint(1, 14)
    promised = (called_at + timedelta(days=days)).date().isoformat() if attitude is Attitude.PROMISES else None
    summary = {
        Attitude.PROMISES: f"The customer confirmed the balance and will pay by {promised}.",
        Attitude.WANTS_NO_MORE_CALLS: "The customer asked not to be called again.",
        Attitude.DISPUTES: "The customer says that the invoice is wrong and asks for a copy.",
        Attitude.UNDECIDED: "The customer will look into it and promised nothing.",
    }[attitude]
    return Outcome(
        promised_to_pay=attitude is Attitude.PROMISES,
        promised_date=promised,
        wants_no_more_calls=attitude is Attitude.WANTS_NO_MORE_CALLS,
        disputes_the_debt=attitude is Attitude.DISPUTES,
        summary=summary,
    )
