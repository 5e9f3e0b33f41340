"""No link leads nowhere, and every page can be reached from the map."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.pages import DOCS, ROOT, anchors, links, name_of, pages


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    nowhere = []
    for link in links(page.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or not target.is_relative_to(ROOT):
            nowhere.append(f"{link}: there is no such file")
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            nowhere.append(f"{link}: {name_of(target)} has no such heading")
    assert not nowhere, nowhere


def test_every_page_is_on_the_map() -> None:
    mapped = {(DOCS / link.partition("#")[0]).resolve() for link in links((DOCS / "index.md").read_text("utf-8"))}
    missing = [name_of(page) for page in DOCS.rglob("*.md") if page.resolve() not in mapped | {DOCS / "index.md"}]
    assert not missing, f"docs/index.md does not lead to {missing}"
