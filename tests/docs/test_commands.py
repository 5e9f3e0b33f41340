"""Every command that a page tells people to type is one: a target of make, a module, a command of Prefect's."""

import inspect
import re
import shlex
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from prefect import Flow
from prefect.cli._app import _app as prefect_commands  # the only way to ask it whether it knows a command

from sandbox.__main__ import parser as sandbox_options
from tests.docs.pages import ROOT, blocks, name_of, pages, prose
from webhooks.__main__ import _parser as webhooks_options

SHELLS = ("sh", "bash", "console", "shell")


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command in a page's blocks for the shell."""
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language not in SHELLS:
            continue
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
            if block.language == "console" and not line.startswith("$ "):
                continue  # what the command before it printed
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if "<" in words:
                del words[words.index("<") :]  # the shell's own affair
            if words:
                yield words


def inline(page: Path) -> Iterator[list[str]]:
    """Commands of make and modules named within the text."""
    for text in re.findall(r"`((?:make|python -m) [^`\n]+)`", prose(page.read_text(encoding="utf-8"))):
        yield shlex.split(text)


ALL = sorted(
    {(name_of(page), tuple(words)) for page in pages() for words in (*commands(page), *inline(page))},
)


def _of(program: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(page, words) for page, words in ALL if words[0].rpartition("/")[2] == program]


def _place(case: tuple[str, tuple[str, ...]]) -> str:
    return f"{case[0]}: {' '.join(case[1])[:60]}"


@pytest.mark.parametrize("case", _of("make"), ids=_place)
def test_targets_of_make_exist(case: tuple[str, tuple[str, ...]]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = [word for word in case[1][1:] if "=" not in word and not word.startswith("-")]
    assert named
    assert set(named) <= targets


@pytest.mark.parametrize("case", _of("python"), ids=_place)
def test_programs_exist_and_take_the_options_they_are_given(case: tuple[str, tuple[str, ...]]) -> None:
    words = list(case[1][1:])
    if words[0] == "-c":
        compile(words[1], "a command", "exec")
        return
    if words[0] != "-m":
        shown = (ROOT / case[0]).read_text(encoding="utf-8")
        assert words[0].endswith(".py")
        assert (ROOT / words[0]).exists() or f"`{words[0]}`" in shown, f"{words[0]} is no file, nor shown as one"
        return
    module, options = words[1], [word.partition("=")[0] for word in words[2:] if word.startswith("--")]
    spec = find_spec(module)
    assert spec is not None, f"there is no module {module}"
    if spec.submodule_search_locations is not None:
        assert find_spec(f"{module}.__main__") is not None, f"{module} is no program"
    if module == "automations":
        files = {file.stem for file in (ROOT / "automations").glob("*.yaml")}
        assert {word.removesuffix(".yaml") for word in words[2:]} <= files, "it takes names of its files, no options"
        return
    known = _options(module)
    if known is not None:
        assert set(options) <= known | {"--help"}, f"{module} takes {sorted(known)}"


def _options(module: str) -> set[str] | None:
    """The options of our own programs; None where they are not known from outside."""
    parsers = {"sandbox": sandbox_options, "webhooks": webhooks_options}
    if module in parsers:
        return {option for action in parsers[module]()._actions for option in action.option_strings}  # noqa: SLF001 - argparse has no other way
    if not module.startswith("flows."):
        return None
    name = module.removeprefix("flows.")
    flow = getattr(import_module(module), name)
    assert isinstance(flow, Flow)
    function: Callable[..., object] = flow.fn
    return {f"--{parameter.replace('_', '-')}" for parameter in inspect.signature(function).parameters}


@pytest.mark.parametrize("case", _of("prefect"), ids=_place)
def test_commands_of_prefect_are_understood_by_it(case: tuple[str, tuple[str, ...]]) -> None:
    # What a reader is to fill in stands in capitals; an id has a form that Prefect looks at.
    words = ["00000000-0000-0000-0000-000000000000" if word.endswith("_ID") else word for word in case[1][1:]]
    prefect_commands.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("case", _of("prefect"), ids=_place)
def test_deployments_that_are_named_are_in_prefect_yaml(case: tuple[str, tuple[str, ...]]) -> None:
    if case[1][1] != "deployment":
        return
    described = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    known = {f"{each['entrypoint'].rpartition(':')[2].replace('_', '-')}/{each['name']}" for each in described}
    named = {word for word in case[1] if re.fullmatch(r"[a-z][a-z0-9-]*/[a-z0-9-]+", word)}
    assert named <= known
