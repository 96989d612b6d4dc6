"""The vote store: battles before they are shown, answers when they end, each vote once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from rostra.arena.errors import VoteRefusedError
from rostra.arena.matchmaking import SIDES, Pair, Side
from rostra.arena.votes.database import WRITES, open_database
from rostra.arena.votes.models import Answer, Battle, Turn, Vote
from rostra.arena.votes.records import (
    OUTCOMES,
    Comparison,
    EndedAnswer,
    Outcome,
    StoredVote,
    Ticket,
    VoteCounts,
)
from rostra.arena.votes.voters import pseudonym


def _now() -> datetime:
    return datetime.now(UTC)


class VoteStore:
    """Battles and votes in the database at an SQLAlchemy URL.

    Every method is one transaction and has returned only when it is on disk. Methods block and
    may be called from any thread; call them from an event loop with `asyncio.to_thread`.
    """

    def __init__(self, url: str) -> None:
        """Creates or upgrades the tables. Raises `ArenaError` when that cannot be done."""
        self._engine = open_database(url)
        self._reading = sessionmaker(self._engine)
        self._writing = sessionmaker(self._engine.execution_options(**{WRITES: True}))

    def close(self) -> None:
        self._engine.dispose()

    def open_battle(self, pair: Pair, prompt: str, address: str) -> Ticket:
        """Stores a battle with its first question. `address` is hashed and not kept."""
        ticket = Ticket(uuid.uuid4().hex, secrets.token_urlsafe(32))
        now = _now()
        with self._writing.begin() as session:
            session.add(
                Battle(
                    id=ticket.battle_id,
                    created_at=now,
                    voter=pseudonym(session, address, now.date()),
                    token_sha256=_sha256(ticket.token),
                    contestant_a=pair.a.name,
                    contestant_b=pair.b.name,
                    settings_a=pair.a.snapshot(),
                    settings_b=pair.b.snapshot(),
                    turns=[Turn(number=0, prompt=prompt, asked_at=now)],
                )
            )
        return ticket

    def add_turn(self, battle_id: str, number: int, prompt: str) -> None:
        """Stores a follow-up question. Raises `VoteRefusedError` after the vote."""
        with self._writing.begin() as session:
            if session.get(Vote, battle_id) is not None:
                raise VoteRefusedError("This round has been voted on. Take a new pair to go on.")
            session.add(Turn(battle_id=battle_id, number=number, prompt=prompt, asked_at=_now()))

    def end_answer(
        self,
        battle_id: str,
        turn: int,
        side: Side,
        answer: EndedAnswer,
        identity_revealed: bool = False,
    ) -> None:
        """Stores how an answer ended. A failed or self-naming answer marks its battle for good."""
        with self._writing.begin() as session:
            battle = session.get_one(Battle, battle_id)
            session.add(
                Answer(battle_id=battle_id, turn=turn, side=side, ended_at=_now(), **asdict(answer))
            )
            battle.failed = battle.failed or answer.error is not None
            battle.identity_revealed = battle.identity_revealed or identity_revealed

    def vote(self, ticket: Ticket, outcome: Outcome) -> StoredVote:
        """Stores the vote, or returns the stored one when it has the same outcome.

        Raises `VoteRefusedError` for a wrong token, a failed or unfinished battle, and a second
        vote that differs: the first stands.
        """
        if outcome not in OUTCOMES:
            raise VoteRefusedError(f"A vote is one of {', '.join(OUTCOMES)}.")
        try:
            with self._writing.begin() as session:
                return self._vote(session, ticket, outcome)
        except IntegrityError:
            # Another process was faster, on a database without SQLite's one writer at a time.
            with self._writing.begin() as session:
                return self._vote(session, ticket, outcome)

    def _vote(self, session: Session, ticket: Ticket, outcome: Outcome) -> StoredVote:
        battle = session.get(Battle, ticket.battle_id)
        if battle is None or not hmac.compare_digest(battle.token_sha256, _sha256(ticket.token)):
            raise VoteRefusedError("This vote does not belong to a round. Take a new pair.")
        if battle.vote is not None:
            if battle.vote.outcome != outcome:
                raise VoteRefusedError(
                    "You have voted on this round already; your first vote stands."
                )
            return StoredVote(battle.id, outcome, battle.vote.at)
        if battle.failed:
            raise VoteRefusedError("An answer of this round failed. Take a new pair.")
        turns = len(battle.turns)
        ended = {answer.side for answer in battle.answers if answer.turn == turns - 1}
        if ended != set(SIDES):
            raise VoteRefusedError("Wait until both answers have ended.")
        battle.vote = Vote(outcome=outcome, turns=turns, at=_now())
        session.flush()
        return StoredVote(battle.id, outcome, battle.vote.at)

    def comparisons(self, *, include_revealed: bool = False) -> list[Comparison]:
        """The votes, oldest first; without those that were not blind unless asked for."""
        rows = (
            select(Battle.contestant_a, Battle.contestant_b, Vote.outcome, Vote.at, Battle.voter)
            .join(Vote)
            .where(*_blind(include_revealed))
            .order_by(Vote.at, Vote.battle_id)
        )
        with self._reading() as session:
            return [
                Comparison(left, right, cast(Outcome, outcome), at, voter)
                for left, right, outcome, at, voter in session.execute(rows)
            ]

    def number_of_comparisons(self, *, include_revealed: bool = False) -> int:
        """How many rows `comparisons` would return."""
        rows = select(func.count()).select_from(Vote).join(Battle).where(*_blind(include_revealed))
        with self._reading() as session:
            return session.scalar(rows) or 0

    def counts(self) -> VoteCounts:
        with self._reading() as session:
            votes = select(Vote.outcome, func.count().label("number")).group_by(Vote.outcome)
            outcomes = {row.outcome: row.number for row in session.execute(votes)}
            battles = select(func.count()).select_from(Battle)
            return VoteCounts(
                battles=session.scalar(battles) or 0,
                votes=sum(outcomes.values()),
                revealed_votes=session.scalar(battles.join(Vote).where(Battle.identity_revealed))
                or 0,
                failed_battles=session.scalar(battles.where(Battle.failed)) or 0,
                outcomes={outcome: outcomes.get(outcome, 0) for outcome in OUTCOMES},
            )


def _blind(include_revealed: bool) -> list[ColumnElement[bool]]:
    return [] if include_revealed else [Battle.identity_revealed.is_(False)]


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
