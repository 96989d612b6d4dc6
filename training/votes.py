"""Votes with what was voted on, from the vote store or from a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from rostra.arena.errors import ArenaError
from rostra.arena.votes.database import open_existing, snapshot
from rostra.arena.votes.log.lines import FORMAT
from rostra.arena.votes.log.redacted import is_redacted
from rostra.arena.votes.models import LogHead
from rostra.arena.votes.transfer.incoming import Incoming, NotTaken
from rostra.arena.votes.transfer.reading import Filter, Voted
from rostra.arena.votes.transfer.reading import votes as stored_votes
from rostra.arena.votes.transfer.sources import source_of
from rostra.training.errors import TrainingError
from rostra.training.report import Report


@dataclass(frozen=True)
class Answer:
    text: str
    ended: bool
    """Whether the model ended it itself, and was not cut off."""


@dataclass(frozen=True)
class VotedBattle:
    where: str
    """For people: the battle, or `file:row`."""
    left: str
    right: str
    outcome: str
    """`a` (left), `b`, `tie` or `both_bad`."""
    mode: str
    revealed: bool
    failed: bool
    campaign: str | None
    voter: str | None
    at: datetime | None
    imported: bool
    turns: int
    """How many questions the voter had read the answers to."""
    questions: tuple[str, ...]
    has_images: bool
    answers_left: tuple[Answer | None, ...]
    answers_right: tuple[Answer | None, ...]
    system_left: str | None = None
    system_right: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    judge: str | None = None
    """The model that gave the verdict; None for a person."""


@dataclass(frozen=True)
class VoteSource:
    """Which votes were read."""

    name: str
    """Of the store or file, without a password."""
    log_seq: int | None = None
    """Entries of the log; None for a file without one."""
    log_head: str | None = None
    """Hash of the last of them, hex."""


@dataclass(frozen=True)
class Votes:
    source: VoteSource
    battles: tuple[VotedBattle, ...]


def read_store(url: str, upto: int | None = None) -> Votes:
    """All votes; with `upto` those of the log's first entries only, so that a run that is resumed
    sees the votes that it began with. Raises TrainingError."""
    try:
        engine = open_existing(url)
        try:
            with snapshot(engine) as connection:
                head = connection.execute(LogHead.__table__.select()).one()
                found = tuple(
                    _of_store(each)
                    for each in stored_votes(connection, Filter())
                    if upto is None or each.logged.entry.seq <= upto
                )
        finally:
            engine.dispose()
    except ArenaError as error:
        raise TrainingError(str(error)) from error
    name = engine.url.render_as_string(hide_password=True)
    return Votes(VoteSource(name, head.seq, head.hash.hex()), found)


def read_file(path: Path, report: Report) -> Votes:
    """An exported log, whose chain is checked, or another form that the vote store takes. Rows that
    are none go to the report. Raises TrainingError."""
    try:
        found = tuple(_of_file(path, report))
    except ArenaError as error:
        raise TrainingError(str(error)) from error
    return Votes(_source_of_file(path), found)


def _source_of_file(path: Path) -> VoteSource:
    with path.open("rb") as file:
        try:
            header = msgspec.json.decode(file.readline())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        return VoteSource(path.name)
    return VoteSource(path.name, header.get("entries"), header.get("head"))


def _of_store(found: Voted) -> VotedBattle:
    battle = found.battle
    return VotedBattle(
        where=f"battle {battle.id}",
        left=battle.contestant_a,
        right=battle.contestant_b,
        outcome=found.vote.outcome,
        mode=battle.mode,
        revealed=battle.identity_revealed,
        failed=battle.failed,
        campaign=battle.campaign,
        voter=battle.voter,
        at=found.at,
        imported=found.imported is not None,
        turns=found.vote.turns,
        questions=tuple(turn.prompt for turn in found.turns),
        has_images=bool(found.logged.images),
        answers_left=tuple(map(_answer, found.answers("a"))),
        answers_right=tuple(map(_answer, found.answers("b"))),
        system_left=_system(battle.settings_a),
        system_right=_system(battle.settings_b),
        tags=found.tags if not is_redacted(battle) else {},
        judge=battle.judge,
    )


def _answer(row: Any) -> Answer | None:
    if row is None or row.error is not None:
        return None
    return Answer(row.text, _ended(row.finish_reason))


def _ended(finish_reason: str | None) -> bool:
    """Imported votes do not say; theirs are taken for whole."""
    return finish_reason in (None, "stop")


def _system(settings: Mapping[str, Any] | None) -> str | None:
    return (settings or {}).get("system_prompt")


def _of_file(path: Path, report: Report) -> Iterator[VotedBattle]:
    for row in source_of(path).rows():
        if isinstance(row, NotTaken):
            report.rows += 1
            report.leave_out(f"{path}:{row.row}", row.reason, row.detail)
        elif isinstance(row, Incoming):
            yield _incoming(path, row)


def _incoming(path: Path, row: Incoming) -> VotedBattle:
    battle = row.battle
    return VotedBattle(
        where=f"{path}:{row.row}",
        left=row.contestant_a,
        right=row.contestant_b,
        outcome=row.outcome,
        mode=row.mode,
        revealed=bool(battle.get("identity_revealed")),
        failed=bool(battle.get("failed")),
        campaign=battle.get("campaign"),
        voter=row.voter,
        at=row.at,
        # The store's own mark does not travel with a file but for an imported vote's `extra`.
        imported=not battle,
        turns=row.turns,
        questions=row.prompts[: row.turns],
        has_images=bool(row.images),
        answers_left=_said(row, "a"),
        answers_right=_said(row, "b"),
        system_left=_system(battle.get("settings_a")),
        system_right=_system(battle.get("settings_b")),
        tags=row.tags,
        judge=battle.get("judge"),
    )


def _said(row: Incoming, side: str) -> tuple[Answer | None, ...]:
    """The newest answer to each question."""
    newest: dict[int, tuple[int, Answer | None]] = {}
    for each in row.answers:
        attempt = int(each.rest.get("attempt") or 0)
        if each.side == side and attempt >= newest.get(each.turn, (0, None))[0]:
            failed = each.rest.get("error") is not None
            answer = None if failed else Answer(each.text, _ended(each.rest.get("finish_reason")))
            newest[each.turn] = attempt, answer
    return tuple(newest.get(turn, (0, None))[1] for turn in range(len(row.prompts[: row.turns])))


def reliabilities(battles: Sequence[VotedBattle], seed: int) -> dict[str, float]:
    """By voter, the posterior probability that it is attentive; see
    `rostra.arena.ratings.models.voters`. Of the blind votes whose voter is known.

    Raises TrainingError where there are none, or the fit fails.
    """
    import polars as pl

    from rostra.arena.ratings.fit import fit
    from rostra.arena.ratings.frame import SCHEMA
    from rostra.arena.ratings.reduce import Wanted, reduce_wanted
    from rostra.arena.ratings.settings import FitSettings
    from rostra.arena.ratings.spec import ModelSpec

    names = ("left", "right", "outcome", "voter")
    blind = [each for each in battles if each.mode == "battle" and not each.failed]
    rows = {
        name: [getattr(each, name) for each in blind if each.voter and not each.revealed]
        for name in names
    }
    if not rows["voter"]:
        raise TrainingError("min_reliability: no vote says who cast it; leave it out")
    try:
        frame = pl.DataFrame(rows, {name: SCHEMA[name] for name in names})
        board = reduce_wanted(frame, Wanted(("voter",))).board
        spec = ModelSpec(structure="voters", factor="voter")
        # Means of probabilities need fewer draws than the ends of intervals.
        posterior = fit(board, FitSettings(chains=2, draws=500, seed=seed), spec=spec)
    except ArenaError as error:
        raise TrainingError(f"min_reliability: {error}") from error
    kinds = posterior.draws["voter_kind"]
    attentive = kinds.reshape(-1, *kinds.shape[-2:]).mean(axis=0)[:, 0]
    levels = posterior.board.factors["voter"].levels
    return {str(voter): float(each) for voter, each in zip(levels, attentive, strict=True)}
