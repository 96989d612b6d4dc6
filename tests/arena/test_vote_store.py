from __future__ import annotations

import hashlib
import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rostra.arena.errors import VoteRefusedError
from rostra.arena.votes import database as database_module
from rostra.arena.votes import writes as writes_module
from rostra.arena.votes.records import OUTCOMES, EndedAnswer, Ticket
from rostra.arena.votes.store import VoteStore


def rows(url: str, query: str) -> list[tuple]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return connection.execute(query).fetchall()


def try_vote(url: str, ticket: Ticket, outcome: str) -> str:
    """In another thread or process: the outcome that stands, or `refused`."""
    store = VoteStore(url)
    try:
        return store.vote(ticket, outcome).outcome
    except VoteRefusedError:
        return "refused"
    finally:
        store.close()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_vote_is_stored_with_everything_around_it(store, votes_url, ended_battle, pair, outcome):
    ticket = ended_battle()
    vote = store.vote(ticket, outcome)
    assert vote.outcome == outcome
    assert datetime.now(UTC) - vote.at < timedelta(minutes=1)
    (comparison,) = store.comparisons()
    assert (comparison.left, comparison.right) == (pair.a.name, pair.b.name)
    assert (comparison.outcome, comparison.at) == (outcome, vote.at)
    answers = rows(votes_url, "SELECT turn, side, text, finish_reason, seconds FROM answers")
    assert answers == [(0, "a", "answer a", "stop", 1.5), (0, "b", "answer b", "stop", 1.5)]
    ((settings,),) = rows(votes_url, "SELECT settings_a FROM battles")
    assert '"temperature": 0.25' in settings
    assert "Speak as the tempest would." in settings


def test_battle_is_on_disk_before_it_is_shown(store, votes_url, pair):
    ticket = store.open_battle(pair, "a question", "192.0.2.7")
    assert rows(votes_url, "SELECT id, contestant_a, contestant_b FROM battles") == [
        (ticket.battle_id, pair.a.name, pair.b.name)
    ]
    assert rows(votes_url, "SELECT number, prompt FROM turns") == [(0, "a question")]


def test_same_vote_again_returns_the_stored_one(store, ended_battle):
    ticket = ended_battle()
    first = store.vote(ticket, "tie")
    assert store.vote(ticket, "tie") == first
    assert store.counts().votes == 1


def test_different_second_vote_is_refused_and_the_first_stands(store, ended_battle):
    ticket = ended_battle()
    store.vote(ticket, "a")
    with pytest.raises(VoteRefusedError, match="first vote stands"):
        store.vote(ticket, "b")
    assert [row.outcome for row in store.comparisons()] == ["a"]


def test_vote_needs_the_token_of_its_battle(store, ended_battle):
    ticket, other = ended_battle(), ended_battle()
    for wrong in (
        Ticket(ticket.battle_id, other.token),
        Ticket("no such battle", ticket.token),
        Ticket(ticket.battle_id, ""),
    ):
        with pytest.raises(VoteRefusedError, match="does not belong"):
            store.vote(wrong, "a")
    assert store.counts().votes == 0


def test_token_is_not_at_rest(store, votes_url, ended_battle):
    ticket = ended_battle()
    path = Path(votes_url.removeprefix("sqlite:///"))
    stored = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert ticket.token.encode() not in stored
    assert hashlib.sha256(ticket.token.encode()).digest() in stored


def test_vote_waits_for_both_answers_of_the_last_turn(store, pair, ended_battle):
    ticket = store.open_battle(pair, "question", "192.0.2.7")
    answer = EndedAnswer(text="text", seconds=1.0, finish_reason="stop")
    store.end_answer(ticket.battle_id, 0, "a", answer)
    with pytest.raises(VoteRefusedError, match="both answers"):
        store.vote(ticket, "a")
    store.end_answer(ticket.battle_id, 0, "b", answer)
    store.add_turn(ticket, 1, "and then?")
    with pytest.raises(VoteRefusedError, match="both answers"):
        store.vote(ticket, "a")
    for side in ("a", "b"):
        store.end_answer(ticket.battle_id, 1, side, answer)
    assert store.vote(ticket, "a").outcome == "a"
    with pytest.raises(VoteRefusedError, match="voted on"):
        store.add_turn(ticket, 2, "and now?")


def test_failed_battle_is_marked_and_takes_no_vote(store, pair):
    ticket = store.open_battle(pair, "question", "192.0.2.7")
    store.end_answer(ticket.battle_id, 0, "a", EndedAnswer(text="", seconds=1.0, error="cut off"))
    store.end_answer(
        ticket.battle_id, 0, "b", EndedAnswer(text="text", seconds=1.0, finish_reason="stop")
    )
    with pytest.raises(VoteRefusedError, match="failed"):
        store.vote(ticket, "b")
    assert store.counts().failed_battles == 1


def test_votes_that_were_not_blind_can_be_left_out(store, ended_battle):
    store.vote(ended_battle(), "a")
    store.vote(ended_battle(revealed=True), "b")
    assert [row.outcome for row in store.comparisons()] == ["a"]
    assert [row.outcome for row in store.comparisons(include_revealed=True)] == ["a", "b"]
    assert store.number_of_comparisons() == 1
    assert store.number_of_comparisons(include_revealed=True) == 2
    counts = store.counts()
    assert (counts.battles, counts.votes, counts.revealed_votes) == (2, 2, 1)
    assert counts.outcomes == {"a": 1, "b": 1, "tie": 0, "both_bad": 0}


def test_unknown_outcome_is_refused(store, ended_battle):
    with pytest.raises(VoteRefusedError, match="one of"):
        store.vote(ended_battle(), "left")


def test_threads_that_vote_at_once_store_one_vote(store, votes_url, ended_battle):
    ticket = ended_battle()
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(
            threads.map(lambda n: try_vote(votes_url, ticket, OUTCOMES[n % 2]), range(16))
        )
    (stored,) = store.comparisons()
    assert outcomes.count(stored.outcome) == 8
    assert outcomes.count("refused") == 8


def test_processes_that_start_and_vote_at_once_store_one_vote(store, votes_url, ended_battle):
    tickets = [ended_battle() for _ in range(6)]
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        votes = [
            (ticket, processes.submit(try_vote, votes_url, ticket, outcome))
            for ticket in tickets
            for outcome in ("a", "b", "a")
        ]
        results = [(ticket, future.result(60)) for ticket, future in votes]
    assert store.counts().votes == len(tickets)
    for ticket in tickets:
        seen = {result for voted, result in results if voted is ticket} - {"refused"}
        assert len(seen) == 1


def test_same_address_has_one_pseudonym_for_a_day_and_none_after(
    store, votes_url, ended_battle, monkeypatch
):
    now = datetime.now(UTC)
    for address in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
        store.vote(ended_battle(address), "a")
    salts = rows(votes_url, "SELECT salt FROM voter_salts")
    monkeypatch.setattr(writes_module, "now", lambda: now + timedelta(days=1))
    store.vote(ended_battle("192.0.2.7"), "a")
    first, second, other, next_day = (row.voter for row in store.comparisons())
    assert first == second
    assert len({first, other, next_day}) == 3
    rotated = rows(votes_url, "SELECT salt FROM voter_salts")
    assert len(rotated) == 1
    assert rotated != salts


def test_no_address_is_at_rest(store, votes_url, ended_battle):
    store.vote(ended_battle("203.0.113.77"), "a")
    store.close()
    folder = Path(votes_url.removeprefix("sqlite:///")).parent
    assert b"203.0.113.77" not in b"".join(file.read_bytes() for file in folder.iterdir())


def test_writers_of_one_process_queue_instead_of_asking_again_and_again(
    tmp_path, pair, monkeypatch
):
    # Without patience SQLite refuses every writer that meets another one.
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 0)
    store = VoteStore(f"sqlite:///{tmp_path / 'votes.sqlite3'}")

    def open_battles(voter: int) -> None:
        for _ in range(20):
            store.open_battle(pair, "a question", f"voter-{voter}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_battles, range(8)))
    assert store.counts().battles == 160
    store.close()


def test_votes_are_counted_up_from_the_last_count(store, ended_battle):
    def counted(**kind) -> int:
        number = store.number_of_comparisons(**kind)
        assert number == store.number_of_comparisons(**kind)
        return number

    assert counted() == 0
    first = ended_battle("192.0.2.1")
    store.vote(first, "a")
    store.vote(ended_battle("192.0.2.2", True), "b")
    assert (counted(), counted(include_revealed=True)) == (1, 2)
    # Neither reasons nor a battle without a vote is one.
    store.give_reasons(first, ["style"])
    ended_battle("192.0.2.3")
    assert (counted(), counted(include_revealed=True)) == (1, 2)
    store.vote(ended_battle("192.0.2.4"), "tie")
    assert (counted(), counted(include_revealed=True)) == (2, 3)
    assert (counted(campaigns=["default"]), counted(without=["default"])) == (2, 0)
    assert len(store.comparisons()) == counted()
