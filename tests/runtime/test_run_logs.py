"""What the project logs is in the log of the run that it belongs to, also while another run is in progress."""

import asyncio
import logging
from uuid import UUID

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Log
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run, task_run

from runtime.run_logs import LOGGERS, link_logs_to_runs
from tests.servers.prefect import PrefectServer

logger = logging.getLogger("campaign.dialing.dialer")


async def lines_of(run: str) -> list[Log]:
    """The lines that the project logged in a flow run, and in its task runs."""
    await APILogHandler.aflush()
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(run)]))
    async with get_client() as client:
        found = await client.read_logs(wanted)
    return [line for line in found if line.name.startswith("campaign")]


@pytest.mark.prefect
async def test_two_runs_at_once_have_their_own_lines_and_their_tasks_have_theirs(prefect_server: PrefectServer) -> None:
    both = asyncio.Barrier(2)

    @task
    async def dial(name: str) -> str:
        await both.wait()
        # A line of its own, as each call has, and a thread.
        await asyncio.create_task(line(f"{name}: in the task"))
        await asyncio.to_thread(logger.warning, "%s: in a thread", name)
        return str(task_run.id)

    async def line(text: str) -> None:
        logger.info(text)

    @flow
    async def campaign(name: str) -> tuple[str, str]:
        link_logs_to_runs()
        logger.info("%s: in the flow", name)
        logger.debug("%s: for developers", name)
        return str(flow_run.id), await dial(name)

    ran = await asyncio.gather(campaign("first"), campaign("second"))
    for (run, of_task), name in zip(ran, ("first", "second"), strict=True):
        lines = {each.message: each for each in await lines_of(run)}
        assert set(lines) == {f"{name}: in the flow", f"{name}: in the task", f"{name}: in a thread"}
        assert {each.name for each in lines.values()} == {"campaign.dialing.dialer"}
        assert lines[f"{name}: in the flow"].task_run_id is None
        assert str(lines[f"{name}: in the task"].task_run_id) == of_task
        assert (lines[f"{name}: in a thread"].level, str(lines[f"{name}: in a thread"].task_run_id)) == (30, of_task)


def test_what_is_logged_outside_of_any_run_is_no_reason_for_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    link_logs_to_runs()
    logger.warning("by hand")
    assert caplog.messages == ["by hand"]


def test_each_line_is_sent_once_however_often_somebody_asked_for_it() -> None:
    link_logs_to_runs()
    link_logs_to_runs()
    for name in LOGGERS:
        assert len([each for each in logging.getLogger(name).handlers if isinstance(each, APILogHandler)]) == 1
