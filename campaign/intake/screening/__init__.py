"""Screening: each upstream row becomes somebody to call, or lands in a bucket with its reason."""

from campaign.intake.screening.column_check import check_columns
from campaign.intake.screening.do_not_call import DoNotCallList
from campaign.intake.screening.due_filter import DueFilter
from campaign.intake.screening.screen import Bucketed, CalledBefore, Screen

__all__ = ["Bucketed", "CalledBefore", "DoNotCallList", "DueFilter", "Screen", "check_columns"]
