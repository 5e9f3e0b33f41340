"""Every example of Python compiles, and those marked `runnable` run, against a sandbox and a Prefect server."""

import json
import runpy
import tomllib
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from pydantic import SecretStr

from blocks import CallingPolicy, HamsaCredentials, VoiceAgent
from tests.docs.pages import DOCS, Block, blocks, name_of, pages
from tests.servers.prefect import PrefectServer
from tests.servers.process_reaper import ProcessReaper
from tests.servers.sandbox import RunningSandbox, start_sandbox

EXAMPLES = [(page, block) for page in pages() for block in blocks(page.read_text(encoding="utf-8"))]
"""Every block of code of every page."""

ADDRESS = "http://127.0.0.1:8765"
"""Where the pages have their sandbox."""


def in_language(*languages: str) -> list[tuple[Path, Block]]:
    """The examples in one of these languages."""
    return [(page, block) for page, block in EXAMPLES if block.language in languages]


def place(example: tuple[Path, Block]) -> str:
    """Where an example stands."""
    return f"{name_of(example[0])}:{example[1].line}"


RUNNABLE = [example for example in in_language("python") if "runnable" in example[1].info.split()]


@pytest.fixture(scope="module")
def sandbox(reaper: ProcessReaper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """The one that the examples share, as a reader's would be."""
    running = start_sandbox(reaper, tmp_path_factory.mktemp("sandbox"), speed=600.0)
    yield running
    running.program.stop()


@pytest.fixture(scope="module")
def _saved(sandbox: RunningSandbox, _prefect_server: PrefectServer) -> RunningSandbox:
    credentials = HamsaCredentials(api_key=SecretStr(sandbox.api_key), base_url=sandbox.base_url)
    credentials.save("practice", overwrite=True)
    VoiceAgent(credentials=credentials, voice_agent_id="agent-collections").save("practice", overwrite=True)
    policy = CallingPolicy(preset="unrestricted", lines=3, poll_min_seconds=0.1, poll_max_seconds=0.5)
    policy.save("practice", overwrite=True)
    return sandbox


@pytest.fixture
def practice(_saved: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """What a reader of the tutorial has after its fourth step: the blocks named practice, and customers.csv."""
    (customers,) = (block for page, block in in_language("csv") if page == DOCS / "tutorial.md")
    (tmp_path / "customers.csv").write_text(customers.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return _saved


@pytest.mark.parametrize("example", in_language("python"), ids=place)
def test_examples_compile(example: tuple[Path, Block]) -> None:
    page, block = example
    compile(block.text, f"{name_of(page)}:{block.line}", "exec", flags=PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("example", in_language("yaml", "json", "toml"), ids=place)
def test_examples_of_data_can_be_read(example: tuple[Path, Block]) -> None:
    readers = {"yaml": yaml.safe_load, "json": json.loads, "toml": tomllib.loads}
    assert readers[example[1].language](example[1].text) is not None


@pytest.mark.parametrize("example", RUNNABLE, ids=place)
def test_runnable_examples_run(example: tuple[Path, Block], practice: RunningSandbox, tmp_path: Path) -> None:
    rang = practice.stats()["rings"]
    program = tmp_path / "example.py"
    text = example[1].text.replace(ADDRESS, practice.base_url).replace("any-key-will-do", practice.api_key)
    program.write_text(text, encoding="utf-8")
    runpy.run_path(str(program), run_name="__main__")
    stats = practice.stats()
    assert stats["most_rings_of_a_number"] <= 1
    calls_somebody = "asyncio.run" in text
    assert (stats["rings"] > rang) == calls_somebody


def test_something_is_runnable() -> None:
    pages_with_examples = {page.parent.name for page, _ in RUNNABLE}
    assert pages_with_examples >= {DOCS.name, "how-to", "reference"}
