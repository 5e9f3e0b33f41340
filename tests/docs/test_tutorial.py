"""What the tutorial tells people to type in the sandbox prints what the tutorial shows."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, read
from tests.servers.prefect import PrefectServer
from tests.servers.sandbox import RunningSandbox

PAGE = "tutorial.md"


def commands() -> list[tuple[list[str], str]]:
    """The words of each command that a page shows with its output, and that output."""
    found = []
    for block in blocks(read(PAGE)):
        if block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((shlex.split(command), output.strip()))
    return found


def example(language: str) -> str:
    """The first block in a language."""
    return next(block.text for block in blocks(read(PAGE)) if block.language == language)


@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.thorough
def test_a_reader_sees_what_it_shows(
    prefect_server: PrefectServer, start_sandbox: Callable[..., RunningSandbox], tmp_path: Path
) -> None:
    sandbox = start_sandbox(speed=60.0)
    # A home of its own: the ledger lies there, and those of other tests know the same numbers.
    environment = prefect_server.environment | {"PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}

    def run(*words: str) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, *(word.replace("practice", "tutorial") for word in words)],  # blocks of this test's own
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stdout + done.stderr

    (registering,) = (words for words, _ in commands() if words[0] == "prefect")
    _, said = run("-m", *registering)
    assert "*Successfully registered 4 blocks*" in read(PAGE)
    assert "Successfully registered 4 blocks" in said
    saving = example("python").replace("http://127.0.0.1:8765", sandbox.base_url)
    run("-c", saving.replace("any-key-will-do", sandbox.api_key))
    customers = example("csv")
    (tmp_path / "customers.csv").write_text(customers, encoding="utf-8")
    *first, after_mending = [(words, shows) for words, shows in commands() if words[0] == "python"]
    assert len(first) == 3
    for words, shows in first:
        assert run(*words[1:])[0] == shows
    corrected = customers.replace("2125550124,,Priya", "2125550124,US,Priya")
    assert corrected != customers
    (tmp_path / "customers.csv").write_text(corrected, encoding="utf-8")
    words, shows = after_mending
    assert run(*words[1:])[0] == shows
    assert sandbox.stats()["rings"] == 4
    assert sandbox.stats()["most_rings_of_a_number"] == 1
