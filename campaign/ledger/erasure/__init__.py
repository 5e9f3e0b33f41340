"""Erasure: people who are not to be known any more, and what is kept of them so that they are still not called."""

from campaign.ledger.erasure.erasing import Erased, Order
from campaign.ledger.erasure.erasures import Erasure, Erasures

__all__ = ["Erased", "Erasure", "Erasures", "Order"]
