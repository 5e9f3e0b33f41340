"""Each assumption is one comment in the code; it, and each documented fact, has a test that is named and exists."""

import re

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "explanation" / "why-nobody-is-called-twice.md"
FACTS = DOCS / "reference" / "sandbox.md"

_ROW = re.compile(r"^\| (?P<assumed>[^|]+) \| (?P<follows>[^|]+) \| (?P<shown>[^|]+) \|$")


def facts() -> dict[str, str]:
    """What is documented, and the cell that names the tests."""
    section = FACTS.read_text(encoding="utf-8").split("## What is documented")[1].split("\n## ")[0]
    found = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {fact: held for fact, held in found if fact not in ("documented", "---")}


def assumptions() -> dict[str, str]:
    """What is assumed, and the cell that names the tests."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.split("## What we assume of Hamsa's API")[1].split("\n## ")[0]
    rows = [found for line in section.splitlines() if (found := _ROW.match(line)) is not None]
    return {row["assumed"]: row["shown"] for row in rows if row["assumed"] not in ("assumption", "---")}


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """The name of every test there is."""
    files = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in files for name in re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE)}


def comments() -> list[str]:
    """What the code says after each `Assumed: `, with what follows it, in one line."""
    said: list[str] = []
    for package in ("hamsa", "campaign", "webhooks", "blocks", "tasks", "flows", "runtime"):
        for path in sorted((ROOT / package).rglob("*.py")):
            lines = (line.strip().removeprefix("#").strip() for line in path.read_text(encoding="utf-8").splitlines())
            said += re.split(r"\bAssumed: ", " ".join(lines))[1:]
    return said


def test_there_are_assumptions_on_the_page() -> None:
    assert len(assumptions()) >= 30


@pytest.mark.parametrize("assumed", assumptions(), ids=range(len(assumptions())))
def test_an_assumption_on_the_page_is_one_comment_in_the_code(assumed: str) -> None:
    assert sum(said.startswith(f"{assumed}.") for said in comments()) == 1, f"once, `# Assumed: {assumed}.`"


def test_an_assumption_in_the_code_is_on_the_page() -> None:
    unknown = [said[:100] for said in comments() if not said.startswith(tuple(f"{each}." for each in assumptions()))]
    assert not unknown


@pytest.mark.parametrize(("assumed", "shown"), assumptions().items(), ids=range(len(assumptions())))
def test_what_follows_when_an_assumption_is_wrong_is_shown_by_a_test(assumed: str, shown: str, tests: set[str]) -> None:
    named = re.findall(r"`(test_\w+)`", shown)
    assert named, f"nothing shows what follows if this is wrong: {assumed}"
    assert set(named) <= tests, f"{assumed}: there is no {set(named) - tests}"


@pytest.mark.parametrize(("fact", "held"), facts().items(), ids=range(len(facts())))
def test_what_is_documented_is_held_by_a_test(fact: str, held: str, tests: set[str]) -> None:
    named = re.findall(r"`(test_\w+)`", held)
    assert named, f"nothing holds: {fact}"
    assert set(named) <= tests, f"{fact}: there is no {set(named) - tests}"
