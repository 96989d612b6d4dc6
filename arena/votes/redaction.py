"""Takes the texts out of a battle, for good. Its vote and its place in the log stay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from rostra.arena.errors import ArenaError
from rostra.arena.votes.database import WRITES
from rostra.arena.votes.log.redacted import REDACTION, is_redacted
from rostra.arena.votes.models import Battle, Change, ImportedBattle
from rostra.arena.votes.texts import storable


@dataclass(frozen=True)
class Redacted:
    prompts: int
    answers: int
    comment: bool
    """Whether the voter had given one."""
    erased: bool = False
    """Whether the database's own files hold the texts no more. Backups and exports are others."""
    images: int = 0


def redact(engine: Engine, battle_id: str, who: str) -> Redacted:
    """Empties the questions, images, answers, errors and the comment of a battle, and forgets its
    salt.

    The ticket of the battle is worth nothing afterwards. Raises `ArenaError` where there is no such
    battle, or its texts were taken out before.
    """
    on_sqlite = engine.dialect.name == "sqlite"
    with engine.execution_options(**{WRITES: True}).connect() as connection:
        raw = connection.connection.driver_connection
        if on_sqlite and raw is not None:
            # What is deleted is overwritten.
            raw.execute("PRAGMA secure_delete=ON")
        with Session(connection) as session, session.begin():
            battle = session.get(Battle, storable(battle_id), with_for_update=True)
            if battle is None:
                raise ArenaError(f"the vote store has no battle {battle_id}")
            if is_redacted(battle):
                raise ArenaError(f"the texts of battle {battle_id} were taken out before")
            reasons = None if battle.vote is None else battle.vote.reasons
            commented = reasons is not None and reasons.comment is not None
            done = Redacted(
                len(battle.turns), len(battle.answers), commented, images=len(battle.images)
            )
            named = ("prompts", "answers", "images", "comment")
            counts = {name: getattr(done, name) for name in named}
            _empty(session, battle)
            session.add(
                Change(
                    at=datetime.now(UTC),
                    who=who,
                    action=REDACTION,
                    subject=battle.id,
                    before=counts,
                )
            )
        if on_sqlite and raw is not None:
            # The journal beside the file holds pages as they were.
            (busy, *_) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            done = replace(done, erased=not busy)
    return done


def _empty(session: Session, battle: Battle) -> None:
    for turn in battle.turns:
        turn.prompt = ""
    for image in battle.images:
        image.sha256 = image.data = b""
    for answer in battle.answers:
        answer.text = ""
        # That there was one decides whether the battle counts.
        answer.error = None if answer.error is None else ""
    if battle.vote is not None and battle.vote.reasons is not None:
        reasons = battle.vote.reasons
        reasons.comment = None if reasons.comment is None else ""
    if (imported := session.get(ImportedBattle, battle.id)) is not None:
        imported.extra = None
    battle.text_salt = b""
