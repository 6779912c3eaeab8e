"""Whatever pages link to is there, with its heading, and the navigation has every page but decisions once."""

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("https://", "http://", "mailto:")


def text(page: pathlib.Path) -> str:
    """A page without what it shows word for word."""
    return FENCED.sub("", page.read_text())


def anchors(page: pathlib.Path) -> set[str]:
    """The headings of a page as GitHub and the site name them in links."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w -]", "", heading).strip().replace(" ", "-") for heading in plain}


def pages_of(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages_of(part)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    broken = []
    for link in LINK.findall(text(page)):
        if link.startswith(ELSEWHERE):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_navigation_has_every_page_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(pages_of(nav)) == [page.name for page in PAGES if page.parent == DOCS]


def test_the_index_leads_to_every_page() -> None:
    index = {link.partition("#")[0] for link in LINK.findall((DOCS / "index.md").read_text())}
    assert sorted(page.name for page in PAGES if page.parent == DOCS and page.name != "index.md") == sorted(
        link for link in index if link.endswith(".md") and "/" not in link
    )
