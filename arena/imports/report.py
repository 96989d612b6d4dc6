"""What became of each row of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EXAMPLES = 3
"""Rows named for each reason; all are counted."""


@dataclass(frozen=True)
class Example:
    row: int
    """Records counted from 1, a header not among them; in JSON lines, the line."""
    detail: str
    """What stood there, shortened; may be empty."""

    def __str__(self) -> str:
        return f"row {self.row:,}{': ' + self.detail if self.detail else ''}"


@dataclass(frozen=True)
class Fault:
    """Rows that are malformed for one reason."""

    reason: str
    count: int
    examples: tuple[Example, ...]
    """The first `EXAMPLES`."""

    def __str__(self) -> str:
        shown = "; ".join(map(str, self.examples))
        return f"{self.count:,} × {self.reason} ({shown}{', …' if self.count > EXAMPLES else ''})"


@dataclass(frozen=True)
class ImportReport:
    """Every row is used, left out for a reason of the format, or malformed."""

    path: str
    format: str
    because: str
    """How the format was known."""
    rows_read: int
    left_out: tuple[tuple[str, int], ...] = ()
    """Reason and number of rows that were understood and are not meant to be rated."""
    faults: tuple[Fault, ...] = ()

    @property
    def malformed(self) -> int:
        return sum(fault.count for fault in self.faults)

    @property
    def rows_used(self) -> int:
        return self.rows_read - self.malformed - sum(count for _, count in self.left_out)

    def lines(self) -> Iterator[str]:
        """For people: what it was taken for, and what was not used."""
        yield (
            f"{self.path}: {self.format} ({self.because}); "
            f"{self.rows_used:,} of {self.rows_read:,} rows used"
        )
        for reason, count in self.left_out:
            yield f"left out: {count:,} × {reason}"
        for fault in self.faults:
            yield f"malformed: {fault}"


def merged(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Faults of the same reason added up; the most frequent first."""
    by_reason: dict[str, Fault] = {}
    for fault in faults:
        known = by_reason.get(fault.reason, Fault(fault.reason, 0, ()))
        examples = sorted(known.examples + fault.examples, key=lambda example: example.row)
        by_reason[fault.reason] = Fault(
            fault.reason, known.count + fault.count, tuple(examples[:EXAMPLES])
        )
    return tuple(sorted(by_reason.values(), key=lambda fault: (-fault.count, fault.reason)))


class FaultCounter:
    """Collects faults row by row, keeping only what a report shows."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[Example]] = {}

    def add(self, row: int, reason: str, detail: str = "") -> None:
        self._counts[reason] = self._counts.get(reason, 0) + 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(Example(row, shortened(detail)))

    def faults(self) -> tuple[Fault, ...]:
        return merged(
            Fault(reason, count, tuple(self._examples[reason]))
            for reason, count in self._counts.items()
        )


def shortened(text: str, length: int = 60) -> str:
    """At most `length` characters on one line, all printable."""
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return line if len(line) <= length else line[: length - 1] + "…"
