"""The pages of the manual, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)```(\S*) *$")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    """Of the first line of code."""
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """All pages for people: the manual, and the readme of each folder."""
    return sorted(
        [
            *ROOT.glob("*.md"),
            *ROOT.glob("docs/**/*.md"),
            *(page for page in ROOT.glob("[a-z]*/README.md") if page.parent.name != "docs"),
            *ROOT.glob("examples/*/README.md"),
        ]
    )


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks() -> Iterator[Block]:
    for page in pages():
        opened: tuple[int, str, int] | None = None
        lines: list[str] = []
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            fence = _FENCE.match(line)
            if opened is None:
                if fence is not None:
                    opened, lines = (number + 1, fence[2], len(fence[1])), []
            elif fence is not None:
                first, language, _ = opened
                yield Block(name_of(page), first, language, "\n".join(lines) + "\n")
                opened = None
            else:
                lines.append(line[opened[2] :])
        assert opened is None, f"{name_of(page)}:{opened and opened[0]}: a block without an end"


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
