"""The pages as tests read them: headings, links, tables, and blocks of code with the line on which they begin."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^( *)```(.*)$")
_HEADING = re.compile(r"^(#{1,6}) +(.*?) *$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code.

    Attributes:
        info: What follows the fence, such as `python`.
        text: What is in it, without the fence's own indentation.
        line: The number of its first line in the page.
    """

    info: str
    text: str
    line: int

    @property
    def language(self) -> str:
        """The first word of the info."""
        return (self.info.split() or [""])[0]


def pages() -> list[Path]:
    """Every page for people."""
    return [
        path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md") if path.exists()
    ] + sorted(DOCS.rglob("*.md"))


def name_of(page: Path) -> str:
    """A page as a person would name it."""
    return str(page.relative_to(ROOT))


def read(page: str) -> str:
    """The text of a page below docs/."""
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(text: str) -> Iterator[Block]:
    """The blocks of code of a page, in their order."""
    opened: tuple[str, str, int] | None = None
    held: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                opened, held = (fence[1], fence[2].strip(), number + 1), []
        elif fence and not fence[2].strip():
            yield Block(opened[1], "\n".join(held) + "\n", opened[2])
            opened = None
        else:
            held.append(line.removeprefix(opened[0]))
    assert opened is None, "a block of code is not closed"


def prose(text: str) -> str:
    """A page without its blocks of code, line by line as it was."""
    lines, inside = [], False
    for line in text.splitlines():
        fence = _FENCE.match(line)
        lines.append("" if inside or fence else line)
        if fence:
            inside = not inside
    return "\n".join(lines)


def anchors(text: str) -> set[str]:
    """What `#…` can lead to, by the rule that GitHub and most others follow."""
    found: set[str] = set()
    for line in prose(text).splitlines():
        if heading := _HEADING.match(line):
            plain = re.sub(r"[^\w\- ]", "", heading[2].replace("`", "").strip().lower()).replace(" ", "-")
            anchor, count = plain, 0
            while anchor in found:
                count += 1
                anchor = f"{plain}-{count}"
            found.add(anchor)
    return found


def links(text: str) -> list[str]:
    """Where a page's links lead."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(text)))


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head.

    Args:
        text: The page.
        heading: The heading's words, without `#`.
    """
    lines = prose(text).splitlines()
    begins = [number for number, line in enumerate(lines) if (found := _HEADING.match(line)) and found[2] == heading]
    assert begins, f"there is no heading {heading!r}"
    rows: list[list[str]] = []
    for line in lines[begins[0] + 1 :]:
        if _HEADING.match(line):
            break
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
        elif rows:
            break
    assert rows, f"there is no table below {heading!r}"
    return rows[2:]
