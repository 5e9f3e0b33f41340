"""The right to dial somebody: what is asked of the ledger before each call, and waiting for room below a limit."""

from campaign.dialing.claiming.claimer import Claimer, Permit
from campaign.dialing.claiming.last_look import LastLook, Recheck, SlowAnswer
from campaign.dialing.claiming.limit_queue import ASK_AGAIN_SECONDS
from campaign.dialing.claiming.requests import Claimant, claim_request

__all__ = ["ASK_AGAIN_SECONDS", "Claimant", "Claimer", "LastLook", "Permit", "Recheck", "SlowAnswer", "claim_request"]
