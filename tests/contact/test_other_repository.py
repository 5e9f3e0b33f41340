"""The example of another repository, in an environment that has Prefect, what Prefect needs, and nothing of ours."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.contact.place import Place
from tests.servers.program import PROJECT, Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

EXAMPLE = PROJECT / "examples" / "other_repository"


def needed_by(name: str) -> dict[str, importlib.metadata.Distribution]:
    """A distribution and all that it needs here, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = [name]
    while waiting:
        if (each := waiting.pop().lower().replace("_", "-").replace(".", "-")) in found:
            continue
        try:
            found[each] = importlib.metadata.distribution(each)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or Python
        for line in found[each].requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or any(
                wanted.marker.evaluate({"extra": extra}) for extra in ("", "asyncio", "http2", "timezone", "standard")
            ):
                waiting.append(wanted.name)
    return found


@pytest.fixture(scope="module")
def python_with_prefect_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has Prefect and what it needs, by links to what is installed here."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    for distribution in needed_by("prefect").values():
        for file in distribution.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (packages / top).exists():
                (packages / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder / "venv" / "bin" / "python"


def run(python: Path, place: Place, *arguments: str | Path) -> str:
    """Run something there as another repository would: its own folder, the same Prefect server."""
    environment = {name: value for name, value in place.server.environment.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, *arguments], cwd=python.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_another_repository_writes_rows_runs_the_deployment_and_reads_how_they_went(
    place: Place, worker: Program, event_trigger: str, python_with_prefect_alone: Path
) -> None:
    python = python_with_prefect_alone
    for ours in ("campaign", "flows", "blocks", "phonenumbers", "prefect_sqlalchemy"):
        absent = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{ours}') is not None)"
        run(python, place, "-c", absent)
    ledger = place.folder / "elsewhere.db"
    await place.save_blocks(ledger_url=f"sqlite:///{ledger}")
    place.sandbox.reset()
    for name in ("collect.py", "emit_invoice_overdue.py"):
        shutil.copy(EXAMPLE / name, python.parent)
    printed = run(python, place, "collect.py", place.folder / "receivables.sqlite", ledger, "collected")
    assert "2 of 2 customers called" in printed
    assert printed.count("'duration_seconds': ") == 2
    assert "'recipient_id': '17'" in printed
    assert place.rings() == {"+12125550117": 1, "+12125550118": 1}
    before = {each["id"] for each in place.runs_of(event_trigger)}
    run(python, place, "emit_invoice_overdue.py", "2041", "19", "+12125550119", "Lena")
    (made,) = place.new_runs(event_trigger, since=before)
    assert place.wait(made["id"])["type"] == "COMPLETED"
    assert place.rings() == {"+12125550117": 1, "+12125550118": 1, "+12125550119": 1}


def test_a_wheel_claims_one_name_and_no_generic_one(tmp_path: Path) -> None:
    """As `pip wheel .` makes it, with the build tools that pip fetches."""
    # Not the suite's environment, which lets nothing out to where pip has its packages.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, PROJECT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "CI" not in os.environ and "No matching distribution" in done.stderr:
        pytest.skip("pip finds no package index here")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
        module = archive.read("hamsa_calls.py").decode()
    assert {name for name in top if not name.endswith(".dist-info")} == {"hamsa_calls.py"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "hamsa_calls.py").write_text(module)
    # Installed by mistake, it takes nobody's `blocks` for its own.
    script = "import hamsa_calls, sys; sys.exit('blocks' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(elsewhere)!r}); {script}"], check=False
        ).returncode
        == 0
    )
