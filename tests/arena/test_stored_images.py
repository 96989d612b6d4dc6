"""Images of questions in the store, in its log, in exports, and taken out again."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner
from vote_rounds import PAIR, ended, voted

from rostra.arena.errors import VoteRefusedError
from rostra.arena.images.picture import Picture
from rostra.arena.votes.log.errors import LogBrokenError
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.log.verify_file import verify_file
from rostra.arena.votes.models import Change
from rostra.arena.votes.records import Ticket
from rostra.arena.votes.redaction import redact
from rostra.arena.votes.store import VoteStore
from rostra.arena.votes.transfer.export import Exporter, ExportOptions
from rostra.arena.votes.transfer.from_own import OwnLines
from rostra.arena.votes.transfer.importing import Importer
from rostra.mesh.cli.main import app

RED = Picture("image/png", 3, 2, b"\x89PNG\r\n\x1a\n red")
BLUE = Picture("image/jpeg", 5, 4, b"\xff\xd8\xff blue")


def with_images(store: VoteStore) -> Ticket:
    ticket = store.open_battle(PAIR, "what is this?", "mara", images=[RED, BLUE])
    store.add_turn(ticket, 1, "and?")
    store.add_turn(ticket, 2, "and this?", [BLUE])
    for turn in range(3):
        for side in ("a", "b"):
            store.end_answer(ticket.battle_id, turn, side, ended(f"answer {side}"))
    store.vote(ticket, "b")
    return ticket


def export(store: VoteStore, path: Path, **options) -> int:
    with path.open("wb") as file:
        exported = Exporter(store._engine, ExportOptions(**{"form": "jsonl"} | options)).write(file)
    return exported.without_images


def test_they_are_stored_with_their_turns_and_come_back(any_store):
    ticket = with_images(any_store)
    stored = any_store.resume(ticket)
    assert [turn.images for turn in stored.turns] == [(RED, BLUE), (), (BLUE,)]
    assert any_store.image(ticket, 0, 1) == BLUE
    assert any_store.image(ticket, 1, 0) is None
    with pytest.raises(VoteRefusedError):
        any_store.image(Ticket(ticket.battle_id, "forged"), 0, 1)


def test_the_log_commits_to_them_and_to_nothing_where_there_are_none(any_store):
    voted(any_store)
    with_images(any_store)
    verify(any_store._engine)
    with any_store._engine.connect() as connection:
        bodies = connection.scalars(sa.text("SELECT body FROM log_entries ORDER BY seq")).all()
    without, having = (json.loads(body)["turns"] for body in bodies)
    assert without[0].keys() == {"asked_at", "prompt_sha256"}
    assert [len(turn.get("images", [])) for turn in having] == [2, 0, 1]
    assert (having[0]["images"][1]["width"], having[0]["images"][1]["height"]) == (5, 4)
    assert RED.sha256.hex() not in bodies[1]


@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE turn_images SET data = x'00' WHERE number = 1", "image 2 of its turn 1"),
        ("UPDATE turn_images SET data = x'', sha256 = x''", "image_sha256"),
        ("UPDATE turn_images SET width = 7 WHERE turn = 2", "width"),
        ("DELETE FROM turn_images WHERE turn = 0 AND number = 1", "images"),
        ("DELETE FROM turn_images", "images"),
    ],
)
def test_nobody_changes_one_unseen(any_store, change, told):
    with_images(any_store)
    with any_store._engine.begin() as connection:
        connection.execute(sa.text(change))
    with pytest.raises(LogBrokenError, match=told):
        verify(any_store._engine)


def test_they_are_taken_out_with_the_texts(any_store):
    ticket = with_images(any_store)
    assert redact(any_store._engine, ticket.battle_id, "mara").images == 3
    assert verify(any_store._engine).redacted == 1
    with any_store._engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT sha256, data, width FROM turn_images")).all()
    assert {(bytes(sha256), bytes(data)) for sha256, data, _ in rows} == {(b"", b"")}
    assert {width for *_, width in rows} == {3, 5}
    with any_store.reading() as session:
        assert session.scalars(sa.select(Change.before)).one()["images"] == 3
    with pytest.raises(VoteRefusedError):
        any_store.image(ticket, 0, 0)
    with any_store._engine.begin() as connection:
        connection.execute(
            sa.update(sa.table("turn_images", sa.column("data"), sa.column("sha256"))).values(
                data=RED.data, sha256=RED.sha256
            )
        )
    with pytest.raises(LogBrokenError, match="taken out, and there are some"):
        verify(any_store._engine)


def test_an_export_carries_them_and_an_import_takes_them(any_store, tmp_path):
    with_images(any_store)
    path = tmp_path / "votes.jsonl"
    assert export(any_store, path) == 0
    assert verify_file(path).entries == 1
    other = VoteStore(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    taken = Importer(other._engine, path, OwnLines(path)).run()
    assert (taken.taken, taken.not_taken) == (1, ())
    verify(other._engine)
    with other._engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT media_type, width, height, data FROM turn_images ORDER BY turn, number")
        ).all()
    assert [Picture(*row) for row in rows] == [RED, BLUE, BLUE]
    again = tmp_path / "again.jsonl"
    export(other, again)
    assert verify_file(again).entries == 1
    images = [
        json.loads(file.read_text().splitlines()[1])["texts"]["images"] for file in (path, again)
    ]
    assert images[0] == images[1]
    other.close()


def test_forms_that_cannot_carry_them_say_so(any_store, tmp_path):
    with_images(any_store)
    voted(any_store)
    for form in ("lmsys-battles", "lmsys-log", "parquet", "csv", "pairs"):
        assert export(any_store, tmp_path / form, form=form) == 1
    assert export(any_store, tmp_path / "bare", texts=False) == 1
    assert base64.b64encode(RED.data) not in (tmp_path / "bare").read_bytes()
    assert verify_file(tmp_path / "bare").entries == 2


@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
def test_the_commands_name_what_is_left_out_and_taken_out(any_store, any_url, tmp_path):
    ticket = with_images(any_store)
    run = CliRunner().invoke
    given = ["--votes-url", any_url, "--home", str(tmp_path)]
    told = run(app, ["votes", "export", str(tmp_path / "x.json"), *given])
    assert "without their images: 1 votes; jsonl with texts has them" in told.output
    told = run(app, ["votes", "redact", ticket.battle_id, "--yes", *given])
    assert "3 questions, 6 answers, 3 images" in told.output


@pytest.mark.parametrize(
    "forge",
    [
        lambda images: images[0].update(data=base64.b64encode(BLUE.data).decode()),
        lambda images: images[0].update(media_type="image/svg+xml"),
        lambda images: images.pop(),
        lambda images: images.reverse(),
        lambda images: images.append(images[2] | {"number": 1}),
        lambda images: images[0].update(data="no base64"),
        lambda images: images.clear(),
    ],
)
@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
def test_forged_ones_in_a_file_are_found(any_store, tmp_path, forge):
    with_images(any_store)
    path = tmp_path / "votes.jsonl"
    export(any_store, path)
    header, entry, *rest = map(json.loads, path.read_text().splitlines())
    forge(entry["texts"]["images"])
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, entry, *rest)))
    with pytest.raises(LogBrokenError):
        verify_file(path)
    other = VoteStore(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    taken = Importer(other._engine, path, OwnLines(path)).run()
    assert taken.taken == 0
    assert len(taken.not_taken) == 1
    other.close()


@pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)
def test_one_of_another_type_than_it_says_is_not_imported(any_store, tmp_path):
    page = Picture("image/png", 1, 1, b"<html><script>alert(1)</script>")
    ticket = any_store.open_battle(PAIR, "what?", "mara", images=[page])
    for side in ("a", "b"):
        any_store.end_answer(ticket.battle_id, 0, side, ended("it is"))
    any_store.vote(ticket, "a")
    path = tmp_path / "votes.jsonl"
    export(any_store, path)
    other = VoteStore(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    taken = Importer(other._engine, path, OwnLines(path)).run()
    assert taken.not_taken == (("an image is not of the type it says", 1),)
    other.close()
