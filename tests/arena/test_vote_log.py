"""The log against every kind of tampering, on both databases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from vote_rounds import PAIR, answered, ended, voted

from rostra.arena.errors import ArenaError, VoteRefusedError
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.log.chain import GENESIS, link
from rostra.arena.votes.log.checkpoints import sign
from rostra.arena.votes.log.errors import LogBrokenError
from rostra.arena.votes.log.keys import make_key
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.reduction import VoteReader
from rostra.arena.votes.store import VoteStore

Execute = Callable[[str], None]
on_sqlite = pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
"""For what only the rows decide and not the database."""


@pytest.fixture
def filled(any_store: VoteStore) -> VoteStore:
    """Five entries: votes 1, 2, 4 and 5; the reasons of the second vote are entry 3."""
    for number in range(4):
        ticket, _ = voted(any_store, "b", prompt=f"question {number}", voter=f"voter {number}")
        if number == 1:
            any_store.give_reasons(ticket, ["safe", "correct"], "because")
    answered(any_store)
    return any_store


@pytest.fixture
def execute(any_store: VoteStore) -> Execute:
    """Changes the database as somebody with all rights to it can."""

    def run(statement: str) -> None:
        with any_store._engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            sqlite = connection.dialect.name == "sqlite"
            connection.rollback()
            cursor = raw.cursor()
            cursor.execute(
                "PRAGMA foreign_keys=OFF" if sqlite else "SET session_replication_role = replica"
            )
            cursor.execute(statement)
            raw.commit()
            connection.invalidate()

    return run


def broken(store: VoteStore) -> LogBrokenError:
    with pytest.raises(LogBrokenError) as caught:
        verify(store._engine)
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_untouched_log_is_whole(filled):
    found = verify(filled._engine)
    assert found.kinds == {"vote": 4, "reasons": 1, "import": 0}
    assert (found.entries, found.unsigned) == (5, 5)


def test_an_empty_log_is_whole(any_store):
    found = verify(any_store._engine)
    assert (found.entries, found.first, found.head) == (0, None, GENESIS)


def test_an_entry_says_all_of_a_battle_and_no_text(any_store):
    ticket = any_store.open_battle(
        PAIR, "a secret?", "someone", matchmaking={"policy": "uniform", "probability": 0.5}
    )
    any_store.end_answer(ticket.battle_id, 0, "a", ended("", error="lost"))
    any_store.end_answer(
        ticket.battle_id, 0, "a", ended("mine", model_revision="r1", completion_tokens=3), attempt=1
    )
    any_store.end_answer(ticket.battle_id, 0, "b", ended("thine", first_text_seconds=0.1 + 0.2))
    vote = any_store.vote(ticket, "tie")
    with any_store._engine.connect() as connection:
        entry = connection.execute(sa.text("SELECT body, hash FROM log_entries")).one()
        salt = connection.execute(sa.text("SELECT text_salt FROM battles")).scalar_one()
    assert bytes(entry.hash) == hashlib.sha256(bytes(32) + entry.body.encode()).digest()
    body = json.loads(entry.body)
    assert (body["seq"], body["kind"], body["battle_id"]) == (1, "vote", ticket.battle_id)
    assert (body["outcome"], body["turns_read"]) == ("tie", 1)
    assert body["at"] == vote.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert body["matchmaking"] == {"policy": "uniform", "probability": 0.5}
    committed = hashlib.sha256(bytes(salt) + b"a secret?").hexdigest()
    assert body["turns"][0]["prompt_sha256"] == committed
    answers = [(each["side"], each["attempt"]) for each in body["answers"]]
    assert answers == [("a", 0), ("a", 1), ("b", 0)]
    assert body["answers"][1]["model_revision"] == "r1"
    assert body["answers"][2]["first_text_seconds"] == 0.1 + 0.2
    for text in ("secret", "mine", "thine", "someone", "lost", "airy"):
        assert text not in entry.body
    assert body["failed"] is False


THIRD = "(SELECT battle_id FROM log_entries WHERE seq = 4)"
CHANGES = {
    "UPDATE votes SET outcome = 'a'": "outcome is 'b' in the log and 'a' in the store",
    "UPDATE votes SET turns = 2": "turns_read is 1",
    "UPDATE votes SET at = '2026-01-01 00:00:00+00'": "at is ",
    "DELETE FROM votes": "the store has no such vote",
    "DELETE FROM answers": "answers is 2 long in the log and 0 long in the store",
    "DELETE FROM turns": "turns is 1 long",
    "UPDATE turns SET prompt = prompt || '!'": "turns[0].prompt_sha256 is",
    "UPDATE answers SET text = 'better'": "answers[0].text_sha256 is",
    "UPDATE answers SET seconds = 1.6": "answers[0].seconds is 1.5 in the log and 1.6",
    "UPDATE answers SET model_revision = 'x'": "answers[0].model_revision is None",
    "UPDATE answers SET error = 'x'": "answers[0].error_sha256 is None",
}


@on_sqlite
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_row_is_named(filled, execute, change):
    execute(f"{change} WHERE battle_id = {THIRD}")
    error = broken(filled)
    assert error.seq == 4
    assert CHANGES[change] in str(error)
    assert str(error).startswith(f"log entry 4, battle {error.battle_id}: ")


OF_BATTLES = {
    "contestant_a = 'oberon'": "contestant_a is 'ariel' in the log and 'oberon' in the store",
    "settings_b = '{}'": "settings_b_sha256 is",
    "voter = 'another'": "voter",
    "identity_revealed = true": "identity_revealed is False in the log and True",
    "failed = true": "failed is False",
    "mode = 'side_by_side'": "mode is 'battle'",
    "campaign = 'other'": "campaign is 'default'",
    "consent_sha256 = x'00'": "consent_sha256 is None in the log and '00'",
    "voter_groups = '[\"staff\"]'": "voter_groups_sha256 is None",
}


@on_sqlite
@pytest.mark.parametrize("change", OF_BATTLES)
def test_a_changed_battle_is_named(filled, execute, change):
    execute(f"UPDATE battles SET {change} WHERE id = {THIRD}")
    error = broken(filled)
    assert error.seq == 4
    assert OF_BATTLES[change] in str(error)


@on_sqlite
@pytest.mark.parametrize(
    ("change", "seq", "what"),
    [
        ("UPDATE log_entries SET body = replace(body, '\"b\"', '\"a\"') WHERE seq = 2", 2, "hash"),
        ("UPDATE log_entries SET hash = (SELECT hash FROM log_entries WHERE seq = 1) "
         "WHERE seq = 2", 2, "hash"),
        ("DELETE FROM log_entries WHERE seq = 2", 2, "is missing; entry 3 follows"),
        ("DELETE FROM log_entries WHERE seq = 1", 1, "is missing; entry 2 follows"),
        ("UPDATE log_entries SET kind = 'import' WHERE seq = 2", 2, "kind is 'vote'"),
        ("UPDATE log_entries SET battle_id = 'x' WHERE seq = 2", 2, "battle_id is"),
        ("UPDATE log_entries SET at = '2026-01-01 00:00:00+00' WHERE seq = 2", 2, "at is"),
        ("UPDATE log_entries SET body = '[]' WHERE seq = 1", 1, "hash"),
        ("UPDATE vote_reasons SET comment = 'no'", 3, "comment_sha256 is"),
        ("UPDATE vote_reasons SET tags = '[]'", 3, "tags is 2 long"),
        ("DELETE FROM vote_reasons", 3, "the store has no such reasons"),
        ("DELETE FROM log_entries WHERE seq = 5", None, "stands in the log 0 times"),
        ("UPDATE log_head SET seq = 4", None, "its head is that of entry 4"),
        ("DELETE FROM log_head", None, "its head is that of entry 0"),
        ("INSERT INTO votes SELECT id, 'b', 1, created_at FROM battles WHERE NOT EXISTS "
         "(SELECT 1 FROM votes WHERE battle_id = id)", None, "its vote stands in the log 0 times"),
    ],
)  # fmt: skip
def test_a_tampered_log_is_named(filled, execute, change, seq, what):
    execute(change)
    error = broken(filled)
    assert error.seq == seq
    assert what in str(error)


def cut(store: VoteStore, execute: Execute, seq: int) -> None:
    """As a forger with all rights does it: what is left is without a fault."""
    execute(f"DELETE FROM vote_reasons WHERE battle_id IN ({after(seq)})")
    execute(f"DELETE FROM votes WHERE battle_id IN ({after(seq)} AND kind = 'vote')")
    execute(f"DELETE FROM log_entries WHERE seq > {seq}")
    execute(
        "UPDATE log_head SET seq = (SELECT max(seq) FROM log_entries), "
        "hash = (SELECT hash FROM log_entries ORDER BY seq DESC LIMIT 1)"
    )
    assert verify(store._engine).entries == seq


def after(seq: int) -> str:
    return f"SELECT battle_id FROM log_entries WHERE seq > {seq}"


def test_only_a_checkpoint_kept_elsewhere_shows_that_the_end_was_cut_off(filled, execute, tmp_path):
    held = sign(filled._engine, make_key(tmp_path / "key"))
    execute("DELETE FROM checkpoints")
    cut(filled, execute, 3)
    with pytest.raises(LogBrokenError, match=r"ends at entry 3, .* signed at entry 5"):
        verify(filled._engine, held=[held])


def test_a_stored_checkpoint_shows_it_too_if_the_forger_leaves_it(filled, execute, tmp_path):
    sign(filled._engine, make_key(tmp_path / "key"))
    execute("DELETE FROM votes WHERE battle_id IN (SELECT battle_id FROM log_entries WHERE seq=5)")
    execute("DELETE FROM log_entries WHERE seq = 5")
    execute("UPDATE log_head SET seq = 4, hash = (SELECT hash FROM log_entries WHERE seq = 4)")
    assert "signed at entry 5: entries were cut off" in str(broken(filled))


def test_a_log_written_anew_is_not_what_the_checkpoint_signed(filled, execute, tmp_path):
    held = sign(filled._engine, make_key(tmp_path / "key"))
    with filled._engine.connect() as connection:
        entries = connection.execute(
            sa.text("SELECT seq, battle_id, body FROM log_entries ORDER BY seq")
        ).all()
    previous = GENESIS
    for seq, battle, body in entries:
        new = body.replace('"outcome":"b"', '"outcome":"a"') if seq == 4 else body
        previous = link(previous, new)
        blob = f"X'{previous.hex()}'"
        if filled._engine.dialect.name == "postgresql":
            blob = f"'\\x{previous.hex()}'"
        execute(f"UPDATE log_entries SET body = '{new}', hash = {blob} WHERE seq = {seq}")
        if seq == 4:
            execute(f"UPDATE votes SET outcome = 'a' WHERE battle_id = '{battle}'")
    execute("UPDATE log_head SET hash = (SELECT hash FROM log_entries WHERE seq = 5)")
    assert "the log was written anew" in str(broken(filled))
    execute("DELETE FROM checkpoints")
    assert verify(filled._engine).entries == 5
    with pytest.raises(LogBrokenError, match=r"log entry 5: .* the log was written anew"):
        verify(filled._engine, held=[held])


def test_a_checkpoint_holds_under_its_key_only(filled, execute, tmp_path):
    key, other = make_key(tmp_path / "key"), make_key(tmp_path / "other")
    signed = sign(filled._engine, key)
    public = signed.public_key
    assert sign(filled._engine, key) == signed
    voted(filled)
    found = verify(filled._engine, public)
    assert (found.checkpoints, found.signed, found.unsigned) == (1, signed, 1)
    with pytest.raises(LogBrokenError, match="no checkpoint is signed by"):
        verify(filled._engine, other.public_key().public_bytes_raw())
    execute("UPDATE checkpoints SET seq = 4")
    assert "the signature of the checkpoint at entry 4 does not hold" in str(broken(filled))


def test_there_is_nothing_to_sign_in_an_empty_log(any_store, tmp_path):
    with pytest.raises(ArenaError, match="no entry yet"):
        sign(any_store._engine, make_key(tmp_path / "key"))


def test_nothing_of_a_battle_changes_after_its_vote(any_store):
    ticket, _ = voted(any_store)
    with pytest.raises(VoteRefusedError, match="is over"):
        any_store.end_answer(ticket.battle_id, 0, "a", ended("later"), attempt=1)
    with pytest.raises(VoteRefusedError, match="voted on"):
        any_store.add_turn(ticket, 1, "later")
    assert verify(any_store._engine).entries == 1


def test_a_rating_tells_the_head_of_the_log_it_counted(filled, any_url):
    reader = VoteReader(any_url)
    board, provenance = reader.reduce(Wanted())
    reader.close()
    assert board.num_votes == 4
    assert provenance.log_seq == 5
    assert provenance.log_head == verify(filled._engine).head.hex()
