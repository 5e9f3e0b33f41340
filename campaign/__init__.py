"""Calling people: recipients, rules, the ledger, the dialer, the report. Knows nothing of Prefect."""

from campaign.intake.recipients import ColumnMapping, CsvFile, Recipient, SqlQuery
from campaign.reporting.report import CampaignReport
from campaign.rules.policy import Policy

__all__ = ["CampaignReport", "ColumnMapping", "CsvFile", "Policy", "Recipient", "SqlQuery"]
