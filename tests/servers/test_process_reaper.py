"""Nothing that the suite starts outlives it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import PROJECT, Program, ProgramFailed

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from tests.servers.process_reaper import ProcessReaper

reaper = ProcessReaper()
reaper.folder(Path(sys.argv[1]))
# A child with a child of its own, in a session of its own: as a worker and the flow run that it started.
child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True); "
sleeper = "import time, os; print(os.getpid(), flush=True); time.sleep(600)"
environment = {**os.environ, **reaper.environment}
subprocess.Popen([sys.executable, "-c", child + "time.sleep(600)", sleeper], env=environment, start_new_session=True)
time.sleep(600)
"""


def test_what_a_killed_holder_started_is_ended_and_its_folder_is_gone(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(scratch)], stdout=subprocess.PIPE, cwd=PROJECT, text=True
    ) as holder:
        assert holder.stdout is not None
        grandchild = psutil.Process(int(holder.stdout.readline()))
        child = grandchild.parent()
        assert child is not None
        os.kill(holder.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs([grandchild, child], timeout=120)
    assert not alive
    assert _gone(scratch)


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path, reaper: ProcessReaper) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    program = Program([sys.executable, "-c", stubborn], log=tmp_path / "log", reaper=reaper)
    program.wait_until(lambda: "deaf" in program.log_text(), what="was deaf")
    program.stop(within_seconds=0.1)
    assert program.process.returncode == -signal.SIGKILL


def test_a_program_that_dies_early_says_why_at_once(tmp_path: Path, reaper: ProcessReaper) -> None:
    program = Program([sys.executable, "-c", "raise SystemExit('no such port')"], log=tmp_path / "log", reaper=reaper)
    started = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"ended with 1 before it answered.*\n.*no such port"):
        program.wait_until(lambda: False, what="answered", within_seconds=60)
    assert time.monotonic() - started < 30


def _gone(folder: Path, within_seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + within_seconds
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not folder.exists()
