"""Votes written to a file, in bounded memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine

from rostra.arena.votes.database import snapshot
from rostra.arena.votes.reduction import REVEALED
from rostra.arena.votes.transfer import flat, lmsys
from rostra.arena.votes.transfer.forms import Form
from rostra.arena.votes.transfer.identities import Identities, Pseudonyms
from rostra.arena.votes.transfer.own import own_lines
from rostra.arena.votes.transfer.reading import Filter, Voted, votes

NAMED = "named pair, which this form cannot mark"
JUDGED = "verdict of a model, which this form cannot mark"
_MARKED = ("lmsys-battles", "lmsys-log")
"""Forms that tell a named pair from a blind one."""


@dataclass(frozen=True)
class ExportOptions:
    form: Form
    identities: Identities = "hashed"
    texts: bool = True
    both_bad: str = lmsys.WINNERS["both_bad"]
    """What LMSYS's forms call that outcome: `tie (bothbad)`, or `both_bad` in their newer files."""
    wanted: Filter = field(default_factory=Filter)


@dataclass(frozen=True)
class Exported:
    written: int
    """Votes."""
    left_out: tuple[tuple[str, int], ...]
    """Reason and number of votes."""
    verifiable: bool
    """Whether what was written is the whole log."""
    without_images: int = 0
    """Votes written whose questions had images, which the form cannot carry."""


class Exporter:
    """One export of one store. Methods block."""

    def __init__(self, engine: Engine, options: ExportOptions) -> None:
        self._engine = engine
        self._options = options
        self._pseudonyms = Pseudonyms()
        self._written = 0
        self._left_out: Counter[str] = Counter()
        self._without_images = 0

    def write(self, file: BinaryIO) -> Exported:
        own = self._options.form == "jsonl"
        with snapshot(self._engine) as connection:
            if own:
                lines = own_lines(
                    connection,
                    self._options.wanted,
                    self._shown,
                    self._counted,
                    texts=self._options.texts,
                )
                file.writelines(map(_json_line, lines))
            else:
                self._write(connection, file)
        return Exported(
            self._written,
            tuple(self._left_out.items()),
            own and self._options.wanted.everything,
            self._without_images,
        )

    def _write(self, connection: Connection, file: BinaryIO) -> None:
        options, found = self._options, self._taken(votes(connection, self._options.wanted))
        match options.form:
            case "parquet":
                rows = (flat.row(each, self._shown(each), texts=options.texts) for each in found)
                flat.write_parquet(file, rows, texts=options.texts)
            case "csv":
                file.writelines(flat.csv_lines(found, options.both_bad))
            case "pairs":
                file.write(json.dumps(_pairs(found), indent=1, ensure_ascii=False).encode())
            case "lmsys-log":
                file.writelines(
                    _json_line(lmsys.log_line(each, self._shown(each), texts=options.texts))
                    for each in found
                )
            case _:
                file.writelines(_array(self._battles(found)))

    def _battles(self, found: Iterable[Voted]) -> Iterator[dict[str, Any]]:
        options = self._options
        for each in found:
            shown = self._shown(each)
            # Their judges are numbered users; a pseudonym that came from them is one already.
            kept = options.identities == "kept" or shown is None
            judge = shown if kept else f"arena_user_{shown}"
            yield lmsys.battle(each, judge, texts=options.texts, both_bad=options.both_bad)

    def _taken(self, found: Iterable[Voted]) -> Iterator[Voted]:
        for each in found:
            reason = None
            if each.battle.identity_revealed:
                reason = REVEALED
            elif each.battle.judge is not None:
                reason = JUDGED
            elif each.battle.mode != "battle" and self._options.form not in _MARKED:
                reason = NAMED
            if reason is None:
                self._counted(each)
                yield each
            else:
                self._left_out[reason] += 1

    def _counted(self, found: Voted) -> None:
        self._written += 1
        carried = self._options.form == "jsonl" and self._options.texts
        self._without_images += bool(found.logged.images) and not carried

    def _shown(self, found: Voted) -> str | None:
        if found.battle.judge is not None:
            # Nobody's privacy: a model is known by its name.
            return str(found.battle.voter)
        return self._pseudonyms.shown(found.battle.voter, self._options.identities)


def _pairs(found: Iterable[Voted]) -> list[dict[str, Any]]:
    """Counts by pair: who stood left, who right, and each outcome."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for each in found:
        pair = (each.battle.contestant_a, each.battle.contestant_b)
        counts.setdefault(pair, Counter())[each.vote.outcome] += 1
    return [
        {
            "model_a": left,
            "model_b": right,
            "win_a": count["a"],
            "win_b": count["b"],
            "tie": count["tie"],
            "both_bad": count["both_bad"],
        }
        for (left, right), count in sorted(counts.items())
    ]


def _json_line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _array(records: Iterable[Any]) -> Iterator[bytes]:
    """A JSON array, one element a line."""
    start = b"[\n"
    for record in records:
        yield start + _json_line(record).rstrip(b"\n")
        start = b",\n"
    yield b"[]\n" if start == b"[\n" else b"\n]\n"
