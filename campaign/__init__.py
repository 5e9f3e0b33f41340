"""Calling people: recipients, rules, the ledger, the dialer, the report. Knows nothing of Prefect."""

from campaign.intake import ColumnMapping, CsvFile, Recipient, SqlQuery
from campaign.reporting import CampaignReport
from campaign.rules import Policy

__all__ = ["CampaignReport", "ColumnMapping", "CsvFile", "Policy", "Recipient", "SqlQuery"]
