"""The exported log without its store, the signing key, and the commands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import select, update
from transfer_battles import give, take
from transfer_battles import store as other_store
from typer.testing import CliRunner
from vote_rounds import voted

from rostra.arena.errors import ArenaError
from rostra.arena.votes.database import snapshot
from rostra.arena.votes.log.canonical import canonical
from rostra.arena.votes.log.chain import GENESIS, link
from rostra.arena.votes.log.checkpoints import SignedHead, sign, stored_checkpoints
from rostra.arena.votes.log.errors import LogBrokenError
from rostra.arena.votes.log.keys import make_key, read_key
from rostra.arena.votes.log.lines import checkpoint_line, entry_line, header_line
from rostra.arena.votes.log.rows import logged
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.log.verify_file import verify_file
from rostra.arena.votes.models import Battle, LogEntry, LogHead
from rostra.arena.votes.store import VoteStore
from rostra.mesh.cli.main import app


@pytest.fixture
def filled(store: VoteStore, tmp_path: Path) -> VoteStore:
    """Three entries, signed."""
    ticket, _ = voted(store, prompt="the first")
    store.give_reasons(ticket, ["style"], "it rhymes")
    voted(store, "tie")
    sign(store._engine, make_key(tmp_path / "key"))
    return store


def lines_of(store: VoteStore, *, with_texts: bool = True) -> list[dict]:
    found = verify(store._engine)
    with snapshot(store._engine) as connection:
        return [
            header_line(found.first, found.entries, found.head),
            *(entry_line(connection, each, with_texts=with_texts) for each in logged(connection)),
            *map(checkpoint_line, stored_checkpoints(connection)),
        ]


@pytest.fixture
def lines(filled: VoteStore) -> list[dict]:
    return lines_of(filled)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def write(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))
    return path


@pytest.mark.parametrize("with_texts", [True, False])
def test_a_file_says_what_the_store_says(filled, path, with_texts):
    exported = lines_of(filled, with_texts=with_texts)
    assert verify_file(write(path, exported)) == verify(filled._engine)
    assert ("it rhymes" in path.read_text()) == with_texts


def test_the_log_of_no_votes_is_a_file_too(store, path):
    assert verify_file(write(path, lines_of(store))) == verify(store._engine)


def changed(line: dict, key: str, value: object) -> None:
    line[key] = value


@pytest.mark.parametrize(
    ("change", "seq", "what"),
    [
        (lambda lines: lines.pop(2), 2, "is missing; entry 3 follows"),
        (lambda lines: lines.insert(2, lines[1]), 1, "stands twice"),
        (lambda lines: lines.insert(1, lines.pop(2)), 1, "is missing; entry 2 follows"),
        (lambda lines: lines.pop(3), None, "ends at entry 2, and a checkpoint was signed at"),
        (lambda lines: changed(lines[3], "kind", "import"), 3, "kind is 'vote'"),
        (lambda lines: changed(lines[3], "at", "2026-01-01T00:00:00Z"), 3, "at is"),
        (lambda lines: changed(lines[3], "hash", "no hex"), 3, "its hash is not"),
        (lambda lines: changed(lines[1]["texts"], "prompts", ["?"]), 1, "turns[0].prompt_sha256"),
        (lambda lines: changed(lines[1]["texts"], "prompts", []), 1, "are not those that"),
        (lambda lines: changed(lines[1]["texts"], "salt", "00" * 16), 1, "sha256 is"),
        (lambda lines: changed(lines[1]["texts"], "settings_a", {}), 1, "settings_a_sha256 is"),
        (lambda lines: changed(lines[1]["texts"]["answers"][0], "text", ""), 1, "text_sha256"),
        (lambda lines: changed(lines[2]["texts"], "comment", "no"), 2, "comment_sha256"),
        (lambda lines: changed(lines[4]["checkpoint"], "at", "2026-01-01T00:00:00Z"), None,
         "the signature of the checkpoint at entry 3 does not hold"),
        (lambda lines: changed(lines[0], "head", "00"), None, "its header says"),
        (lambda lines: changed(lines[0], "log", None), None, "its header names it"),
    ],
)  # fmt: skip
def test_a_changed_file_is_named(lines, path, change, seq, what):
    change(lines)
    with pytest.raises(LogBrokenError) as caught:
        verify_file(write(path, lines))
    assert caught.value.seq == seq
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_cut_off_at_its_end_is_shorter_than_its_header_says(lines, path):
    del lines[3:]
    with pytest.raises(LogBrokenError, match="ends at entry 2, and its header says"):
        verify_file(write(path, lines))


def test_a_half_line_is_named(lines, path):
    write(path, lines)
    text = path.read_bytes()
    path.write_bytes(text[: text.rindex(b'{"checkpoint"') - 20])
    with pytest.raises(LogBrokenError, match=r"line 4 of .* is no entry"):
        verify_file(path)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"\xff\n", b'{"format":"other"}\n'])
def test_another_file_is_no_log(path, content):
    path.write_bytes(content)
    with pytest.raises(ArenaError, match="is no export of the log"):
        verify_file(path)


def test_a_part_of_a_log_is_refused(lines, path):
    lines[0]["part"] = {"campaigns": ["x"]}
    with pytest.raises(ArenaError, match="a part of a log"):
        verify_file(write(path, lines))


def test_a_key_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "deep" / "key"
    key = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path).public_key() == key.public_key()
    with pytest.raises(ArenaError, match="File exists"):
        make_key(path)
    path.chmod(0o640)
    with pytest.raises(ArenaError, match=r"mode 640\): run chmod 600"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(ArenaError, match="is no Ed25519 key"):
        read_key(path)
    with pytest.raises(ArenaError, match="cannot read the signing key"):
        read_key(tmp_path / "none")


def test_a_checkpoint_line_reads_back(filled):
    with snapshot(filled._engine) as connection:
        (stored,) = stored_checkpoints(connection)
    assert SignedHead.from_json(json.loads(json.dumps(stored.to_json()))) == stored
    assert stored.genuine


def run(*arguments: object):
    return CliRunner().invoke(app, ["votes", *map(str, arguments)], env={"COLUMNS": "200"})


def test_commands_sign_and_verify(filled, votes_url, lines, path, tmp_path):
    where = ["--votes-url", votes_url, "--home", tmp_path / "home"]
    missing = run("checkpoint", *where)
    assert "there is no signing key" in str(missing.exception)
    signed = run("checkpoint", *where, "--new-key")
    assert signed.exit_code == 0, signed.output
    held = tmp_path / "held"
    held.write_text(signed.stdout)
    public = json.loads(signed.stdout)["public_key"]
    assert public in signed.stderr
    whole = run("verify", *where, "--public-key", public, "--checkpoint", held)
    assert whole.exit_code == 0, whole.output
    assert f"Signed up to entry 3 by {public}" in whole.stdout
    assert "3 entries (2 vote, 1 reasons)" in whole.stdout
    assert "kept elsewhere can tell" in run("verify", write(path, lines)).stdout
    os.truncate(path, path.stat().st_size // 2)
    broken = run("verify", path)
    assert broken.exit_code == 1
    assert broken.stderr.startswith("broken: ")
    assert broken.stderr.count("\n") == 1


def test_commands_count_what_is_in_the_store(filled, votes_url):
    shown = run("stats", "--votes-url", votes_url)
    assert shown.exit_code == 0, shown.output
    lines = {" ".join(line.split()) for line in shown.stdout.splitlines()}
    assert "votes 2 (1 a, 0 b, 1 tie, 0 both bad)" in lines
    assert "ariel 2 2 1 0 1 0" in lines
    assert "puck 2 2 0 1 1 0" in lines
    assert "default 2 2" in lines
    assert any(line.startswith("log 3 entries, head ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["verify", "--votes-url", "sqlite:///none/votes.sqlite3"], "there is no vote store"),
        (["verify", "x", "--votes-url", "sqlite:///x"], "name two logs"),
        (["verify", "x", "--public-key", "abc"], "64 hexadecimal digits"),
        (["verify", "x", "--checkpoint", os.devnull], "there is no checkpoint in"),
        (["verify", "no-such-file"], "cannot read no-such-file"),
        (["stats", "--votes-url", "sqlite:///none/votes.sqlite3"], "there is no vote store"),
    ],
)
def test_mistakes_are_one_line(arguments, what):
    found = run(*arguments)
    assert what in str(found.exception)
    assert "\n" not in str(found.exception)


def as_version_1(store: VoteStore) -> None:
    """The log as it was written before it said what was consented to."""
    with store._engine.begin() as connection:
        head = GENESIS
        for entry in connection.execute(select(LogEntry.__table__).order_by(LogEntry.seq)).all():
            body = {
                name: said
                for name, said in json.loads(entry.body).items()
                if name not in ("consent_sha256", "voter_groups_sha256")
            }
            old = canonical({**body, "version": 1})
            head = link(head, old)
            changed = update(LogEntry.__table__).where(LogEntry.seq == entry.seq)
            connection.execute(changed.values(body=old, hash=head))
        connection.execute(update(LogHead.__table__).values(hash=head))


def test_a_log_from_before_it_said_consent_and_groups_is_verified_and_goes_on(
    store: VoteStore, path: Path, tmp_path: Path
) -> None:
    agreed = {"consent_sha256": bytes(range(32)), "groups": ("staff", "night")}
    ticket, _ = voted(store, **agreed)
    store.give_reasons(ticket, ["style"])
    as_version_1(store)
    voted(store, **agreed)
    give(store._engine, path, "jsonl", identities="kept")
    first, reasons, second = (json.loads(line) for line in path.read_text().splitlines()[1:4])
    assert [json.loads(each["body"])["version"] for each in (first, reasons, second)] == [1, 1, 2]
    said = json.loads(second["body"])
    assert said["consent_sha256"] == bytes(range(32)).hex()
    assert "staff" not in second["body"]
    assert second["groups"] == ["night", "staff"]
    assert verify(store._engine).entries == verify_file(path).entries == 3

    with other_store(tmp_path / "other.sqlite") as other:
        imported, refused = take(other, path)
        assert (refused, imported.taken) == ([], 3)
        assert verify(other).entries == 3
        rows = select(Battle.consent_sha256, Battle.voter_groups).order_by(Battle.created_at)
        with other.connect() as connection:
            found = [tuple(row) for row in connection.execute(rows)]
    # The groups stand beside an entry; what the first consented to its body does not say.
    assert found[0] == (None, ["night", "staff"])
    assert found[1] == (bytes(range(32)), ["night", "staff"])


def test_groups_are_shown_with_the_voter_only_and_must_be_those_of_the_log(
    store: VoteStore, path: Path, tmp_path: Path
) -> None:
    voted(store, groups=("staff",))
    for identities in ("hashed", "stripped"):
        give(store._engine, path, "jsonl", identities=identities)
        assert ("staff" in path.read_text()) == (identities == "hashed")
    give(store._engine, path, "jsonl", identities="kept")
    path.write_text(path.read_text().replace('"staff"', '"guest"'))
    with other_store(tmp_path / "other.sqlite") as other:
        _, refused = take(other, path)
    assert "groups are not those" in refused[0].detail
