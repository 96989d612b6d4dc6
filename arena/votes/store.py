"""The vote store: battles before they are shown, answers when they end, each vote once."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, sessionmaker

from rostra.arena.contestant import Contestant
from rostra.arena.images.picture import Picture
from rostra.arena.matchmaking import Pair, Side
from rostra.arena.votes.database import WRITES, open_database, write_turn
from rostra.arena.votes.entitlement import digest, entitled, refused, sides, votable
from rostra.arena.votes.log.bodies import reasons_body, vote_body
from rostra.arena.votes.log.chain import Chain
from rostra.arena.votes.log.redacted import is_redacted
from rostra.arena.votes.models import (
    Answer,
    Battle,
    RefusedPrompt,
    Turn,
    TurnImage,
    Vote,
    VoteReasons,
)
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
from rostra.arena.votes.stored import (
    newest,
    picture,
    stored_battle,
    stored_reasons,
    stored_vote,
    turn_images,
)
from rostra.arena.votes.texts import storable
from rostra.arena.votes.voters import pseudonym


def _now() -> datetime:
    return datetime.now(UTC)


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
        self._writing = sessionmaker(self._engine.execution_options(**{WRITES: True}))
        self._turn = write_turn(self._engine)
        self._counting = threading.Lock()
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
        now = _now()
        with self.changing() as session:
            session.add(
                Battle(
                    id=ticket.battle_id,
                    created_at=now,
                    voter=pseudonym(session, voter, now.date()),
                    token_sha256=digest(ticket.token),
                    campaign=campaign,
                    mode=mode,
                    contestant_a=a.name,
                    contestant_b=b and b.name,
                    settings_a=a.snapshot(),
                    settings_b=b and b.snapshot(),
                    matchmaking=None if matchmaking is None else dict(matchmaking),
                    consent_sha256=consent_sha256,
                    voter_groups=sorted(groups) or None,
                    turns=[Turn(number=0, prompt=storable(prompt), asked_at=now)],
                    images=turn_images(0, images),
                )
            )
        return ticket

    def add_turn(
        self, ticket: Ticket, number: int, prompt: str, images: Sequence[Picture] = ()
    ) -> None:
        """Stores a follow-up question, the `number`th from 0, and the images to it. Refused after
        the vote."""
        with self.changing() as session:
            battle = entitled(session, ticket)
            if battle.vote is not None:
                raise refused(ticket, "This round has been voted on. Take a new pair to go on.")
            if number != len(battle.turns):
                raise refused(ticket, "This question has been asked already.")
            battle.turns.append(Turn(number=number, prompt=storable(prompt), asked_at=_now()))
            battle.images.extend(turn_images(number, images))

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
        with self.changing() as session:
            battle = session.get_one(Battle, battle_id, with_for_update=True)
            if battle.vote is not None or is_redacted(battle):
                raise refused(Ticket(battle_id, ""), "This round is over.")
            if turn >= len(battle.turns) or side not in sides(battle):
                raise ValueError(f"battle {battle_id} has no answer {side!r} to turn {turn}")
            fields = {name: _fitting(name, value) for name, value in asdict(answer).items()}
            battle.answers.append(
                Answer(turn=turn, side=side, attempt=attempt, ended_at=_now(), **fields)
            )
            battle.failed = any(each.error is not None for each in newest(battle.answers))
            battle.identity_revealed = battle.identity_revealed or identity_revealed

    def vote(self, ticket: Ticket, outcome: Outcome) -> StoredVote:
        """Stores the vote and its entry in the log, or returns the stored one when it has the same
        outcome.

        Refused: a wrong token, a direct chat, a failed or unfinished battle, and a second vote that
        differs: the first stands.
        """
        if outcome not in OUTCOMES:
            raise refused(ticket, f"A vote is one of {', '.join(OUTCOMES)}.")
        with self.changing() as session:
            battle = entitled(session, ticket)
            if battle.vote is not None:
                if battle.vote.outcome != outcome:
                    raise refused(
                        ticket, "You have voted on this round already; your first vote stands."
                    )
                return stored_vote(battle.vote)
            votable(battle, ticket)
            turns, answers = list(battle.turns), list(battle.answers)
            chain = Chain(session)
            battle.vote = Vote(outcome=outcome, turns=len(turns), at=_now())
            content = vote_body(battle, turns, answers, battle.vote, images=battle.images)
            chain.append("vote", battle.id, battle.vote.at, content)
            session.flush()
            stored = stored_vote(battle.vote)
        with self._counting:
            self.num_stored += 1
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
        with self.changing() as session:
            battle = entitled(session, ticket)
            if battle.vote is None:
                raise refused(ticket, "Vote first, then say why.")
            reasons = battle.vote.reasons
            if reasons is not None:
                if (reasons.tags, reasons.comment) != (ordered, comment):
                    raise refused(ticket, "You have given your reasons already; they stand.")
                return stored_reasons(reasons)
            chain = Chain(session)
            reasons = VoteReasons(battle_id=battle.id, tags=ordered, comment=comment, at=_now())
            session.add(reasons)
            content = reasons_body(battle.text_salt, reasons)
            chain.append("reasons", battle.id, reasons.at, content)
            session.flush()
            return stored_reasons(reasons)

    def resume(self, ticket: Ticket) -> StoredBattle:
        """The battle as it was left. Refused with a wrong token."""
        with self._reading() as session:
            return stored_battle(entitled(session, ticket, locked=False))

    def image(self, ticket: Ticket, turn: int, number: int) -> Picture | None:
        """The `number`th image of a question, both from 0; `None` where there is none. Refused with
        a wrong token."""
        with self._reading() as session:
            battle = entitled(session, ticket, locked=False)
            image = session.get(TurnImage, (battle.id, turn, number))
            return None if image is None else picture(image)

    def refuse_prompt(self, voter: str, rule: str, campaign: str = "default") -> None:
        """Notes that `rule` of moderation stopped a question of `voter`; not what it said."""
        now = _now()
        with self.changing() as session:
            known = pseudonym(session, voter, now.date())
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
        rows = select(func.count()).select_from(Vote).join(Battle).where(*_blind(include_revealed))
        if campaigns:
            rows = rows.where(Battle.campaign.in_(campaigns))
        if without:
            rows = rows.where(Battle.campaign.not_in(without))
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
    unnamed = [Battle.mode == "battle", Battle.failed.is_(False), Battle.judge.is_(None)]
    return unnamed if include_revealed else [*unnamed, Battle.identity_revealed.is_(False)]


def _fitting(name: str, value: Any) -> Any:
    """A field of an answer, as its column can hold it: the gateway may say anything."""
    if not isinstance(value, str):
        return value
    return storable(value)[: getattr(Answer.__table__.c[name].type, "length", None)]
