"""Texts taken out of a battle are gone, and the log says so and holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner
from vote_rounds import PAIR, answered, ended, voted

from rostra.arena.errors import ArenaError, VoteRefusedError
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.log.errors import LogBrokenError
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.log.verify_file import verify_file
from rostra.arena.votes.models import Change
from rostra.arena.votes.redaction import Redacted, redact
from rostra.arena.votes.reduction import VoteReader
from rostra.arena.votes.store import VoteStore
from rostra.arena.votes.transfer.export import Exporter, ExportOptions
from rostra.mesh.cli.main import app

SECRET = "my address is 5 Elm Street"
on_sqlite = pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)


@pytest.fixture
def told(any_store: VoteStore) -> str:
    """The id of a battle that should not have been told, between two others."""
    voted(any_store)
    ticket, _ = voted(any_store, "b", prompt=SECRET)
    any_store.give_reasons(ticket, ["safe"], SECRET)
    voted(any_store, "tie")
    return ticket.battle_id


def execute(store: VoteStore, statement: str) -> None:
    with store._engine.begin() as connection:
        connection.execute(sa.text(statement))


def test_texts_are_gone_and_the_log_holds(any_store, told):
    before = verify(any_store._engine)
    done = redact(any_store._engine, told, "command line")
    assert (done.prompts, done.answers, done.comment) == (1, 2, True)
    after = verify(any_store._engine)
    assert (before.redacted, after.redacted) == (0, 1)
    assert (after.head, after.entries) == (before.head, before.entries)
    with any_store._reading() as session:
        (change,) = session.scalars(sa.select(Change))
    assert (change.who, change.action, change.subject) == ("command line", "redact", told)
    assert change.before == {"prompts": 1, "answers": 2, "images": 0, "comment": True}
    with pytest.raises(ArenaError, match="were taken out before"):
        redact(any_store._engine, told, "command line")
    with pytest.raises(ArenaError, match="no battle nonsense"):
        redact(any_store._engine, "nonsense", "command line")


@on_sqlite
def test_no_byte_of_it_stays_in_the_files(any_store, told, any_url):
    path = Path(sa.make_url(any_url).database)
    written = [path, path.with_name(f"{path.name}-wal")]
    assert any(SECRET.encode() in each.read_bytes() for each in written)
    assert redact(any_store._engine, told, "command line") == Redacted(1, 2, True, erased=True)
    assert not any(SECRET.encode() in each.read_bytes() for each in written if each.exists())


@on_sqlite
@pytest.mark.parametrize(
    ("tampering", "why"),
    [
        ("UPDATE turns SET prompt = 'other' WHERE battle_id = '{}'", "and there are some"),
        ("UPDATE battles SET contestant_a = 'other' WHERE id = '{}'", "contestant_a"),
        ("UPDATE answers SET seconds = 2 WHERE battle_id = '{}'", "seconds"),
        ("UPDATE votes SET outcome = 'a' WHERE battle_id = '{}'", "outcome"),
        ("UPDATE vote_reasons SET comment = NULL WHERE battle_id = '{}'", "comment"),
        ("DELETE FROM changes WHERE subject = '{}'", "no change of that kind is recorded"),
    ],
)
def test_what_else_is_changed_is_still_found(any_store, told, tampering, why):
    redact(any_store._engine, told, "command line")
    execute(any_store, tampering.format(told))
    with pytest.raises(LogBrokenError, match=why) as caught:
        verify(any_store._engine)
    assert caught.value.battle_id == told


@on_sqlite
def test_texts_taken_out_by_other_means_are_found(any_store, told):
    execute(any_store, f"UPDATE turns SET prompt = '' WHERE battle_id = '{told}'")
    with pytest.raises(LogBrokenError, match="prompt_sha256"):
        verify(any_store._engine)


@on_sqlite
def test_a_round_under_way_is_over(any_store):
    ticket = answered(any_store, prompt=SECRET)
    redact(any_store._engine, ticket.battle_id, "command line")
    for act in (
        lambda: any_store.vote(ticket, "a"),
        lambda: any_store.add_turn(ticket, 1, "and then?"),
        lambda: any_store.resume(ticket),
        lambda: any_store.end_answer(ticket.battle_id, 0, "a", ended("again"), attempt=1),
    ):
        with pytest.raises(VoteRefusedError):
            act()
    assert verify(any_store._engine).entries == 0


@on_sqlite
@pytest.mark.parametrize("form", ["jsonl", "parquet", "lmsys-battles", "lmsys-log", "csv", "pairs"])
def test_exports_have_the_vote_and_no_texts(any_store, told, tmp_path, form):
    redact(any_store._engine, told, "command line")
    path = tmp_path / "file"
    with path.open("w+b") as file:
        done = Exporter(any_store._engine, ExportOptions(form)).write(file)
    assert done.written == 3
    if form == "jsonl":
        assert verify_file(path).entries == 4
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        of_it = [line for line in lines if line.get("battle_id") == told]
        assert len(of_it) == 2
        assert not any("texts" in line for line in of_it)
    if form == "lmsys-battles":
        found = {each["question_id"]: each for each in json.loads(path.read_text())}
        assert "conversation_a" not in found[told]
        assert sum("conversation_a" in each for each in found.values()) == 2


def test_ratings_know_that_they_do_not_know_its_style(any_store, told, any_url):
    ticket = any_store.open_battle(PAIR, "who?", "mara")
    any_store.end_answer(ticket.battle_id, 0, "a", ended("I am **not** bold"))
    any_store.end_answer(ticket.battle_id, 0, "b", ended("nor am I"))
    any_store.vote(ticket, "a")
    redact(any_store._engine, told, "command line")
    reader = VoteReader(any_url)
    board, provenance = reader.reduce(Wanted(style=("bold",)))
    reader.close()
    assert board.num_votes == 3
    assert sum(count for _, count in provenance.left_out) == 1


@on_sqlite
def test_the_command_says_what_it_did(any_store, told, any_url, tmp_path):
    def run(*arguments: str):
        where = ["--votes-url", any_url, "--home", str(tmp_path)]
        return CliRunner().invoke(app, ["votes", *arguments, *where], env={"COLUMNS": "200"})

    kept = run("redact", told)
    assert kept.exit_code == 1
    assert verify(any_store._engine).redacted == 0
    done = run("redact", told, "--yes")
    assert done.exit_code == 0, done.output
    assert f"Taken out of battle {told}: 1 question, 2 answers, the comment." in done.stdout
    shown = run("verify")
    assert "The log is whole: 4 entries (3 vote, 1 reasons)." in shown.stdout
    assert "Texts were taken out of 1 battle: what they said can no longer be checked." in (
        shown.stdout
    )


@on_sqlite
def test_one_entry_is_one(any_store, any_url, tmp_path):
    voted(any_store)
    where = ["--votes-url", any_url, "--home", str(tmp_path)]
    shown = CliRunner().invoke(app, ["votes", "verify", *where], env={"COLUMNS": "200"})
    assert "The log is whole: 1 entry (1 vote)." in shown.stdout
