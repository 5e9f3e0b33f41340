"""Reporting: in which bucket each row ended and why, in words that a person reads, with numbers masked."""

from campaign.reporting.call_page import call_page
from campaign.reporting.call_result import CallResult
from campaign.reporting.customer_history import CustomerHistory, history_of
from campaign.reporting.erasure_page import erasure_headline, erasure_page
from campaign.reporting.forecast import Forecast
from campaign.reporting.masking import masked_outcome, shown_id
from campaign.reporting.record_tables import attempt_rows, record_rows
from campaign.reporting.report import CampaignReport, Tally
from campaign.reporting.results import Batch, Result
from campaign.reporting.stops import Stop, stop_kind
from campaign.reporting.summary_page import summary_page

__all__ = [
    "Batch",
    "CallResult",
    "CampaignReport",
    "CustomerHistory",
    "Forecast",
    "Result",
    "Stop",
    "Tally",
    "attempt_rows",
    "call_page",
    "erasure_headline",
    "erasure_page",
    "history_of",
    "masked_outcome",
    "record_rows",
    "shown_id",
    "stop_kind",
    "summary_page",
]
