"""The campaign of the demo, as a program of its own: saves the blocks, asks for a dry run, then calls.

What it does is what anybody would do in a script of theirs. It tells how far it is on its standard output, one JSON
object a line; Prefect's own log goes to the standard error.
"""

import argparse
import asyncio
import json
import sys
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterState
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from sqlalchemy import URL

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from campaign.attempts import OPEN, AttemptState
from campaign.errors import CampaignError
from campaign.intake.recipients import SqlQuery
from campaign.ledger.ledger import CallEnd
from campaign.reporting.report import CampaignReport
from examples.demo.place import Place
from examples.demo.programs import START_SECONDS, answers
from examples.receivables import DO_NOT_CALL, OVERDUE
from flows.call_overdue_customers import call_overdue_customers

CAMPAIGN = "overdue-customers-demo"
"""Always the same, so that everybody is called once, however often the demo runs."""

BLOCK = "demo"
CONNECTOR = "receivables"
AGENT = "agent-collections"
LINES = 5


async def main(place: Place, *, sandbox: str, prefect: str, api_key: str) -> None:
    """Save the blocks and run the campaign.

    Args:
        place: The demo's folder.
        sandbox: Where the sandbox is.
        prefect: Where Prefect's API is.
        api_key: The key that the sandbox takes.

    Raises:
        CampaignError: Something is not in order.
    """
    await _wait_for(f"{sandbox}/_sandbox/stats", f"{prefect}/health")
    tell("ready")
    saved = await save_blocks(place, sandbox=sandbox, api_key=api_key)
    tell(
        "saved",
        blocks=[*(f"{block.get_block_type_slug()}/{BLOCK}" for block in saved), f"sqlalchemy-connector/{CONNECTOR}"],
    )
    await _tidy_up(saved.ledger)
    today = datetime.now().astimezone().date()
    arguments: dict[str, Any] = {
        "agent": saved.agent,
        "customers": SqlQuery(connector=CONNECTOR, query=OVERDUE, parameters={"today": today.isoformat()}),
        "policy": saved.policy,
        "ledger": saved.ledger,
        "campaign": CAMPAIGN,
        "min_days_overdue": 7,
        "min_amount": Decimal(20),
        "do_not_call": SqlQuery(connector=CONNECTOR, query=DO_NOT_CALL),
    }
    planned, _ = await run(**arguments, dry_run=True)
    tell("planned", headline=planned.headline, report=planned.model_dump(mode="json"))
    report, flow_run_id = await run(**arguments)
    tell(
        "done",
        headline=report.headline,
        report=report.model_dump(mode="json"),
        run=flow_run_id,
        artifacts=await _artifacts(flow_run_id),
    )


class Saved(NamedTuple):
    """The blocks that the flow takes."""

    credentials: HamsaCredentials
    agent: VoiceAgent
    policy: CallingPolicy
    ledger: CallLedger


async def save_blocks(place: Place, *, sandbox: str, api_key: str) -> Saved:
    """Save what the campaign needs: the key, who talks, the rules, the ledger, the database."""
    credentials = HamsaCredentials(api_key=api_key, base_url=sandbox)
    await credentials.asave(BLOCK, overwrite=True)
    agent = VoiceAgent(credentials=credentials, voice_agent_id=AGENT)
    await agent.asave(BLOCK, overwrite=True)
    # The sandbox's calls last a second or two, at any hour: no rule for real people, and looks at short intervals.
    policy = CallingPolicy(
        preset="unrestricted", lines=LINES, calls_per_task=10, poll_min_seconds=0.2, poll_max_seconds=0.5
    )
    await policy.asave(BLOCK, overwrite=True)
    ledger = CallLedger(url=URL.create("sqlite", database=str(place.ledger)).render_as_string())
    await ledger.asave(BLOCK, overwrite=True)
    connector = SqlAlchemyConnector(
        connection_info=ConnectionComponents(driver=SyncDriver.SQLITE_PYSQLITE, database=str(place.receivables))
    )
    await connector.asave(CONNECTOR, overwrite=True)
    return Saved(credentials, agent, policy, ledger)


async def run(**arguments: Any) -> tuple[CampaignReport, str]:
    """Run the flow to its end.

    Returns:
        Its report, and the id of its run.

    Raises:
        CampaignError: It failed; the text is what Prefect shows.
    """
    flow: Any = call_overdue_customers  # the types of Prefect's flows know nothing of `return_state` here
    state: State[CampaignReport] = await flow(**arguments, return_state=True)
    if not state.is_completed():
        raise CampaignError(state.message or f"The run ended as {state.name}.")
    return await state.aresult(), str(state.state_details.flow_run_id)


async def _tidy_up(ledger: CallLedger) -> None:
    """Tell the truth about what a demo that was killed left behind: its run is over, and so are its sandbox's calls.

    No campaign outside a demo would do this. But here Hamsa itself was killed, and cannot be asked any more.
    """
    async with get_client() as client:
        running = FlowRunFilterState.model_validate({"type": {"any_": [StateType.RUNNING, StateType.PENDING]}})
        for left in await client.read_flow_runs(flow_run_filter=FlowRunFilter(state=running)):
            await client.set_flow_run_state(left.id, Crashed(message="The demo was stopped."), force=True)
    cut_off = CallEnd(state=AttemptState.TERMINATED, error="the demo was stopped, and with it the sandbox that called")
    async with ledger.open() as attempts:
        for attempt in await attempts.attempts(campaign=CAMPAIGN, states=list(OPEN)):
            await attempts.end(cut_off, call_key=attempt.call_key)


async def _artifacts(flow_run_id: str) -> list[dict[str, str]]:
    """The artifacts of a run, the oldest first."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId.model_validate({"any_": [flow_run_id]}))
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=of_run)
    return [
        {"id": str(artifact.id), "type": artifact.type or ""}
        for artifact in sorted(found, key=lambda artifact: str(artifact.created))
    ]


async def _wait_for(*urls: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not all(answers(url) for url in urls):
        if time.monotonic() > deadline:
            raise CampaignError("The sandbox or Prefect's server does not answer.")
        await asyncio.sleep(0.1)


def tell(step: str, **facts: Any) -> None:
    """Tell the demo how far this is."""
    print(json.dumps({"step": step, **facts}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m examples.demo.calling", description=__doc__)
    for name in ("--folder", "--sandbox", "--prefect", "--api-key"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    try:
        asyncio.run(
            main(Place(Path(options.folder)), sandbox=options.sandbox, prefect=options.prefect, api_key=options.api_key)
        )
    except CampaignError as error:
        tell("failed", why=str(error))
        sys.exit(1)
