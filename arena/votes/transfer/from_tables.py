"""Votes in rows, and counts by pair, as the store takes them: read as for ratings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rostra.arena.imports import pairs
from rostra.arena.imports.detect import Detected
from rostra.arena.imports.files import fits_in_memory, read_raw
from rostra.arena.imports.normalise import ROW, normalised
from rostra.arena.imports.report import Fault
from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.frame import REQUIRED
from rostra.arena.tags.precedence import NAMES
from rostra.arena.votes.transfer.forms import TransferError
from rostra.arena.votes.transfer.incoming import Incoming, NotTaken, Said

CHUNK = 2_000
_NAMING_QUESTIONS = ("llmfao", "mt-bench")
"""Forms in which `prompt` is a number that stands for the question."""
_COUNTS = (
    "category",
    *(
        f"{name}_{side}"
        for name in ("headers", "lists", "bold", "code", "emoji")
        for side in ("left", "right")
    ),
)


class Table:
    """CSV, TSV, JSON lines, Parquet, LLMFAO's and MT-bench's votes."""

    def __init__(self, path: Path, found: Detected) -> None:
        self.form: str = found.format
        self.because = found.because
        self._path = path
        self._found = found

    def rows(self) -> Iterator[Incoming | NotTaken]:
        raw = read_raw(self._path, self._found, texts=True)
        yield from _unreadable(raw.faults)
        has = raw.rows.collect_schema()
        if not set(REQUIRED) <= set(has):
            reasons = "; ".join(map(str, raw.faults)) or "it names no contestants and outcomes"
            raise TransferError(f"{self._path} holds no vote in the form {self.form}: {reasons}")
        judged = normalised(raw.rows, in_memory=fits_in_memory(self._path)).judged
        for part in judged.collect_batches(chunk_size=CHUNK, maintain_order=True):
            for vote in part.iter_rows(named=True):
                yield _of_row(vote, named=self.form in _NAMING_QUESTIONS)


class PairCounts:
    """Each count as so many votes without texts, voters or times."""

    form = "pairs"

    def __init__(self, path: Path, because: str) -> None:
        self.because = because
        self._path = path

    def rows(self) -> Iterator[Incoming | NotTaken]:
        found = pairs.read(self._path)
        yield from _unreadable(found.faults)
        board, row = found.board, 0
        names = board.contestants
        for left, right, counts in zip(board.left, board.right, board.table, strict=True):
            for outcome, count in zip(OUTCOMES, counts, strict=True):
                for _ in range(int(count)):
                    row += 1
                    yield Incoming(
                        row=row,
                        contestant_a=names[left],
                        contestant_b=names[right],
                        outcome=outcome,
                        original_id=None,
                        at=None,
                        voter=None,
                        turns=1,
                    )


def _unreadable(faults: tuple[Fault, ...]) -> Iterator[NotTaken]:
    """The readers name the first rows of each kind and count the rest."""
    for fault in faults:
        for example in fault.examples:
            yield NotTaken(example.row, fault.reason, example.detail)
        for _ in range(fault.count - len(fault.examples)):
            yield NotTaken(0, fault.reason)


def _of_row(vote: dict[str, Any], *, named: bool) -> Incoming | NotTaken:
    if vote["reason"] is not None:
        return NotTaken(vote[ROW], vote["reason"], vote["detail"] or "")
    texts = {side: vote.get(f"text_{name}") for side, name in (("a", "left"), ("b", "right"))}
    asked = vote.get("prompt")
    told = any(text is not None for text in texts.values())
    extra = {name: vote[name] for name in _COUNTS if vote.get(name) is not None}
    for side, name in (("a", "left"), ("b", "right")):
        if texts[side] is None and vote.get(f"tokens_{name}") is not None:
            extra[f"tokens_{side}"] = vote[f"tokens_{name}"]
    if asked is not None and (named or not told):
        extra["prompt"] = asked
    return Incoming(
        row=vote[ROW],
        contestant_a=vote["left"],
        contestant_b=vote["right"],
        outcome=vote["outcome"],
        original_id=vote.get("id"),
        at=vote.get("at"),
        voter=vote.get("voter"),
        turns=1,
        # What identifies a question is no question: only beside answers is it taken as the text.
        prompts=("" if named else asked or "",) if told else (),
        answers=tuple(
            Said(0, side, text=text, completion_tokens=vote.get(f"tokens_{name}"))
            for (side, text), name in zip(texts.items(), ("left", "right"), strict=True)
            if text is not None
        ),
        tags={name: vote[name][:64] for name in NAMES if vote.get(name)},
        extra=extra or None,
    )
