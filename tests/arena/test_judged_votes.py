"""Verdicts of models beside people's votes, in a database of either kind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rostra.arena.judge.folder import opened
from rostra.arena.judge.outcomes import of_pairs
from rostra.arena.judge.questions import Question
from rostra.arena.judge.records import Answered, Choice, Verdict
from rostra.arena.judge.stored import verdicts
from rostra.arena.judge.storing import store
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.database import open_database
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.reduction import VoteReader
from rostra.arena.votes.statistics import VoteStatistics

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
QUESTION = Question("1", ("who?", "and who else?"), "riddles")


def verdict(first: str, second: str, choice: Choice, turn: int) -> Verdict:
    return Verdict(
        key=f"{first} {second} {turn}",
        judge="portia",
        kind="pair",
        question="1",
        turn=turn,
        contestants=(first, second),
        at=AT,
        choice=choice,
        # What a database may not be able to hold.
        reason="so\x00 it is",
    )


@pytest.fixture
def outcomes(any_url: str, tmp_path: Path) -> str:
    """A pair that both orders agree on at the first turn and not at the second."""
    with opened(tmp_path / "run", [QUESTION]) as folder:
        folder.enter_names(("ant", "bee"), ("portia",))
        folder.add_answers(
            *(
                Answered("1", name, turn, f"{name} {turn}", AT, completion_tokens=turn)
                for name in ("ant", "bee")
                for turn in (1, 2)
            )
        )
        folder.add_verdicts(
            *(verdict("ant", "bee", "a", 1), verdict("bee", "ant", "b", 1)),
            *(verdict("ant", "bee", "a", 2), verdict("bee", "ant", "a", 2)),
        )
        engine = open_database(any_url)
        taken = store(engine, folder, of_pairs(folder.verdicts).outcomes)
        again = store(engine, folder, of_pairs(folder.verdicts).outcomes)
        engine.dispose()
    assert (taken.taken, again.taken, again.present) == (2, 0, 2)
    return any_url


def counts(url: str, givers: str, **options) -> list[int]:
    reader = VoteReader(url, givers=givers, **options)
    try:
        return reader.reduce(Wanted())[0].table.sum(axis=0).tolist()
    finally:
        reader.close()


def test_verdicts_are_votes_of_their_own_kind(outcomes, any_store, pair, ended_on):
    any_store.vote(ended_on(any_store), "b")
    assert counts(outcomes, "people") == [0, 0, 1, 0]
    assert counts(outcomes, "judges") == [1, 1, 0, 0]
    assert counts(outcomes, "both") == [1, 1, 1, 0]
    assert counts(outcomes, "both", judges=("nobody",)) == [0, 0, 1, 0]
    assert any_store.number_of_comparisons() == 1
    engine = open_database(outcomes)
    assert VoteStatistics.of(engine).judged == 2
    assert verify(engine).kinds == {"vote": 1, "import": 2, "reasons": 0}
    frame = verdicts(engine).sort("turn", "left")
    engine.dispose()
    assert frame.select("left", "outcome", "agreed", "consistent").rows() == [
        *(("ant", "a", "a", True), ("bee", "b", "b", True)),
        *(("ant", "a", "tie", False), ("bee", "a", "tie", False)),
    ]
    assert frame.select("characters_left", "tokens_right", "category").rows() == [
        *((5, 1, "riddles"), (5, 1, "riddles"), (10, 3, "riddles"), (10, 3, "riddles")),
    ]


@pytest.fixture
def ended_on(pair):
    from rostra.arena.votes.records import EndedAnswer

    def make(votes):
        ticket = votes.open_battle(pair, "Who are you?", "192.0.2.7")
        for side in ("a", "b"):
            votes.end_answer(
                ticket.battle_id, 0, side, EndedAnswer("me", 1.0, finish_reason="stop")
            )
        return ticket

    return make
