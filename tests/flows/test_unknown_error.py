"""An error that nobody foresaw ends a run with its counts, and what it says is shown and told to nobody."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run

import runtime.campaign_run
from campaign.buckets import Bucket
from campaign.ledger.ledger import ClaimRequest, Ledger
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from runtime.events import emit_campaign_finished
from runtime.run_states.clean_failures import fail_cleanly
from tests.flows.emitted import events_about
from tests.flows.world import World, artifacts, rows
from tests.servers.prefect import PrefectServer

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

CUSTOMERS = 24

CLAIMS = 10
"""So many of them are claimed before the error."""


async def test_an_error_that_nobody_foresaw_ends_the_run_with_a_report_and_its_text_is_not_shown(
    world: World, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Ledger.claim
    claims = 0

    async def with_a_fault(ledger: Ledger, request: ClaimRequest) -> Any:
        nonlocal claims
        claims += 1
        if claims > CLAIMS:
            text = f"{request.phone} cannot be divided"
            raise ZeroDivisionError(text)
        return await claim(ledger, request)

    reports: list[CampaignReport] = []

    def tell(report: CampaignReport) -> None:
        reports.append(report)
        emit_campaign_finished(report)

    monkeypatch.setattr(Ledger, "claim", with_a_fault)
    monkeypatch.setattr(runtime.campaign_run, "emit_campaign_finished", tell)
    begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()

    @flow(name="call with a fault")
    @fail_cleanly
    async def call_with_a_fault() -> CampaignReport:
        begun.set_result(UUID(str(flow_run.id)))
        report = await run_campaign(
            rows(CUSTOMERS),
            agent=world.agent(),
            policy=world.policy(lines=4, calls_per_task=6),
            ledger=world.ledger,
            campaign="unforeseen",
        )
        return state_of(report)  # type: ignore[no-any-return]  # a state's data is the result

    any_flow: Any = call_with_a_fault
    state = await any_flow(return_state=True)
    assert state.is_failed(), state
    rings = world.rings()
    assert set(rings.values()) == {1}
    assert len(rings) <= CLAIMS

    (report,) = reports
    assert (report.stop_kind, report.failed) == ("error", True)
    assert sum(report.buckets.values()) == report.rows_read == CUSTOMERS
    assert report.buckets[Bucket.NOT_REACHED] >= CUSTOMERS - CLAIMS
    sentence = (
        "The run met an error that it does not know (ZeroDivisionError): no more calls are made. Its log says where."
    )
    assert report.stopped == sentence

    made = await artifacts(await begun)
    (summary,) = [artifact for artifact in made if artifact.key == "unforeseen-summary"]
    assert sentence in summary.data
    reported = await events_about(prefect_server, "hamsa.campaign.unforeseen", until="hamsa.campaign.stopped")
    assert reported[-1]["payload"]["reason"] == sentence
    assert state.message == sentence
    run_id = await begun
    async with get_client() as client:
        run = await client.read_flow_run(run_id)
        tasks = await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
        await APILogHandler.aflush()
        lines = [
            line.message for line in await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])))
        ]
    failed = [task for task in tasks if task.state is not None and task.state.is_failed()]
    assert failed, "the batches in which it happened"
    assert any("ZeroDivisionError" in line and "with_a_fault" in line for line in lines), "the log says where"
    shown = str([report, made, reported, run, tasks, lines])
    assert "divided" not in shown
    assert "20794" not in shown, "a number, whole"
