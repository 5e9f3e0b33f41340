"""How far Hamsa's clock is from ours: learned from the answers to our own requests, and logged when it is far."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from statistics import median

from campaign.ledger import ClockReading

logger = logging.getLogger(__name__)

WORTH_TELLING = timedelta(minutes=2)
"""A clock that is as far off as this makes hours, reports and bills hard to compare."""


def clock_offset(readings: Sequence[ClockReading]) -> timedelta:
    """How far Hamsa's clock is ahead of ours; nothing if no answer has shown it.

    A call is made between the request and its answer. What lies in between is no difference of clocks.
    """
    # Assumed: Hamsa's clock and ours agree. As far as its answers show otherwise, they do not.
    ahead: list[float] = []
    for reading in readings:
        least = (reading.created_at - reading.answered_at).total_seconds()
        most = (reading.created_at - reading.asked_at).total_seconds()
        ahead.append(0.0 if least <= 0 <= most else (least + most) / 2)
    return timedelta(seconds=median(ahead)) if ahead else timedelta()


def log_offset(offset: timedelta) -> bool:
    """Say so if Hamsa's clock is far from ours. Returns whether it is."""
    far = abs(offset) >= WORTH_TELLING
    if far:
        side = "ahead of" if offset > timedelta() else "behind"
        minutes = abs(offset).total_seconds() / 60
        logger.warning(
            "Hamsa's clock is %.0f minutes %s ours, by the times in its answers: calls are looked for accordingly. If "
            "it is this machine's clock that is wrong, hours and leases are wrong too: set it by NTP.",
            minutes,
            side,
        )
    return far
