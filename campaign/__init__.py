"""Calling people: recipients, rules, the ledger, the dialer, the report. Knows nothing of Prefect."""

from campaign.policy import Policy
from campaign.recipients import ColumnMapping, CsvFile, Recipient, SqlQuery
from campaign.report import CampaignReport

__all__ = ["CampaignReport", "ColumnMapping", "CsvFile", "Policy", "Recipient", "SqlQuery"]
