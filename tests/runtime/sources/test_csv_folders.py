"""From which folders a run may read files: a deployment's form reaches no further than the deployment lets it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from campaign.intake.recipients import CsvFile, SourceError
from runtime.sources.csv_folders import VARIABLE, allowed_folders
from runtime.sources.rows import Rows


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and no setting."""
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def deployed() -> Iterator[None]:
    """As if a worker ran this."""
    with context_of(FlowRun(flow_id=uuid4(), deployment_id=uuid4())):
        yield


def context_of(run: FlowRun) -> FlowRunContext:
    """What the engine keeps of a run, as far as it is looked at here."""
    given: Any = {"flow_run": run}
    return FlowRunContext.model_construct(**given)


def test_a_run_of_no_deployment_reads_where_it_likes() -> None:
    with context_of(FlowRun(flow_id=uuid4())):
        assert allowed_folders() is None


def test_a_program_reads_where_it_likes_until_somebody_says_otherwise(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert allowed_folders() is None
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert allowed_folders() == (here, tmp_path)


@pytest.mark.usefixtures("deployed")
def test_a_deployment_reads_its_working_directory_and_the_folders_that_are_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert allowed_folders() == (here,)
    monkeypatch.setenv(VARIABLE, os.pathsep.join(["/srv/lists", "", "~/lists"]))
    assert allowed_folders() == (here, Path("/srv/lists"), Path.home() / "lists")


@pytest.mark.usefixtures("deployed")
def test_a_worker_in_the_root_is_no_leave_to_read_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert allowed_folders() == ()


@pytest.mark.usefixtures("deployed")
async def test_a_file_of_the_deployment_is_read_and_another_is_not(here: Path, tmp_path: Path) -> None:
    for path in (here / "overdue.csv", tmp_path / "secrets.csv"):
        path.write_text("id,phone\n1,+12125550100\n")
    with Rows(CsvFile(path=Path("overdue.csv"))) as rows:
        await rows.read()
        assert rows.count == 1
    with Rows(CsvFile(path=tmp_path / "secrets.csv")) as rows, pytest.raises(SourceError, match="not in a folder"):
        await rows.read()
