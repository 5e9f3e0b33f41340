"""What is decided about a claim, in memory: the past that counts, the limits, what was spent, the verdict."""

from campaign.ledger.claims.histories import PAST, Asked, Histories, calls_query, opt_out, opt_outs_query, past_attempt
from campaign.ledger.claims.judging import ClaimRequest, Decide, Known, Seen, judge
from campaign.ledger.claims.limits import LimitReached, Limits
from campaign.ledger.claims.spending import last_calls, read_spending
from campaign.ledger.claims.totals import Changes, rebuild

__all__ = [
    "PAST",
    "Asked",
    "Changes",
    "ClaimRequest",
    "Decide",
    "Histories",
    "Known",
    "LimitReached",
    "Limits",
    "Seen",
    "calls_query",
    "judge",
    "last_calls",
    "opt_out",
    "opt_outs_query",
    "past_attempt",
    "read_spending",
    "rebuild",
]
