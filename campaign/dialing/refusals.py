"""Refusals: how often alike, and for how long, Hamsa has taken no call, and when that is more than a passing thing.

Promises that nobody learns of one mistake from five thousand refused calls.
"""

from datetime import datetime

from campaign.clock import Clock
from campaign.dialing.settings import DialSettings
from campaign.reporting.stops import Stop
from hamsa import NotPlaced, Refused


class Refusals:
    """What Hamsa refused since it last took a call.

    Args:
        settings: How many refusals, and how long a wait, are too much.
        clock: Measures the wait.
    """

    def __init__(self, settings: DialSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._alike = 0
        self._last: str | None = None
        self._busy_since: datetime | None = None

    def accepted(self) -> None:
        """Hamsa took a call: it is counted anew."""
        self._alike = 0
        self._busy_since = None

    def refused(self, error: Refused) -> Stop | None:
        """Hamsa said no to a call; the reason to stop if it said so in the same way too often in a row."""
        key = error.message_key or str(error.status_code)
        self._alike = self._alike + 1 if key == self._last else 1
        self._last = key
        if self._alike < self._settings.stop_after_same_refusals:
            return None
        said = str(error).rstrip(".")
        message = f"Hamsa refused {self._alike} calls in a row alike: {said}. Mend it and run again."
        return Stop("refusals", message, failed=True)

    def may_wait(self, error: NotPlaced) -> bool:
        """Whether a 429 is still flow control, rather than a reason to give the task back to its retries."""
        now = self._clock.now()
        if self._busy_since is None:
            self._busy_since = now
        waits = (now - self._busy_since).total_seconds() + (error.retry_after or 0.0)
        return waits <= self._settings.longest_refusal
