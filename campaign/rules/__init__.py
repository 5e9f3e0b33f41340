"""Rules: when, how often and whom a policy lets be called, as pure decisions over data."""

from campaign.rules.decision import CONVERSATION, decide, decide_for_good, why_and_from_when
from campaign.rules.evidence import facts_of
from campaign.rules.opt_outs import (
    CALL,
    ERASURE,
    LIST,
    OptOut,
    OptOutRead,
    Said,
    asks_for_no_more_calls,
    field_key,
    read_opt_out,
)
from campaign.rules.policy import DEFAULT_OPT_OUT_FIELDS, TIME_ZONES, DialSettings, Policy, policy_problems
from campaign.rules.rules import LONGEST_CALL, Go, Never, NotNow, Rules

__all__ = [
    "CALL",
    "CONVERSATION",
    "DEFAULT_OPT_OUT_FIELDS",
    "ERASURE",
    "LIST",
    "LONGEST_CALL",
    "TIME_ZONES",
    "DialSettings",
    "Go",
    "Never",
    "NotNow",
    "OptOut",
    "OptOutRead",
    "Policy",
    "Rules",
    "Said",
    "asks_for_no_more_calls",
    "decide",
    "decide_for_good",
    "facts_of",
    "field_key",
    "policy_problems",
    "read_opt_out",
    "why_and_from_when",
]
