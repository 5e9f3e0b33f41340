"""A ledger must outlive its run: whoever would lose it is stopped before dialing, and nobody else is bothered."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State

from blocks import CallLedger
from blocks.ledger import ensure_ledger_outlives
from blocks.run_environment import RunEnvironment, in_container, run_environment, why_it_would_be_lost
from campaign.errors import LedgerError
from tests.servers.prefect import PrefectServer
from tests.servers.program import PROJECT, Program

DEFAULT = "/home/user/.prefect/hamsa/calls.db"


def why(
    where: RunEnvironment, *, named: bool = False, file: str | None = DEFAULT, block: str | None = None
) -> str | None:
    return why_it_would_be_lost(where, named=named, file=file, block=block)


@pytest.mark.parametrize("in_container", [False, True])
@pytest.mark.parametrize(
    ("named", "file"), [(False, DEFAULT), (True, "calls.db"), (True, "/data/calls.db"), (True, None)]
)
def test_a_run_by_hand_or_served_is_never_bothered(in_container: bool, named: bool, file: str | None) -> None:
    assert why(RunEnvironment(in_container=in_container), named=named, file=file) is None


def test_a_process_worker_on_its_host_is_not_bothered() -> None:
    assert why(RunEnvironment(by_worker=True, work_pool="laptop", pool_type="process")) is None


@pytest.mark.parametrize("pool_type", ["docker", "kubernetes", "ecs", "prefect:managed", None])
def test_a_worker_of_any_other_kind_is_stopped_and_says_what_to_set(pool_type: str | None) -> None:
    reason = why(RunEnvironment(by_worker=True, work_pool="cloud", pool_type=pool_type))
    assert reason is not None
    assert "a worker of the work pool `cloud`" in reason
    assert "no ledger was chosen" in reason
    assert "Use a PostgreSQL URL" in reason
    assert reason.endswith("Nobody was called.")


def test_a_process_worker_in_a_container_is_stopped() -> None:
    assert why(RunEnvironment(by_worker=True, work_pool="pod", pool_type="process", in_container=True)) is not None


def test_what_is_said_of_the_ledger_is_what_is_so() -> None:
    inside = RunEnvironment(by_worker=True, work_pool="hamsa-calls", pool_type="process", in_container=True)
    reason = why(inside, block="default")
    assert reason is not None
    assert "in a container, and the Call Ledger block `default` has no database URL" in reason
    assert "no ledger was chosen" not in reason
    assert DEFAULT in reason
    assert "give that block one" in reason


def test_a_file_that_somebody_named_is_their_word() -> None:
    for pool_type, contained in itertools.product(["process", "docker", None], [False, True]):
        where = RunEnvironment(by_worker=True, work_pool="cloud", pool_type=pool_type, in_container=contained)
        assert why(where, named=True, file="/data/calls.db") is None
        assert why(where, named=True, file=None) is None


def test_a_relative_file_is_lost_with_the_folder_a_worker_makes_for_each_run() -> None:
    reason = why(RunEnvironment(by_worker=True, work_pool="laptop", pool_type="process"), named=True, file="calls.db")
    assert reason is not None
    assert "write the path from the root" in reason


def test_a_container_is_known_by_its_marks() -> None:
    assert in_container({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert in_container({}) == any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


async def test_outside_of_any_run_nobody_is_bothered_and_no_server_is_asked() -> None:
    assert await run_environment() == RunEnvironment()
    await ensure_ledger_outlives(CallLedger())


# What a worker sets before it starts a run; the rest is asked of the server.
@pytest.mark.prefect
@pytest.mark.parametrize("pool_type", ["docker", "process", None])
async def test_the_server_says_where_a_run_was_started(
    prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch, pool_type: str | None
) -> None:
    @flow
    async def where() -> RunEnvironment:
        return await run_environment()

    @flow
    async def where_as_subflow() -> RunEnvironment:
        return await where()

    async with get_client() as client:
        pool = None
        if pool_type is not None:
            pool = f"lifetime-{pool_type}"
            await client.create_work_pool(WorkPoolCreate(name=pool, type=pool_type), overwrite=True)
        flow_id = await client.create_flow(where_as_subflow)
        deployment = await client.create_deployment(flow_id, f"lifetime-{pool_type}", work_pool_name=pool)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(deployment))
    expected = (
        RunEnvironment()
        if pool is None
        else RunEnvironment(by_worker=True, work_pool=pool, pool_type=pool_type, in_container=in_container())
    )
    assert await where_as_subflow() == expected


@pytest.mark.prefect
async def test_a_run_of_a_docker_worker_without_a_named_ledger_ends_before_it_dials(
    prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dialed: list[str] = []

    @flow
    async def call(ledger: CallLedger) -> None:
        await ensure_ledger_outlives(ledger)
        dialed.append("yes")

    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="away", type="docker"), overwrite=True)
        deployment = await client.create_deployment(await client.create_flow(call), "away", work_pool_name="away")
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(deployment))
    with pytest.raises(LedgerError, match=r"a worker of the work pool `away` \(type docker\)"):
        await call(CallLedger())
    assert not dialed
    await call(CallLedger(url=f"sqlite:///{tmp_path}/calls.db"))
    assert dialed


FLOW = """
from prefect import flow

from blocks import CallLedger
from blocks.ledger import ensure_ledger_outlives

@flow
async def call(url: str | None = None) -> str:
    await ensure_ledger_outlives(CallLedger(url=url))
    return "may dial"
"""


@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.thorough
async def test_a_real_worker_in_a_container_runs_only_with_a_ledger_that_somebody_named(
    prefect_server: PrefectServer, start_worker: Callable[..., Program], tmp_path: Path
) -> None:
    (tmp_path / "calling.py").write_text(FLOW)
    settings = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "PYTHONPATH": str(PROJECT)}
    start_worker("contained", name="contained", settings=settings)
    async with get_client() as client:
        deployment = await client.create_deployment(
            await client.create_flow_from_name("call"),
            "contained",
            work_pool_name="contained",
            entrypoint="calling.py:call",
            path=str(tmp_path),
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}],
        )

        async def state_after(**parameters: str) -> State[object]:
            run = await client.create_flow_run_from_deployment(deployment, parameters=parameters)
            while run.state is None or not run.state.is_final():
                await asyncio.sleep(0.2)
                run = await client.read_flow_run(run.id)
            return run.state

        unnamed = await state_after()
        assert unnamed.is_failed(), unnamed
        assert "a worker of the work pool `contained`, in a container, and no ledger was chosen" in str(unnamed.message)
        assert (await state_after(url=f"sqlite:///{tmp_path}/calls.db")).is_completed()
