"""Who is decided about, and when they were called before."""

from datetime import UTC, datetime, timedelta
from typing import Any

from campaign.attempts import ENDED, AttemptState, PastAttempt
from campaign.intake import Recipient

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)  # a Tuesday, noon in New York
NEW_YORK = ("America/New_York",)
PHONE, OTHER_PHONE = "+12125550100", "+12125550101"


def customer(**given: Any) -> Recipient:
    """Somebody in New York."""
    return Recipient(**{"id": "c-1", "phone": PHONE, "zones": NEW_YORK, "country": "US"} | given)


def past(state: AttemptState, ago: timedelta = timedelta(), **given: object) -> PastAttempt:
    """An attempt at them, so long ago."""
    values: dict[str, object] = {
        "campaign": "autumn",
        "recipient_id": "c-1",
        "phone": PHONE,
        "attempt": 1,
        "state": state,
        "claimed_at": NOW - ago,
        "ended_at": NOW - ago if state in ENDED else None,
        "run_id": "run-1",
    }
    return PastAttempt(**(values | given))  # type: ignore[arg-type]  # tests name any of its fields
