"""The store's votes reduced to a board: by the database where it can, by Polars otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    SQLColumnExpression,
    and_,
    case,
    exists,
    func,
    not_,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased

from rostra.arena.errors import ArenaError
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import JUDGE, SCHEMA, TAGS
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.reduce import Wanted, reduce_groups, reduce_wanted
from rostra.arena.ratings.style.features import with_features
from rostra.arena.votes import grouped
from rostra.arena.votes.database import open_existing, snapshot
from rostra.arena.votes.grouped import raw_time, times_of
from rostra.arena.votes.judged import in_orders
from rostra.arena.votes.models import Answer, Battle, ImportedBattle, LogHead, Vote
from rostra.arena.votes.tag_columns import tag_column

CHUNK = 50_000
"""Votes fetched at a time."""
STYLE_CHUNK = 5_000
"""Likewise, with their answers."""
REVEALED = "not blind, an answer says who wrote it"
NAMED = "named pair, not blind"
FAILED = "failed battle, which had no vote"
OTHER_CAMPAIGN = "of another campaign"
IMPORTED = "imported, not cast here"
Givers = Literal["people", "judges", "both"]
"""Whose votes are rated: those of people, the verdicts of models, or both alike."""
JUDGED = "verdict of a model"
PEOPLES = "vote of a person"
OTHER_JUDGE = "verdict of another model"
_IS_IMPORTED = and_(Battle.judge.is_(None), exists().where(ImportedBattle.battle_id == Battle.id))
_BLIND = (Battle.mode == "battle", Battle.failed.is_(False), Battle.identity_revealed.is_(False))


class VoteReader:
    """Votes in a store that exists, for rating; writes none. Methods block."""

    def __init__(
        self,
        url: str,
        campaigns: Sequence[str] = (),
        *,
        imported: bool = True,
        without: Sequence[str] = (),
        givers: Givers = "people",
        judges: Sequence[str] = (),
    ) -> None:
        """`campaigns`: whose votes are rated, none for all, and `without` whose not. `imported`:
        whether those are too that were not cast here; verdicts of models are always taken in by an
        import and are `givers`' matter. `judges`: of the models only these, none for all. Raises
        ArenaError when there is no store, or it cannot be opened."""
        self._imported = imported
        self._others: dict[str, SQLColumnExpression[bool]] = {}
        """Votes of other givers, by why they are left out."""
        if givers == "people":
            self._others[JUDGED] = Battle.judge.is_not(None)
        if givers == "judges":
            self._others[PEOPLES] = Battle.judge.is_(None)
        if judges and givers != "people":
            self._others[OTHER_JUDGE] = and_(Battle.judge.is_not(None), Battle.judge.not_in(judges))
        self._of_campaigns = [
            *([Battle.campaign.in_(campaigns)] if campaigns else []),
            *([Battle.campaign.not_in(without)] if without else []),
        ]
        self._chosen = [
            *self._of_campaigns,
            *([] if imported else [~_IS_IMPORTED]),
            *(not_(each) for each in self._others.values()),
        ]
        self._engine: Engine = open_existing(
            url,
            "0 votes to rate from in {store}: there is no such file; vote in the arena first "
            "(`rostra up`), or name another store with --votes-url",
        )
        self.name = self._engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        self._engine.dispose()

    def version(self) -> tuple[int, int]:
        """Differs when votes or failures were added."""
        with snapshot(self._engine) as connection:
            return (
                _count(connection, select(func.count()).select_from(Vote)),
                _count(connection, select(func.count()).select_from(Battle).where(Battle.failed)),
            )

    def reduce(self, wanted: Wanted) -> tuple[Board, Provenance]:
        """The blind votes as a board. Raises RatingsError when there is none, or they lack what is
        wanted, and ArenaError when the store cannot be read."""
        try:
            with snapshot(self._engine) as connection:
                return self._reduce(connection, wanted)
        except DBAPIError as error:
            raise ArenaError(f"cannot read the vote store {self.name}: {error.orig}") from None

    def _reduce(self, connection: Connection, wanted: Wanted) -> tuple[Board, Provenance]:
        head = connection.execute(select(LogHead.seq, LogHead.hash)).one()
        left_out = self._left_out(connection, wanted)
        if not wanted.style and set(wanted.factors) <= set(grouped.FACTORS):
            chosen = [*_BLIND, *self._chosen, *_window(wanted, Vote.at)]
            groups = grouped.groups(connection, wanted.factors, chosen)
            self._require(len(groups), left_out)
            result = reduce_groups(groups, wanted.factors)
        else:
            frame = self._frame(connection, wanted)
            self._require(len(frame), left_out)
            result = reduce_wanted(frame, wanted)
        left_out += result.left_out
        return result.board, Provenance(
            source=self.name,
            log_seq=head.seq,
            log_head=head.hash.hex(),
            rows_read=result.board.num_votes + sum(count for _, count in left_out),
            rows_used=result.board.num_votes,
            left_out=tuple(left_out),
            first_vote=_iso(result.first),
            last_vote=_iso(result.last),
        )

    def _require(self, found: int, left_out: Sequence[tuple[str, int]]) -> None:
        if not found:
            others = ", ".join(f"{count:,} {reason}" for reason, count in left_out)
            raise RatingsError(
                f"0 votes to rate from in {self.name}{f' ({others})' if others else ''}: vote in "
                "the arena first (`rostra up`), or name another store with --votes-url"
            )

    def _left_out(self, connection: Connection, wanted: Wanted) -> list[tuple[str, int]]:
        """Votes and battles that are not rated, the reasons that have any."""
        reasons: dict[str, list[SQLColumnExpression[bool]]] = {}
        if self._of_campaigns:
            reasons[OTHER_CAMPAIGN] = [not_(and_(*self._of_campaigns))]
        for other, theirs in self._others.items():
            reasons[other] = [*self._of_campaigns, theirs]
        if not self._imported:
            own = [not_(theirs) for theirs in self._others.values()]
            reasons[IMPORTED] = [*self._of_campaigns, *own, _IS_IMPORTED]
        if wanted.since is not None:
            before = f"cast before {wanted.since.isoformat()}"
            reasons[before] = [*self._chosen, Vote.at < wanted.since]
        if wanted.until is not None:
            after = f"cast at {wanted.until.isoformat()} or later"
            reasons[after] = [*self._chosen, Vote.at >= wanted.until]
        within = [*self._chosen, *_window(wanted, Vote.at)]
        reasons[NAMED] = [*within, Battle.mode == "side_by_side"]
        reasons[REVEALED] = [*within, Battle.mode == "battle", Battle.identity_revealed]
        failed = select(func.count()).where(Battle.mode == "battle", Battle.failed, *self._chosen)
        failed = failed.where(*_window(wanted, Battle.created_at))
        counts = [func.count().filter(and_(*each)) for each in reasons.values()]
        rows = select(*counts).select_from(Battle).join(Vote)
        found = zip(reasons, connection.execute(rows).one(), strict=True)
        return [
            (reason, count)
            for reason, count in (*found, (FAILED, _count(connection, failed)))
            if count
        ]

    def _frame(self, connection: Connection, wanted: Wanted) -> pl.DataFrame:
        columns: dict[str, SQLColumnExpression[Any]] = {
            "left": Battle.contestant_a,
            "right": Battle.contestant_b,
            "outcome": Vote.outcome,
            "voter": Battle.voter,
            "at": raw_time(Vote.at),
            **{name: tag_column(name) for name in wanted.factors if name in TAGS},
            **({"judge": Battle.judge, "id": Vote.battle_id} if JUDGE in wanted.factors else {}),
        }
        rows = select().select_from(Battle).join(Vote)
        rows = rows.where(*_BLIND, *self._chosen, *_window(wanted, Vote.at))
        size = CHUNK
        if wanted.style:
            # Sums of features must not depend on where the database keeps its rows.
            rows, size = rows.order_by(Vote.at, Vote.battle_id), STYLE_CHUNK
            columns["id"] = Vote.battle_id
        rows = rows.add_columns(*(column.label(name) for name, column in columns.items()))
        schema = {name: SCHEMA[name] for name in columns}
        chunks = [pl.DataFrame(schema=schema)]
        streamed = connection.execute(rows, execution_options={"yield_per": size})
        for part in streamed.partitions():
            values = dict(zip(columns, zip(*part, strict=True), strict=True))
            at = times_of(values["at"])
            chunk = pl.DataFrame({**values, "at": at}, schema)
            if JUDGE in wanted.factors:
                extras = self._extras(connection, chunk)
            if wanted.style:
                answers = self._answers(connection, chunk["id"].to_list(), wanted.style)
                chunk = chunk.join(answers, on="id")
                chunk = with_features(chunk, wanted.style).collect()
            if JUDGE in wanted.factors:
                # What moves a judge in one order of the answers is told by each order alone.
                chunk = in_orders(chunk, extras)
            chunks.append(chunk)
        return pl.concat(chunks, how="diagonal")

    def _extras(self, connection: Connection, chunk: pl.DataFrame) -> dict[str, dict[str, Any]]:
        """By battle, what lies beside a judge's outcome."""
        judged = chunk.filter(pl.col("judge").is_not_null())["id"].to_list()
        rows = select(ImportedBattle.battle_id, ImportedBattle.extra)
        found = connection.execute(rows.where(ImportedBattle.battle_id.in_(judged)))
        return {battle: extra for battle, extra in found if extra}

    def _answers(
        self, connection: Connection, battles: list[str], style: Sequence[str]
    ) -> pl.DataFrame:
        """By battle, both sides' texts and tokens over the turns that the voter had read.

        A side's tokens are null when those of one of its answers were not counted. When nothing but
        the length is asked for, texts are read only where they are needed to count it. Texts that
        were taken out are null.
        """
        text = (
            Answer.text
            if {*style} > {"length"} or "length" not in style
            else case((Answer.completion_tokens.is_(None), Answer.text), else_="")
        )
        known = case((func.length(Battle.text_salt) > 0, text))
        newer = aliased(Answer)
        superseded = exists().where(
            newer.battle_id == Answer.battle_id,
            newer.turn == Answer.turn,
            newer.side == Answer.side,
            newer.attempt > Answer.attempt,
        )
        rows = (
            select(Answer.battle_id, Answer.side, Answer.turn, known, Answer.completion_tokens)
            .join(Vote, Vote.battle_id == Answer.battle_id)
            .join(Battle, Battle.id == Answer.battle_id)
            .where(Answer.battle_id.in_(battles), Answer.turn < Vote.turns, ~superseded)
        )
        schema = {
            "id": pl.String,
            "side": pl.String,
            "turn": pl.Int64,
            "text": pl.String,
            "tokens": pl.Int64,
        }
        answers = pl.DataFrame(list(map(tuple, connection.execute(rows))), schema, orient="row")
        tokens, text_known = pl.col("tokens"), pl.col("text").null_count() == 0
        sides = (
            answers.sort("turn")
            .group_by("id", "side", maintain_order=True)
            .agg(
                pl.when(text_known).then(pl.col("text").str.join("\n\n")).alias("text"),
                pl.when(tokens.null_count() == 0).then(tokens.sum()).alias("tokens"),
            )
        )
        wide = pl.DataFrame({"id": battles}, schema={"id": pl.String})
        for letter, side in (("a", "left"), ("b", "right")):
            of_side = sides.filter(pl.col("side") == letter).select(
                "id",
                pl.col("text").alias(f"text_{side}"),
                pl.col("tokens").alias(f"tokens_{side}"),
            )
            wide = wide.join(of_side, on="id", how="left")
        return wide


def _count(connection: Connection, rows: Select[Any]) -> int:
    return connection.scalar(rows) or 0


def _window(wanted: Wanted, column: Any) -> list[ColumnElement[bool]]:
    return [
        *([column >= wanted.since] if wanted.since is not None else []),
        *([column < wanted.until] if wanted.until is not None else []),
    ]


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else None
