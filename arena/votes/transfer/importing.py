"""Battles taken into the store: in batches, each once, with an entry in the log for each."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session, sessionmaker

from rostra.arena.tags.precedence import IMPORT
from rostra.arena.votes.database import WRITES
from rostra.arena.votes.log.bodies import reasons_body
from rostra.arena.votes.log.chain import Chain
from rostra.arena.votes.models import (
    Answer,
    Battle,
    BattleTag,
    ImportedBattle,
    Turn,
    TurnImage,
    Vote,
    VoteReasons,
)
from rostra.arena.votes.transfer.built import Built, answers_of, images_of, turns_of
from rostra.arena.votes.transfer.forms import TransferError
from rostra.arena.votes.transfer.identities import Pseudonyms
from rostra.arena.votes.transfer.incoming import Incoming, NotTaken, Reasons, Source

BATCH = 500
"""Battles in one transaction; voters wait while it is written."""
PRESENT = "in the store already"
LONGEST_CAMPAIGN = 64


@dataclass(frozen=True)
class Imported:
    """What became of the rows of a file."""

    form: str
    because: str
    rows: int
    taken: int
    present: int
    """Of votes that the store has already."""
    untimed: int
    """Of those taken; the file does not say when they were cast."""
    unsampled: int
    """Of those taken, what LMSYS's board leaves out by `dedup_tag`."""
    not_taken: tuple[tuple[str, int], ...]
    """Reason and number of rows, the most frequent first."""


class Importer:
    """One file into one store. Methods block."""

    def __init__(
        self,
        engine: Engine,
        path: Path,
        source: Source,
        campaign: str | None = None,
        refused: Callable[[NotTaken], None] = lambda _: None,
    ) -> None:
        """`campaign`: None for the file's own, or its name. `refused` is told of each row that is
        not taken, those that are in the store already among them.

        Raises TransferError for a campaign's name that the store cannot keep."""
        if campaign is not None and not 0 < len(campaign) <= LONGEST_CAMPAIGN:
            raise TransferError(f"a campaign's name has 1 to {LONGEST_CAMPAIGN} characters")
        self._writing = sessionmaker(engine.execution_options(**{WRITES: True}))
        self._path = path
        self._source = source
        self._campaign = campaign
        self._default_campaign = campaign_of(path)
        self._refused = refused
        self._pseudonyms = Pseudonyms()
        self._now = datetime.now(UTC)
        self._count: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def run(self) -> Imported:
        """Raises TransferError or ImportFileError where a file cannot be read on; the batches
        before that stay, and a second import goes on after them."""
        rows = self._good(self._source.rows())
        while batch := list(islice(rows, BATCH)):
            with self._writing.begin() as session:
                self._store(session, batch)
        return Imported(
            form=self._source.form,
            because=self._source.because,
            rows=self._count["rows"],
            taken=self._count["taken"],
            present=self._count["present"],
            untimed=self._count["untimed"],
            unsampled=self._count["unsampled"],
            not_taken=tuple(self._reasons.most_common()),
        )

    def _good(self, rows: Iterator[Any]) -> Iterator[Incoming | Reasons]:
        for row in rows:
            self._count["rows"] += 1
            if isinstance(row, NotTaken):
                self._reasons[row.reason] += 1
                self._refused(row)
            else:
                yield row

    def _store(self, session: Session, batch: Sequence[Incoming | Reasons]) -> None:
        rows = {self._id(row): row for row in reversed(batch) if isinstance(row, Incoming)}
        ids = [*rows, *(row.battle_id for row in batch if isinstance(row, Reasons))]
        known = set(session.scalars(select(Battle.id).where(Battle.id.in_(ids))))
        new: dict[str, Incoming] = {}
        for row in batch:
            if isinstance(row, Incoming):
                battle_id = self._id(row)
                if battle_id in known or battle_id in new:
                    self._present(row.row, battle_id)
                else:
                    new[battle_id] = row
        built = [self._built(battle_id, row) for battle_id, row in new.items()]
        _insert(session, Battle, [each.battle for each in built])
        _insert(session, Turn, [turn for each in built for turn in each.turns])
        _insert(session, TurnImage, [image for each in built for image in each.images])
        _insert(session, Answer, [answer for each in built for answer in each.answers])
        _insert(session, Vote, [each.vote for each in built])
        _insert(session, BattleTag, [tag for each in built for tag in each.tags])
        _insert(session, ImportedBattle, [each.imported for each in built])
        with Chain(session.connection()) as chain:
            for each in built:
                chain.append("import", each.battle["id"], each.vote["at"], each.content())
            self._store_reasons(session, chain, [row for row in batch if isinstance(row, Reasons)])

    def _store_reasons(self, session: Session, chain: Chain, batch: Sequence[Reasons]) -> None:
        if not batch:
            return
        ids = [row.battle_id for row in batch]
        salts = select(Vote.battle_id, Battle.text_salt).join(Battle).where(Vote.battle_id.in_(ids))
        voted = {vote.battle_id: vote.text_salt for vote in session.execute(salts)}
        given = select(VoteReasons.battle_id).where(VoteReasons.battle_id.in_(ids))
        known = set(session.scalars(given))
        for row in batch:
            if row.battle_id not in voted:
                self._reasons["reasons for a vote that is not there"] += 1
                self._refused(
                    NotTaken(row.row, "reasons for a vote that is not there", row.battle_id)
                )
            elif row.battle_id in known:
                self._present(row.row, row.battle_id)
            else:
                known.add(row.battle_id)
                reasons = VoteReasons(
                    battle_id=row.battle_id, tags=row.tags, comment=row.comment, at=row.at
                )
                session.add(reasons)
                content = reasons_body(voted[row.battle_id], reasons)
                chain.append("reasons", row.battle_id, row.at, content)
                self._count["taken"] += 1

    def _present(self, row: int, battle_id: str) -> None:
        self._count["present"] += 1
        self._refused(NotTaken(row, PRESENT, battle_id))

    def _id(self, row: Incoming) -> str:
        return row.battle.get("id") or row.battle_id(self._named(row))

    def _named(self, row: Incoming) -> str:
        return self._campaign or row.battle.get("campaign") or self._default_campaign

    def _built(self, battle_id: str, row: Incoming) -> Built:
        self._count["taken"] += 1
        self._count["untimed"] += row.at is None
        extra = dict(row.extra) if row.extra else None
        self._count["unsampled"] += ((extra or {}).get("dedup_tag") or {}).get("sampled") is False
        at = row.at or self._now
        battle = {
            "id": battle_id,
            "created_at": row.asked_at[0] if row.asked_at else at,
            "voter": self._pseudonyms.taken(row.voter, battle_id),
            # Of no token: nobody can vote on it again.
            "token_sha256": secrets.token_bytes(32),
            "mode": row.mode,
            "contestant_a": row.contestant_a,
            "contestant_b": row.contestant_b,
            "settings_a": {},
            "settings_b": {},
            "matchmaking": None,
            "failed": False,
            "identity_revealed": False,
            "consent_sha256": None,
            "voter_groups": None,
            "text_salt": secrets.token_bytes(16),
            "judge": None,
            **row.battle,
            "campaign": self._named(row),
        }
        # The form that a battle came in first is told on, as it says what `extra` is.
        imported = {
            "battle_id": battle_id,
            "file": self._path.name[:255],
            "form": self._source.form,
            "row": row.row,
            "original_id": None if row.original_id == battle_id else row.original_id,
            "timed": row.at is not None,
            "extra": extra,
        }
        return Built(
            battle,
            imported,
            turns_of(battle_id, row, at),
            images_of(battle_id, row),
            answers_of(battle_id, row, at),
            {"battle_id": battle_id, "outcome": row.outcome, "turns": row.turns, "at": at},
            [
                {"battle_id": battle_id, "name": name, "by": IMPORT, "value": value}
                for name, value in row.tags.items()
            ],
        )


def _insert(session: Session, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table.__table__), rows)


def campaign_of(path: Path) -> str:
    """A campaign's name from a file's."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.split(".")[0]).strip("-.")
    return name[:LONGEST_CAMPAIGN] or "import"
