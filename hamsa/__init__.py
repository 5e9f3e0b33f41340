"""Hamsa's HTTP API, typed: a client, what goes out and comes back, and errors that say what to do next.

Knows nothing of campaigns or Prefect, and is the only place that speaks HTTP to Hamsa.
"""

from hamsa.agents import VoiceAgentRecord
from hamsa.client import HamsaClient
from hamsa.errors import HamsaError, NotPlaced, Refused, Unauthorized, Unavailable, Uncertain
from hamsa.requests import CallRequest, WebhookAuth
from hamsa.settings import HamsaAccess, HamsaSettings, Timeouts

__all__ = [
    "CallRequest",
    "HamsaAccess",
    "HamsaClient",
    "HamsaError",
    "HamsaSettings",
    "NotPlaced",
    "Refused",
    "Timeouts",
    "Unauthorized",
    "Unavailable",
    "Uncertain",
    "VoiceAgentRecord",
    "WebhookAuth",
]
