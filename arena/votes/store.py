"""The vote store: battles before they are shown, answers when they end, each vote once."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.orm import Session, sessionmaker

from rostra.arena.contestant import Contestant
from rostra.arena.images.picture import Picture
from rostra.arena.matchmaking import Pair, Side
from rostra.arena.votes import writes
from rostra.arena.votes.database import WRITES, open_database, snapshot, write_turn
from rostra.arena.votes.entitlement import belongs, refused
from rostra.arena.votes.models import Battle, RefusedPrompt, TurnImage, Vote
from rostra.arena.votes.records import (
    MOST_COMMENT,
    OUTCOMES,
    REASON_TAGS,
    Comparison,
    EndedAnswer,
    Mode,
    Outcome,
    StoredBattle,
    StoredReasons,
    StoredVote,
    Ticket,
    VoteCounts,
)
from rostra.arena.votes.stored import picture, stored_battle
from rostra.arena.votes.tally import Tally
from rostra.arena.votes.texts import storable
from rostra.arena.votes.voters import pseudonym


class VoteStore:
    """Battles and votes in the database at an SQLAlchemy URL.

    Every method is one transaction and has returned only when it is on disk. Methods block and
    may be called from any thread; call them from an event loop with `asyncio.to_thread`. What a
    voter asks for and cannot have raises `VoteRefusedError`, is logged without who it was, and
    stores nothing.
    """

    def __init__(self, url: str) -> None:
        """Creates or upgrades the tables. Raises `ArenaError` when that cannot be done."""
        self._engine = open_database(url)
        self._reading = sessionmaker(self._engine)
        self._to_write = self._engine.execution_options(**{WRITES: True})
        self._writing = sessionmaker(self._to_write)
        self._turn = write_turn(self._engine)
        self._counting = threading.Lock()
        self._tally = Tally()
        self.num_stored = 0
        """Votes that came by this object."""

    def close(self) -> None:
        self._engine.dispose()

    def reading(self) -> AbstractContextManager[Session]:
        """For what is not battles and votes, as campaigns are."""
        return self._reading()

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """Likewise, in a transaction that writes."""
        with self._turn, self._writing.begin() as session:
            yield session

    @contextmanager
    def _writes(self) -> Iterator[Connection]:
        """A transaction that writes."""
        with self._turn, self._to_write.begin() as connection:
            yield connection

    def open_battle(
        self,
        pair: Pair | Contestant,
        prompt: str,
        voter: str,
        *,
        campaign: str = "default",
        mode: Mode = "battle",
        matchmaking: Mapping[str, Any] | None = None,
        consent_sha256: bytes | None = None,
        groups: Collection[str] = (),
        images: Sequence[Picture] = (),
    ) -> Ticket:
        """Stores a battle with its first question and the images to it.

        `pair` is one contestant in mode `direct`. `voter` is what tells voters apart (an address, a
        cookie, a login); it is hashed and not kept. `matchmaking` is how the pair was drawn:
        `policy` and `probability`. `consent_sha256`: of the text that the voter agreed to.
        `groups`: of the voter.
        """
        if isinstance(pair, Contestant) != (mode == "direct"):
            raise ValueError(f"mode {mode!r} takes {'one' if mode == 'direct' else 'two'}")
        a, b = (pair, None) if isinstance(pair, Contestant) else (pair.a, pair.b)
        ticket = Ticket(uuid.uuid4().hex, secrets.token_urlsafe(32))
        with self._writes() as connection:
            writes.open_battle(
                connection,
                ticket,
                a,
                b,
                prompt,
                voter,
                campaign=campaign,
                mode=mode,
                matchmaking=matchmaking,
                consent_sha256=consent_sha256,
                groups=groups,
                images=images,
            )
        return ticket

    def add_turn(
        self, ticket: Ticket, number: int, prompt: str, images: Sequence[Picture] = ()
    ) -> None:
        """Stores a follow-up question, the `number`th from 0, and the images to it. Refused after
        the vote."""
        with self._writes() as connection:
            writes.add_turn(connection, ticket, number, prompt, images)

    def end_answer(
        self,
        battle_id: str,
        turn: int,
        side: Side,
        answer: EndedAnswer,
        identity_revealed: bool = False,
        attempt: int = 0,
    ) -> None:
        """Stores how an answer ended. An answer that names itself marks its battle for good, one
        that failed until a newer attempt has not. Refused after the vote."""
        with self._writes() as connection:
            writes.end_answer(connection, battle_id, turn, side, answer, identity_revealed, attempt)

    def vote(self, ticket: Ticket, outcome: Outcome) -> StoredVote:
        """Stores the vote and its entry in the log, or returns the stored one when it has the same
        outcome.

        Refused: a wrong token, a direct chat, a failed or unfinished battle, and a second vote that
        differs: the first stands.
        """
        if outcome not in OUTCOMES:
            raise refused(ticket, f"A vote is one of {', '.join(OUTCOMES)}.")
        with self._writes() as connection:
            stored, new = writes.vote(connection, ticket, outcome)
        with self._counting:
            self.num_stored += new
        return stored

    def give_reasons(
        self, ticket: Ticket, tags: Iterable[str] = (), comment: str | None = None
    ) -> StoredReasons:
        """Stores why the voter voted so, or returns what is stored when it says the same.

        `tags` of `REASON_TAGS`, a `comment` of up to `MOST_COMMENT` characters, or both. Refused:
        anything else, a wrong token, reasons before the vote, and other reasons a second time.
        """
        given, comment = set(tags), storable(comment or "").strip() or None
        if given - set(REASON_TAGS):
            raise refused(ticket, f"A reason is one of {', '.join(REASON_TAGS)}.")
        if len(comment or "") > MOST_COMMENT:
            raise refused(ticket, f"A comment has up to {MOST_COMMENT:,} characters.")
        if not given and comment is None:
            raise refused(ticket, "Choose a reason or write a comment.")
        ordered = [tag for tag in REASON_TAGS if tag in given]
        with self._writes() as connection:
            return writes.give_reasons(connection, ticket, ordered, comment)

    def resume(self, ticket: Ticket) -> StoredBattle:
        """The battle as it was left. Refused with a wrong token."""
        with self._reading() as session:
            return stored_battle(belongs(_battle(session, ticket), ticket))

    def image(self, ticket: Ticket, turn: int, number: int) -> Picture | None:
        """The `number`th image of a question, both from 0; `None` where there is none. Refused with
        a wrong token."""
        with self._reading() as session:
            battle = belongs(_battle(session, ticket), ticket)
            image = session.get(TurnImage, (battle.id, turn, number))
            return None if image is None else picture(image)

    def refuse_prompt(self, voter: str, rule: str, campaign: str = "default") -> None:
        """Notes that `rule` of moderation stopped a question of `voter`; not what it said."""
        now = writes.now()
        with self.changing() as session:
            known = pseudonym(session.connection(), voter, now.date())
            session.add(RefusedPrompt(at=now, campaign=campaign, voter=known, rule=rule))

    def number_of_votes(self, campaign: str, most: int) -> int:
        """How many votes people gave it, of every mode, counted up to `most`."""
        votes = select(Vote.battle_id).join(Battle).where(Battle.campaign == campaign)
        votes = votes.where(Battle.judge.is_(None)).limit(most)
        with self._reading() as session:
            return session.scalar(select(func.count()).select_from(votes.subquery())) or 0

    def comparisons(self, *, include_revealed: bool = False) -> list[Comparison]:
        """People's votes on unnamed pairs, oldest first; without those whose answer gave a name
        away unless asked for."""
        rows = (
            select(Battle.contestant_a, Battle.contestant_b, Vote.outcome, Vote.at, Battle.voter)
            .join(Vote)
            .where(*_blind(include_revealed))
            .order_by(Vote.at, Vote.battle_id)
        )
        with self._reading() as session:
            return [
                Comparison(left, cast(str, right), cast(Outcome, outcome), at, voter)
                for left, right, outcome, at, voter in session.execute(rows)
            ]

    def number_of_comparisons(
        self,
        *,
        include_revealed: bool = False,
        campaigns: Collection[str] = (),
        without: Collection[str] = (),
    ) -> int:
        """How many rows `comparisons` would return; of `campaigns`, none for all, but for those
        `without`."""
        wanted = _blind(include_revealed)
        if campaigns:
            wanted.append(Battle.campaign.in_(sorted(campaigns)))
        if without:
            wanted.append(Battle.campaign.not_in(sorted(without)))
        key = (include_revealed, frozenset(campaigns), frozenset(without))
        with snapshot(self._engine) as connection:
            return self._tally.count(connection, key, wanted)

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
    unnamed = [Battle.mode == "battle", Battle.failed.is_(False), Battle.judge.is_(None)]
    return unnamed if include_revealed else [*unnamed, Battle.identity_revealed.is_(False)]


def _battle(session: Session, ticket: Ticket) -> Battle | None:
    return session.get(Battle, storable(ticket.battle_id))
