"""No link of the manual leads nowhere, and every page can be found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import ROOT, name_of, pages, prose

_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(<?([^)>\s]+)>?\)")


def slug(heading: str) -> str:
    """The anchor that a heading gets where pages are shown, as GitHub makes it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(found) for found in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)}


def links(page: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "`code`", prose(page))
    return [target for target in _LINK.findall(text) if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            wrong.append(f"{target}: no such file")
        elif anchor and anchor not in anchors(file):
            wrong.append(f"{target}: no such heading")
    assert not wrong


def test_every_page_is_reached_from_the_first() -> None:
    reached, new = set(), [ROOT / "README.md"]
    while new:
        page = new.pop()
        reached.add(page)
        found = {(page.parent / target.partition("#")[0]).resolve() for target in links(page)}
        new += [each for each in found if each.suffix == ".md" and each not in reached]
    assert [name_of(page) for page in pages() if page not in reached] == []


def test_a_slug_is_as_github_makes_it() -> None:
    assert slug("`rostra up`: what it starts") == "rostra-up-what-it-starts"
