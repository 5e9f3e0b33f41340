"""The ledger: who was called, and who may be. Promises that its answer is durable before any phone can ring."""

from campaign.ledger.approvals import Approval
from campaign.ledger.histories import Histories
from campaign.ledger.ledger import ClaimRequest, Ledger, default_url
from campaign.ledger.limits import LimitReached, Limits
from campaign.ledger.reader import CallAverages, ClockReading, Control, Owner
from campaign.ledger.refusals import Refusal
from campaign.ledger.schema import call_attempts
from campaign.ledger.transitions import CallEnd
from campaign.ledger.urls import ledger_url

__all__ = [
    "Approval",
    "CallAverages",
    "CallEnd",
    "ClaimRequest",
    "ClockReading",
    "Control",
    "Histories",
    "Ledger",
    "LimitReached",
    "Limits",
    "Owner",
    "Refusal",
    "call_attempts",
    "default_url",
    "ledger_url",
]
