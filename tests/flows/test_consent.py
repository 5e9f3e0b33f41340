"""Consent in a run: a source that cannot say it calls nobody; rows without it are left out with a reason."""

from pathlib import Path
from typing import Any

from campaign.buckets import Bucket
from campaign.intake import ColumnMapping, CsvFile
from campaign.reporting import CampaignReport
from flows.call_overdue_customers import call_overdue_customers
from tests.flows.world import World, rows


def customers(folder: Path, **columns: str) -> CsvFile:
    path = folder / "customers.csv"
    consent = ["Opt-In,2026-01-02", "no,2026-01-02", ",", "written,"]
    lines = [f"{row['id']},{row['phone']},{said}" for row, said in zip(rows(4), consent, strict=True)]
    path.write_text("\n".join(["id,phone,agreed,agreed on", *lines]), encoding="utf-8")
    return CsvFile(path=path, columns=ColumnMapping(**columns))


async def run(world: World, source: CsvFile, **policy: Any) -> Any:
    any_flow: Any = call_overdue_customers
    return await any_flow(
        agent=world.agent(),
        policy=world.policy(**policy),
        ledger=world.ledger,
        campaign="overdue",
        customers=source,
        return_state=True,
    )


async def test_a_source_that_cannot_say_it_calls_nobody(world: World) -> None:
    state = await run(world, customers(world.folder), require_consent=True)
    assert state.is_failed()
    assert "`columns` do not say which one is the `consent` or the `consent_at`" in state.message
    assert world.rings() == {}


async def test_whoever_has_none_that_counts_is_not_called(world: World) -> None:
    source = customers(world.folder, consent="agreed", consent_at="agreed on")
    state = await run(world, source, require_consent=True)
    report: CampaignReport = await state.aresult()
    assert report.buckets == {Bucket.COMPLETED: 1, Bucket.NO_CONSENT: 3}
    assert list(world.rings()) == [next(iter(rows(1)))["phone"]]
