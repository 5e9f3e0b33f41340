"""What is saved in Prefect: how to reach Hamsa, who talks, by which rules, and where it is kept who was called.

`prefect block register -m blocks` registers all of them; an installed project does so by itself.
"""

from blocks.agent import VoiceAgent
from blocks.call import PhoneCall
from blocks.credentials import HamsaCredentials
from blocks.ledger import CallLedger
from blocks.policy import CallingPolicy

__all__ = ["CallLedger", "CallingPolicy", "HamsaCredentials", "PhoneCall", "VoiceAgent"]
