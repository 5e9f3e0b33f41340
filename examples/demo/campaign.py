"""The campaign of the demo, as anybody would write it in a script of theirs: saves the blocks, then runs the flow."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterState
from prefect.client.schemas.objects import State, StateType
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.states import Crashed
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from sqlalchemy import URL

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from campaign.attempts import OPEN, AttemptState
from campaign.errors import CampaignError
from campaign.intake import SqlQuery
from campaign.ledger import CallEnd
from campaign.reporting import CampaignReport
from examples.demo.place import Place
from examples.receivables import DO_NOT_CALL, OVERDUE
from flows.call_overdue_customers import call_overdue_customers

CAMPAIGN = "overdue-customers-demo"  # always the same, so that everybody is called once


async def save_blocks(place: Place, *, sandbox: str, api_key: str) -> dict[str, Any]:
    """Save the key, who talks, the rules, the ledger and the database. Returns the parameters of the flow."""
    credentials = HamsaCredentials(api_key=api_key, base_url=sandbox)
    agent = VoiceAgent(credentials=credentials, voice_agent_id="agent-collections")
    # The sandbox's calls last a second or two, at any hour: no rule for real people, and looks at short intervals.
    policy = CallingPolicy(
        preset="unrestricted", lines=5, calls_per_task=10, poll_min_seconds=0.2, poll_max_seconds=0.5
    )
    ledger = CallLedger(url=URL.create("sqlite", database=str(place.ledger)).render_as_string())
    for block in (credentials, agent, policy, ledger):
        await block.asave("demo", overwrite=True)
    database = ConnectionComponents(driver=SyncDriver.SQLITE_PYSQLITE, database=str(place.receivables))
    await SqlAlchemyConnector(connection_info=database).asave("receivables", overwrite=True)
    await _tidy_up(ledger)
    today = datetime.now().astimezone().date()
    return {
        "agent": agent,
        "customers": SqlQuery(connector="receivables", query=OVERDUE, parameters={"today": today.isoformat()}),
        "policy": policy,
        "ledger": ledger,
        "campaign": CAMPAIGN,
        "min_days_overdue": 7,
        "min_amount": Decimal(20),
        "do_not_call": SqlQuery(connector="receivables", query=DO_NOT_CALL),
    }


async def run_flow(**parameters: Any) -> tuple[CampaignReport, str]:
    """Run the flow to its end. Returns its report and the id of its run, or raises `CampaignError`."""
    flow: Any = call_overdue_customers  # the types of Prefect's flows know nothing of `return_state` here
    state: State[CampaignReport] = await flow(**parameters, return_state=True)
    if not state.is_completed():
        raise CampaignError(state.message or f"The run ended as {state.name}.")
    return await state.aresult(), str(state.state_details.flow_run_id)


async def artifacts_of(flow_run_id: str) -> list[dict[str, str]]:
    """The artifacts of a run, the oldest first."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId.model_validate({"any_": [flow_run_id]}))
    async with get_client() as client:
        found = sorted(await client.read_artifacts(artifact_filter=of_run), key=lambda artifact: str(artifact.created))
    return [{"id": str(artifact.id), "type": artifact.type or ""} for artifact in found]


def send_all() -> None:
    """Send what waits to be sent to Prefect's server, which ends before this program does."""
    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=10, at_exit=False)


async def _tidy_up(ledger: CallLedger) -> None:
    """Say of a demo that was killed that its run is over, and so are the calls of its sandbox, which is gone."""
    running = FlowRunFilterState.model_validate({"type": {"any_": [StateType.RUNNING, StateType.PENDING]}})
    async with get_client() as client:
        for left in await client.read_flow_runs(flow_run_filter=FlowRunFilter(state=running)):
            await client.set_flow_run_state(left.id, Crashed(message="The demo was stopped."), force=True)
    cut_off = CallEnd(state=AttemptState.TERMINATED, error="the demo was stopped, and with it the sandbox that called")
    async with ledger.open() as attempts:
        for attempt in await attempts.attempts(campaign=CAMPAIGN, states=list(OPEN)):
            await attempts.end(cut_off, call_key=attempt.call_key)
