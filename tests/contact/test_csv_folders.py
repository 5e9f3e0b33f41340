"""A run that was given no folders reads files of its working directory, and no other file that a form names."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contact.place import CAMPAIGN, Place, customers
from tests.servers.program import PROJECT, Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

CAMPAIGNS = "call-overdue-customers/weekday-mornings"

NO_FOLDERS = {"HAMSA_CSV_FOLDERS": ""}


@pytest.fixture
def in_the_project() -> Iterator[Path]:
    """A file in the directory in which deployed runs work."""
    path = PROJECT / f"customers-{uuid.uuid4().hex[:8]}.csv"
    yield path
    path.unlink(missing_ok=True)


async def test_a_form_names_a_file_of_the_working_directory_or_none(
    place: Place, worker: Program, in_the_project: Path
) -> None:
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'folders.db'}")
    place.sandbox.reset()
    elsewhere = customers(place.folder, 2, 0)
    given = {**CAMPAIGN, "campaign": "folders", "customers": elsewhere}
    state = place.wait(place.start(CAMPAIGNS, environment=NO_FOLDERS, **given))
    assert state["type"] == "FAILED"
    assert "not in a folder from which this run may" in state["message"], state
    assert elsewhere["path"] in state["message"]
    assert "c0" not in state["message"]
    assert "7946" not in state["message"]
    assert place.rings() == {}

    shutil.copy(elsewhere["path"], in_the_project)
    given["customers"] = {"path": in_the_project.name}
    state = place.wait(place.start(CAMPAIGNS, environment=NO_FOLDERS, **given))
    assert state["type"] == "COMPLETED", state
    assert sum(place.rings().values()) == 2
