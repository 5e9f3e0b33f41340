"""What the watcher knows of each call that it follows, and of how long calls last."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from campaign.attempts import Attempt
from campaign.rules import DialSettings
from hamsa.models import CallSummary, JobRecord


@dataclass(frozen=True, slots=True)
class EndSeen:
    """A call ended. What is known of it: the list's row, or the record, or that the ledger has its end already."""

    row: CallSummary | None = None
    record: JobRecord | None = None
    in_ledger: bool = False


@dataclass(slots=True)
class Followed:
    """A call in progress."""

    call_key: str
    job_id: str
    since: datetime
    until: datetime
    ask_alone_at: datetime
    future: asyncio.Future[EndSeen | None]
    asked_alone: int = 0
    status: str | None = None
    """What Hamsa last showed of it, in its list or by its id; None if it never showed it."""
    unknown: int = 0
    """How often Hamsa said that there is no such job, while its list did not show it either."""


@dataclass(slots=True)
class Suspect:
    """An uncertain attempt whose call is looked for."""

    attempt: Attempt
    until: datetime
    future: asyncio.Future[bool]


@dataclass(slots=True)
class Pace:
    """How long calls last and how many are in progress: from that, when the next look is worth a request."""

    typical_seconds: float = 60.0
    ends_per_look: float = 2.0
    seen: int = field(default=0)

    def ended(self, seconds: float) -> None:
        """A call has ended after so long."""
        weight = 0.2 if self.seen < 20 else 0.05
        self.seen += 1
        self.typical_seconds += weight * (max(seconds, 0.05) - self.typical_seconds)

    def interval(self, in_progress: int, settings: DialSettings) -> float:
        """Seconds until the next look."""
        wanted = self.ends_per_look * self.typical_seconds / max(in_progress, 1)
        return min(max(wanted, settings.poll_min_seconds), settings.poll_max_seconds)
