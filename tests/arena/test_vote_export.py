from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from transfer_battles import give, given

from rostra.arena.votes.database import open_database
from rostra.arena.votes.log.verify_file import verify_file
from rostra.arena.votes.transfer.forms import TransferError, form_of
from rostra.arena.votes.transfer.output import output
from rostra.arena.votes.transfer.reading import Filter


@pytest.fixture
def voted(store, ended_battle, votes_url):
    """Three votes of two voters, one of them on an answer that names itself."""
    for voter, outcome, revealed in (
        ("192.0.2.1", "a", False),
        ("192.0.2.2", "both_bad", False),
        ("192.0.2.1", "tie", True),
    ):
        ticket = ended_battle(voter, revealed)
        store.vote(ticket, outcome)
    store.give_reasons(ticket, ["helpful"], "Because of the second line.")
    engine = open_database(votes_url)
    yield engine
    engine.dispose()


def test_pseudonyms_are_hashed_anew_for_each_export(voted) -> None:
    kept, first, second = (
        [each["judge"] for each in given(voted, identities=how)]
        for how in ("kept", "hashed", "hashed")
    )
    assert len({*kept}) == len({*first}) == 2
    assert not {*kept} & {name.removeprefix("arena_user_") for name in first}
    assert not {*first} & {*second}
    assert not any("judge" in each for each in given(voted, identities="stripped"))


@pytest.mark.parametrize("identities", ["kept", "hashed", "stripped"])
@pytest.mark.parametrize("texts", [True, False])
def test_the_log_verifies_whatever_is_left_out(
    voted, tmp_path: Path, identities: str, texts: bool
) -> None:
    path = tmp_path / "log.jsonl"
    exported = give(voted, path, "jsonl", identities=identities, texts=texts)
    assert (exported.written, exported.verifiable) == (3, True)
    assert verify_file(path).kinds == {"vote": 3, "reasons": 1, "import": 0}
    text = path.read_text()
    pseudonyms = {each["judge"] for each in given(voted)}
    assert any(name in text for name in pseudonyms) == (identities == "kept")
    assert ("Who are you?" in text) == texts
    assert ("Because of the second line." in text) == texts


def test_votes_that_were_not_blind_stay_in_the_log_alone(voted) -> None:
    assert len(given(voted)) == 2
    assert [each["winner"] for each in given(voted)] == ["model_a", "tie (bothbad)"]
    newer = given(voted, both_bad="both_bad")
    assert [each["winner"] for each in newer] == ["model_a", "both_bad"]
    assert sum(pair["both_bad"] for pair in given(voted, "pairs")) == 1


def test_no_texts_means_no_texts(voted, tmp_path: Path) -> None:
    for form in ("lmsys-battles", "lmsys-log", "parquet"):
        give(voted, tmp_path / form, form, texts=False)
        assert b"Who are you?" not in (tmp_path / form).read_bytes()
    assert "conversation_a" not in given(voted, texts=False)[0]


def test_a_part_says_that_it_is_one(voted, tmp_path: Path) -> None:
    later = Filter(since=datetime.now(UTC) + timedelta(days=1))
    assert given(voted, wanted=later) == []
    assert given(voted, wanted=Filter(("another",))) == []
    exported = give(voted, tmp_path / "p.jsonl", "jsonl", wanted=Filter(("default",)))
    assert (exported.written, exported.verifiable) == (3, False)
    header = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    assert header["part"] == {"campaigns": ["default"], "since": None, "until": None}


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"

    def broken() -> None:
        with output(str(path)) as file:
            file.write(b"half")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        broken()
    assert list(tmp_path.iterdir()) == []
    with output(str(path)) as file:
        file.write(b"first")
    with pytest.raises(TransferError, match="--force"), output(str(path)):
        pass
    with output(str(path), force=True) as file:
        file.write(b"second")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o077 == 0


def test_the_form_is_known_by_the_ending() -> None:
    names = ["a.jsonl", "a.parquet", "a.json", "2026-11-23-conv.json", "a.csv"]
    forms = ["jsonl", "parquet", "lmsys-battles", "lmsys-log", "csv"]
    assert [form_of(name) for name in names] == forms
    with pytest.raises(TransferError, match="--form"):
        form_of("-")
