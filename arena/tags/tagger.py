"""Battles of a store tagged, those that were not yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from sqlalchemy import Engine, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from rostra.arena.tags.exchange import Exchange
from rostra.arena.tags.language import LanguageDetector
from rostra.arena.tags.precedence import NAMES
from rostra.arena.tags.rules import Rules
from rostra.arena.votes.database import WRITES, open_existing
from rostra.arena.votes.models import Answer, Battle, BattleTag, Turn, Vote
from rostra.arena.votes.stored import newest

BATCH = 200
"""Battles read, tagged and written at a time."""


class Tagger(Protocol):
    by: str
    """`rules 1`, or a model's name; at most 64 characters."""

    def tags(self, turns: Sequence[Exchange]) -> Mapping[str, str]:
        """Value by name, at least one. Raises ArenaError when the battle cannot be tagged."""


def tag_by_rules(engine: Engine, progress: Callable[[int], None] = lambda _: None) -> int:
    """Tags what the current rules have not tagged; returns how many battles that were.

    Blocks, for seconds where a language has to be found: call it in a thread or a process of its
    own. May run in several at once.
    """
    if not _untagged(engine, Rules.by, "", 1):
        return 0
    with LanguageDetector() as detector:
        return tag_battles(engine, Rules(detector), progress)


def tag_for(url: str, factors: Collection[str]) -> int:
    """Tags by the rules what `factors` need, in the store at `url`; returns how many battles."""
    if not set(factors) & set(NAMES):
        return 0
    engine = open_existing(url)
    try:
        return tag_by_rules(engine)
    finally:
        engine.dispose()


def tag_battles(
    engine: Engine, tagger: Tagger, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Tags the battles that were voted on and that `tagger` has not tagged; returns how many.

    `progress` is told after each batch how many were done. Battles without texts are passed over.
    """
    writing = sessionmaker(engine.execution_options(**{WRITES: True}))
    done, after = 0, ""
    while ids := _untagged(engine, tagger.by, after, BATCH):
        # Outside of a transaction: a model may take long, and voters would wait.
        found = {battle: tagger.tags(turns) for battle, turns in _exchanges(engine, ids).items()}
        with writing.begin() as session:
            _write(session, tagger.by, found)
        done, after = done + len(found), ids[-1]
        progress(done)
    return done


def _untagged(engine: Engine, by: str, after: str, most: int) -> list[str]:
    tagged = exists().where(BattleTag.battle_id == Battle.id, BattleTag.by == by)
    asked = exists().where(Turn.battle_id == Battle.id)
    rows = (
        select(Battle.id)
        .join(Vote)
        .where(~tagged, asked, Battle.id > after)
        .order_by(Battle.id)
        .limit(most)
    )
    with engine.connect() as connection:
        return list(connection.scalars(rows))


def _exchanges(engine: Engine, ids: Sequence[str]) -> dict[str, list[Exchange]]:
    """By battle, the turns that the voter had read."""
    with sessionmaker(engine)() as session:
        votes = select(Vote).where(Vote.battle_id.in_(ids))
        read = {vote.battle_id: vote.turns for vote in session.scalars(votes)}
        rows = select(Answer).where(Answer.battle_id.in_(ids))
        answers: dict[str, list[Answer]] = {}
        for answer in session.scalars(rows):
            answers.setdefault(answer.battle_id, []).append(answer)
        texts = {
            (battle, answer.turn, answer.side): answer.text
            for battle, several in answers.items()
            for answer in newest(several)
        }
        found: dict[str, list[Exchange]] = {battle: [] for battle in ids}
        turns = select(Turn).where(Turn.battle_id.in_(ids)).order_by(Turn.battle_id, Turn.number)
        for turn in session.scalars(turns):
            battle, number = turn.battle_id, turn.number
            if number < read[battle]:
                sides = (texts.get((battle, number, side), "") for side in ("a", "b"))
                found[battle].append(Exchange(turn.prompt, *sides))
    return found


def _write(session: Session, by: str, found: Mapping[str, Mapping[str, str]]) -> None:
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    rows = [
        {"battle_id": battle, "name": name, "by": by, "value": value}
        for battle, tags in found.items()
        for name, value in tags.items()
    ]
    statement = (sqlite.insert if on_sqlite else postgresql.insert)(BattleTag)
    if rows:
        # Another process may have been faster; the rules are the same there.
        session.execute(statement.on_conflict_do_nothing(), rows)
