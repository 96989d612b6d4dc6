"""What became of the rows of the input: every one that is not trained on has its line."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class LeftOut:
    """A row that is not trained on."""

    where: str
    """`file:line`, or the battle of a vote."""
    reason: str
    detail: str = ""
    """What differs from row to row, so that rows of one reason can be counted."""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}{f' ({self.detail})' if self.detail else ''}"


@dataclass
class Report:
    """Filled while rows are read, in their order."""

    rows: int = 0
    """Read, those left out among them."""
    left_out: list[LeftOut] = field(default_factory=list)
    mended: Counter[str] = field(default_factory=Counter)
    """What was changed in rows that stay, and in how many."""

    def leave_out(self, where: str, reason: str, detail: str = "") -> None:
        self.left_out.append(LeftOut(where, reason, detail))

    @property
    def reasons(self) -> dict[str, int]:
        """Number of rows by reason, the most frequent first."""
        return dict(Counter(each.reason for each in self.left_out).most_common())

    def write(self, path: Path) -> None:
        """A line of JSON for each row that was left out."""
        with path.open("w", encoding="utf-8") as file:
            for each in self.left_out:
                row = {"where": each.where, "reason": each.reason, "detail": each.detail}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
