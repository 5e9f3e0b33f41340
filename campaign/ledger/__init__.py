"""The ledger: who was called, and who may be. Promises that its answer is durable before any phone can ring."""

from campaign.ledger.claims.histories import Histories
from campaign.ledger.claims.limits import LimitReached, Limits
from campaign.ledger.cleaner import Keep
from campaign.ledger.database.urls import checked_url
from campaign.ledger.erasure import Erased, Erasure, Order
from campaign.ledger.evidence import ClockReading, Control, Owner
from campaign.ledger.ledger import ClaimRequest, Ledger, default_url
from campaign.ledger.notes.approvals import Approval
from campaign.ledger.notes.refusals import Refusal
from campaign.ledger.reader import CallAverages
from campaign.ledger.schema import call_attempts
from campaign.ledger.transitions import CallEnd

__all__ = [
    "Approval",
    "CallAverages",
    "CallEnd",
    "ClaimRequest",
    "ClockReading",
    "Control",
    "Erased",
    "Erasure",
    "Histories",
    "Keep",
    "Ledger",
    "LimitReached",
    "Limits",
    "Order",
    "Owner",
    "Refusal",
    "call_attempts",
    "checked_url",
    "default_url",
]
