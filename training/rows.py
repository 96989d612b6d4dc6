"""Rows that are ready to train on, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rostra.training.errors import TrainingError
from rostra.training.held_out import held_out
from rostra.training.report import Report
from rostra.training.run_folder import digest

Row = dict[str, list[int]]
IN_EVALUATION = "its question is in the evaluation set, which is not trained on"


@dataclass(frozen=True)
class Grouped:
    """A row, and what must not be on both sides of an evaluation."""

    row: Row
    group: str
    where: str
    evaluates: bool = True
    """Whether it is fit for evaluation; a tie is not."""


@dataclass(frozen=True)
class Prepared:
    train: list[Row]
    evaluate: list[Row]
    report: Report
    provenance: dict[str, Any]
    """Plain JSON, for the record and the card."""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return digest([self.train, self.evaluate])


def divided(
    found: Sequence[Grouped], share: float, seed: int, report: Report
) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and those that are held out: a share of the groups, whole."""
    kept = held_out([each.group for each in found], share, seed)
    train = [each.row for each, out in zip(found, kept, strict=True) if not out]
    evaluate = []
    for each, out in zip(found, kept, strict=True):
        if out and each.evaluates:
            evaluate.append(each.row)
        elif out:
            report.leave_out(each.where, "a tie whose question is in the evaluation set")
    return train, evaluate


def require(train: Sequence[Row], report: Report, what: str) -> None:
    """Raises TrainingError, with the reasons, where there is nothing to train on."""
    if train:
        return
    reasons = "; ".join(f"{count:,} × {reason}" for reason, count in report.reasons.items())
    raise TrainingError(
        f"none of {report.rows:,} {what} can be trained on"
        f"{f': {reasons}; the first is {report.left_out[0]}' if reasons else ''}"
    )


def batch_note(rows: int, batch: int) -> str | None:
    """A line where there are fewer rows than one step takes."""
    if rows >= batch:
        return None
    return (
        f"The {rows:,} rows are fewer than a batch of {batch:,} (batch_size x accumulate x "
        "processes): each step trains on all of them."
    )
