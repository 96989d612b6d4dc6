"""What a voter cannot have: refused, logged without who it was, nothing stored."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from vote_rounds import PAIR, answered, ended, voted

from rostra.arena.errors import VoteRefusedError
from rostra.arena.votes.database import open_database
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.records import MOST_COMMENT, Ticket
from rostra.arena.votes.store import VoteStore

VOTER = "203.0.113.77"


def stored(store: VoteStore) -> list[int]:
    tables = ("votes", "vote_reasons", "log_entries", "turns")
    with store._engine.connect() as connection:
        return [
            connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in tables
        ]


def failed(store: VoteStore) -> Ticket:
    ticket = store.open_battle(PAIR, "question", VOTER)
    store.end_answer(ticket.battle_id, 0, "a", ended("", error="lost"))
    store.end_answer(ticket.battle_id, 0, "b", ended("well"))
    return ticket


def direct(store: VoteStore) -> Ticket:
    ticket = store.open_battle(PAIR.a, "question", VOTER, mode="direct")
    store.end_answer(ticket.battle_id, 0, "a", ended("well"))
    return ticket


REFUSED = {
    "a second vote": lambda store: store.vote(voted(store, voter=VOTER)[0], "b"),
    "no outcome": lambda store: store.vote(answered(store, voter=VOTER), "a'; DROP TABLE votes"),
    "the token of another battle": lambda store: store.vote(
        Ticket(answered(store, voter=VOTER).battle_id, answered(store, voter=VOTER).token), "a"
    ),
    "a battle that is not": lambda store: store.vote(Ticket("' OR 1=1 --\0\ud800", "\ud800"), "a"),
    "a failed battle": lambda store: store.vote(failed(store), "b"),
    "a direct chat": lambda store: store.vote(direct(store), "a"),
    "unfinished": lambda store: store.vote(store.open_battle(PAIR, "question", VOTER), "a"),
    "reasons first": lambda store: store.give_reasons(answered(store, voter=VOTER), ["safe"]),
    "another reason": lambda store: store.give_reasons(voted(store, voter=VOTER)[0], ["rude"]),
    "no reason": lambda store: store.give_reasons(voted(store, voter=VOTER)[0], [], " \n"),
    "a long reason": lambda store: store.give_reasons(
        voted(store, voter=VOTER)[0], [], "x" * (MOST_COMMENT + 1)
    ),
    "a turn too many": lambda store: store.add_turn(answered(store, voter=VOTER), 2, "question"),
    "a turn again": lambda store: store.add_turn(answered(store, voter=VOTER), 0, "question"),
}
AFTER_A_VOTE = {"a second vote", "another reason", "no reason", "a long reason"}


@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_logged_and_not_stored(any_store, caplog, name):
    with caplog.at_level(logging.WARNING), pytest.raises(VoteRefusedError) as caught:
        REFUSED[name](any_store)
    (record,) = caplog.records
    assert str(caught.value) in record.getMessage()
    assert "\n" not in record.getMessage()
    assert VOTER not in record.getMessage()
    with any_store._engine.connect() as connection:
        salted = connection.execute(sa.text("SELECT voter FROM battles")).scalars().all()
    assert not any(voter in record.getMessage() for voter in salted)
    votes, reasons, entries, turns = stored(any_store)
    assert votes == entries == (name in AFTER_A_VOTE)
    assert verify(any_store._engine).entries == votes
    assert (reasons, turns) == (0, len(salted))


def test_a_direct_chat_is_stored_and_resumed(any_store):
    battle = any_store.resume(direct(any_store))
    assert (battle.mode, battle.contestant_b, battle.settings_b) == ("direct", None, None)
    with pytest.raises(ValueError, match="has no answer 'b'"):
        any_store.end_answer(battle.battle_id, 0, "b", ended("who?"))
    with pytest.raises(ValueError, match="takes one"):
        any_store.open_battle(PAIR, "question", VOTER, mode="direct")


def test_a_newer_attempt_takes_the_place_of_a_failed_one(any_store):
    ticket = failed(any_store)
    assert any_store.resume(ticket).failed
    any_store.end_answer(ticket.battle_id, 0, "a", ended("again"), attempt=1)
    battle = any_store.resume(ticket)
    assert not battle.failed
    assert [(each.side, each.attempt, each.text) for each in battle.answers] == [
        ("a", 1, "again"),
        ("b", 0, "well"),
    ]
    assert any_store.vote(ticket, "a").outcome == "a"


def test_reasons_are_given_once_and_can_be_said_again(any_store):
    ticket, vote = voted(any_store)
    given = any_store.give_reasons(ticket, ["safe", "correct", "safe"], "  well put\0 ")
    assert (given.tags, given.comment) == (("correct", "safe"), "well put\ufffd")
    assert any_store.give_reasons(ticket, ["correct", "safe"], "well put\ufffd") == given
    with pytest.raises(VoteRefusedError, match="they stand"):
        any_store.give_reasons(ticket, ["safe"])
    battle = any_store.resume(ticket)
    assert (battle.vote, battle.reasons) == (vote, given)


def test_what_no_database_can_hold_is_replaced(any_store):
    ticket = any_store.open_battle(PAIR, "nul \0 half \ud83d", "\ud800 voter")
    any_store.end_answer(ticket.battle_id, 0, "a", ended("\0", model_revision="r" * 300))
    any_store.end_answer(ticket.battle_id, 0, "b", ended("\udc00 \U0001f600"))
    any_store.vote(ticket, "tie")
    battle = any_store.resume(ticket)
    assert battle.turns[0].prompt == "nul \ufffd half \ufffd"
    assert [each.text for each in battle.answers] == ["\ufffd", "\ufffd \U0001f600"]
    assert battle.answers[0].model_revision == "r" * 200
    assert verify(any_store._engine).entries == 1


def test_named_pairs_are_no_blind_votes(any_store):
    voted(any_store, "a", mode="side_by_side", campaign="class of 2026")
    voted(any_store, "b")
    assert [row.outcome for row in any_store.comparisons(include_revealed=True)] == ["b"]
    assert any_store.number_of_comparisons() == 1
    assert any_store.counts().votes == 2


def test_votes_at_once_make_one_chain(any_store, any_url):
    tickets = [answered(any_store, voter=f"voter {number}") for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        calls = [(ticket, outcome) for ticket in tickets for outcome in ("a", "b")]
        outcomes = list(threads.map(lambda call: attempt(any_store, *call), calls))
    assert outcomes.count("refused") == len(tickets)
    assert verify(any_store._engine).kinds["vote"] == len(tickets)


def attempt(store: VoteStore, ticket: Ticket, outcome: str) -> str:
    try:
        return store.vote(ticket, outcome).outcome
    except VoteRefusedError:
        return "refused"


def test_voters_of_a_new_day_at_once_share_its_salt(any_store):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: any_store.open_battle(PAIR, "question", VOTER), range(8)))
    with any_store._engine.connect() as connection:
        voters = connection.execute(sa.text("SELECT DISTINCT voter FROM battles")).all()
        salts = connection.execute(sa.text("SELECT day FROM voter_salts")).all()
    assert (len(voters), len(salts)) == (1, 1)


@pytest.mark.parametrize("any_url", ["postgresql"], indirect=True)
def test_a_commit_of_postgresql_is_on_disk_even_where_the_server_is_set_not_to(any_url):
    engine = open_database(any_url)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER ROLE rostra SET synchronous_commit = off"))
    engine.dispose()
    again = open_database(any_url)
    try:
        with again.connect() as connection:
            assert connection.execute(sa.text("SHOW synchronous_commit")).scalar_one() == "on"
    finally:
        with again.begin() as connection:
            connection.execute(sa.text("ALTER ROLE rostra RESET synchronous_commit"))
        again.dispose()
