"""What stops a run before it does harm: the canary, refusals or uncertain answers in a row, and the first reason."""

from campaign.dialing.safeguards.canary import Canary
from campaign.dialing.safeguards.refusals import Refusals
from campaign.dialing.safeguards.stopping import Stopping

__all__ = ["Canary", "Refusals", "Stopping"]
