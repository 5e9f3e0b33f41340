"""Dialing: lines, limits and the one place from which a phone is made to ring."""

from campaign.dialing.account import Account, ask_account, filed
from campaign.dialing.agent_changes import change_sentence, is_changed, watch_agent
from campaign.dialing.dialer import Dialer
from campaign.dialing.lines import Lines
from campaign.dialing.one_recipient import NotCalled
from campaign.dialing.screener import NumberedRow, Screened, Screener
from campaign.dialing.single_call import Caller, NoEndYet, OpenedCall

__all__ = [
    "Account",
    "Caller",
    "Dialer",
    "Lines",
    "NoEndYet",
    "NotCalled",
    "NumberedRow",
    "OpenedCall",
    "Screened",
    "Screener",
    "ask_account",
    "change_sentence",
    "filed",
    "is_changed",
    "watch_agent",
]
