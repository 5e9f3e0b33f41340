"""Prefect's server vanishes while people are called: dialing stops, the run says so, and the next one goes on."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contact.saving import save_blocks_on
from tests.flows.world import rows
from tests.servers.prefect import PrefectServer
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Program
from tests.servers.sandbox import RunningSandbox

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

CUSTOMERS = 60


def test_without_prefects_server_nobody_more_is_dialed_and_the_next_run_goes_on(
    start_prefect_server: Callable[..., PrefectServer],
    start_sandbox: Callable[..., RunningSandbox],
    reaper: ProcessReaper,
    tmp_path: Path,
) -> None:
    sandbox = start_sandbox(speed=60.0, scenario={"magic_numbers": False, "opt_outs": 0})
    people = tmp_path / "people.csv"
    people.write_text("id,phone\n" + "".join(f"{row['id']},{row['phone']}\n" for row in rows(CUSTOMERS)))

    def begin(server: PrefectServer, name: str) -> Program:
        words = ("--agent", "collections", "--policy", "collections", "--ledger", "default", "--campaign", "alone")
        return Program(
            [sys.executable, "-m", "flows.call_overdue_customers", *words, "--customers", str(people)],
            log=tmp_path / f"{name}.log",
            reaper=reaper,
            environment=server.environment,
        )

    server = start_prefect_server()
    save_blocks_on(
        server,
        tmp_path,
        api_key=sandbox.api_key,
        base_url=sandbox.base_url,
        agent="agent-plain",
        # A call every second, so that most of them are still to be made when the server goes.
        policy={"lines": 3, "calls_per_minute": 60, "calls_per_task": 10},
    )
    run = begin(server, "first")
    run.wait_until(lambda: len(sandbox.stats()["rings_per_number"]) >= 4, what="rang four phones")
    server.program.kill()
    run.wait_until(lambda: "no more calls are made" in run.log_text(), what="said that it stops", within_seconds=240)
    assert "Prefect's server has not answered" in run.log_text()
    rang = dict(sandbox.stats()["rings_per_number"])
    assert len(rang) < CUSTOMERS
    # Prefect's client would try for minutes to tell its server how the run ended.
    assert run.process.wait(timeout=40) == 1
    assert "Stopped early: Prefect's server" in run.log_text()
    assert "the ledger has what" in run.log_text()
    assert run.log_text().splitlines()[-1].startswith("Prefect's server has not answered")
    assert "Traceback" not in run.log_text().split("Stopped early: Prefect's server")[-1]
    assert sandbox.stats()["rings_per_number"] == rang

    again = begin(start_prefect_server(server.home), "second")
    again.process.wait(timeout=200)
    assert again.process.returncode == 0, again.log_text()[-3000:]
    assert sorted(sandbox.stats()["rings_per_number"].values()) == [1] * CUSTOMERS


def test_ctrl_c_ends_a_run_in_order_and_with_one_sentence(
    prefect_server: PrefectServer,
    start_sandbox: Callable[..., RunningSandbox],
    reaper: ProcessReaper,
    tmp_path: Path,
) -> None:
    sandbox = start_sandbox(speed=30.0, scenario={"magic_numbers": False, "opt_outs": 0})
    save_blocks_on(
        prefect_server,
        tmp_path,
        api_key=sandbox.api_key,
        base_url=sandbox.base_url,
        agent="agent-plain",
        policy={"lines": 3, "calls_per_task": 10},
    )
    people = tmp_path / "people.csv"
    people.write_text("id,phone\n" + "".join(f"{row['id']},{row['phone']}\n" for row in rows(CUSTOMERS)))
    words = ("--agent", "collections", "--policy", "collections", "--ledger", "default", "--campaign", "interrupted")
    run = Program(
        [sys.executable, "-m", "flows.call_overdue_customers", *words, "--customers", str(people)],
        log=tmp_path / "interrupted.log",
        reaper=reaper,
        environment=prefect_server.environment,
    )
    run.wait_until(lambda: len(sandbox.stats()["rings_per_number"]) >= 4, what="rang four phones")
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=240) == 130
    lines = run.log_text().splitlines()
    assert lines[-1] == "Stopped: no more calls are made. The ledger has every call; run it again to resume."
    assert not [line for line in lines if "Traceback" in line or "ERROR" in line]
