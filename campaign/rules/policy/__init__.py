"""The calling policy as a person fills it in: fields, presets, what is wrong with it, and the rules it comes to."""

from campaign.rules.policy.dial_settings import DialSettings
from campaign.rules.policy.policy import Policy
from campaign.rules.policy.presets import TIME_ZONES
from campaign.rules.policy.problems import PolicyError, policy_problems
from campaign.rules.policy.rule_fields import DEFAULT_OPT_OUT_FIELDS

__all__ = ["DEFAULT_OPT_OUT_FIELDS", "TIME_ZONES", "DialSettings", "Policy", "PolicyError", "policy_problems"]
