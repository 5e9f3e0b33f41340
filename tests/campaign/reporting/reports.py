"""Reports as tests make them, out of a tally."""

from datetime import UTC, datetime
from typing import Any

from campaign.reporting.report import CampaignReport, Tally

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def report_of(tally: Tally, rows: int, **more: Any) -> CampaignReport:
    """The report of a run that read so many rows."""
    if (stop := more.pop("stop", None)) is not None:
        more |= {"stopped": stop.message, "stop_kind": stop.kind, "failed": stop.failed}
    times = {"started_at": NOW, "ended_at": NOW}
    return CampaignReport(campaign="c", run_id="r", rows_read=rows, **times, **tally.counts(), **more)
