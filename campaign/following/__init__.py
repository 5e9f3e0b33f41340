"""Following: how a placed call ends, and whether a phone rang when the answer was lost."""

from campaign.following.call_events import CallEvent, EventEmitter
from campaign.following.denials import Denials
from campaign.following.follower import CANNOT_NOTE, CallFollower, EndedCall
from campaign.following.hamsa_clock import clock_offset
from campaign.following.judging import Unclear
from campaign.following.outcomes import end_of_event
from campaign.following.settling import Settled, Settler

__all__ = [
    "CANNOT_NOTE",
    "CallEvent",
    "CallFollower",
    "Denials",
    "EndedCall",
    "EventEmitter",
    "Settled",
    "Settler",
    "Unclear",
    "clock_offset",
    "end_of_event",
]
