from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from transfer_battles import given, store, take

from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.json_array import PIECE, objects
from rostra.arena.imports.report import FaultCounter
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.models import Battle, LogEntry
from rostra.arena.votes.reduction import VoteReader
from rostra.arena.votes.transfer.importing import PRESENT, campaign_of


def battle(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "question_id": f"{number:032x}",
        "model_a": "x",
        "model_b": "y",
        "winner": "model_a",
        "judge": "arena_user_1",
        "conversation_a": [
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "So."},
        ],
        "conversation_b": [
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": ""},
        ],
        "turn": 1,
        "anony": True,
        "tstamp": 1_700_000_000.5,
        **changed,
    }


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_every_row_that_is_not_taken_is_named_with_its_reason(tmp_path: Path) -> None:
    asked_other = [{"role": "user", "content": "How?"}]
    rows = [
        battle(0),
        battle(1, winner="model_c"),
        battle(2, model_b="x"),
        "no object",
        battle(4, conversation_b=asked_other),
        battle(5, tstamp="yesterday"),
        battle(0),
        battle(7, winner="both_bad"),
        battle(8, conversation_a=[{"role": "assistant", "content": "First!"}]),
    ]
    with store(tmp_path / "1.sqlite") as engine:
        imported, refused = take(engine, write(tmp_path / "b.json", rows))
        assert imported.taken == 2
        assert {row.row: row.reason for row in refused} == {
            2: "unknown outcome",
            3: "a contestant against itself",
            4: "not a JSON object",
            5: "the two sides were not asked the same",
            6: "unreadable time",
            7: "id of an earlier row",
            9: "a conversation that is not turns of user and assistant",
        }
        assert sum(count for _, count in imported.not_taken) == 7


def test_a_second_import_takes_nothing_and_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "b.json", [battle(number) for number in range(3)])
    with store(tmp_path / "1.sqlite") as engine:
        take(engine, path)
        head = verify(engine).head
        imported, refused = take(engine, path)
        assert (imported.taken, imported.present) == (0, 3)
        assert [row.reason for row in refused] == [PRESENT] * 3
        assert verify(engine).head == head


def test_rows_without_ids_are_the_same_when_imported_again(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("model_a,model_b,winner\nx,y,model_a\nx,y,model_a\n")
    with store(tmp_path / "1.sqlite") as engine:
        assert take(engine, path)[0].taken == 2
        assert take(engine, path)[0].present == 2
        assert take(engine, path, campaign="another")[0].taken == 2


def test_imported_battles_are_marked_and_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "clean battles 2024.json", [battle(1), battle(2, anony=False)])
    with store(tmp_path / "1.sqlite") as engine:
        take(engine, path)
        with engine.connect() as connection:
            assert set(connection.scalars(select(LogEntry.kind))) == {"import"}
            assert set(connection.scalars(select(Battle.campaign))) == {"clean-battles-2024"}
    url = f"sqlite:///{tmp_path / '1.sqlite'}"
    rated, provenance = VoteReader(url).reduce(Wanted())
    assert rated.num_votes == 1
    assert provenance.left_out == (("named pair, not blind", 1),)
    assert VoteReader(url, ["clean-battles-2024"]).reduce(Wanted())[0].num_votes == 1
    for reader in (VoteReader(url, imported=False), VoteReader(url, ["default"])):
        with pytest.raises(RatingsError, match=r"imported, not cast here|of another campaign"):
            reader.reduce(Wanted())


def test_addresses_of_a_raw_log_are_not_kept(tmp_path: Path) -> None:
    state = {
        "roles": ["USER", "ASSISTANT"],
        "messages": [["USER", "Why?"], ["ASSISTANT", "So."]],
        "offset": 0,
    }
    lines = [
        {
            "tstamp": 1_700_000_000 + number,
            "type": "leftvote",
            "models": ["", ""],
            "states": [
                {**state, "conv_id": f"{number:032x}", "model_name": "x"},
                {**state, "conv_id": f"{number + 9:032x}", "model_name": "y"},
            ],
            "ip": f"192.0.2.{number % 2}",
        }
        for number in range(4)
    ]
    path = tmp_path / "2026-11-23-conv.json"
    others = [{"type": "chat", "model": "x"}, {"type": "nonsense"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines, *others)))
    with store(tmp_path / "1.sqlite") as engine:
        imported, refused = take(engine, path)
        with engine.connect() as connection:
            voters = list(connection.scalars(select(Battle.voter)))
    assert imported.taken == 4
    assert [row.row for row in refused] == [5, 6]
    assert len(set(voters)) == 2
    assert "192.0.2" not in (tmp_path / "1.sqlite").read_bytes().decode("latin-1")


def test_an_array_is_read_a_piece_at_a_time(tmp_path: Path) -> None:
    long = "ü" * PIECE
    path = tmp_path / "long.json"
    elements = [{"n": 1, "t": long}, 12, {"n": 2, "t": "]},{"}, {"n": 3, "t": long}]
    path.write_text(json.dumps(elements, indent=2, ensure_ascii=False), encoding="utf-8")
    counter = FaultCounter()
    assert [(row, found["n"]) for row, found in objects(path, counter)] == [(1, 1), (3, 2), (4, 3)]
    assert [fault.reason for fault in counter.faults()] == ["not a JSON object"]


@pytest.mark.parametrize("cut", ['[{"a": 1}, {"a"', '[{"a": 1} {"a": 2}]', '[{"a": 1}'])
def test_a_broken_array_is_one_clear_line(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "cut.json"
    path.write_text(cut)
    with pytest.raises(ImportFileError, match="after its element 1: is it cut off") as caught:
        list(objects(path, FaultCounter()))
    assert "\n" not in str(caught.value)


def test_half_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    path.write_text('[{"a": "\\ud83d"}, {"a": "\\ud83d\\ude00"}]')
    assert [row for row, _ in objects(path, FaultCounter())] == [2]


def test_what_is_imported_is_one_transaction_a_batch(tmp_path: Path, monkeypatch) -> None:
    """Where a file breaks, what was before stays, and a second import goes on after it."""
    monkeypatch.setattr("rostra.arena.votes.transfer.importing.BATCH", 2)
    whole = json.dumps([battle(number) for number in range(5)])
    path = tmp_path / "b.json"
    path.write_text(whole[:-40])
    with store(tmp_path / "1.sqlite") as engine:
        monkeypatch.setattr("rostra.arena.votes.transfer.from_lmsys.CHUNK", 2)
        with pytest.raises(ImportFileError, match="cut off"):
            take(engine, path)
        path.write_text(whole)
        imported, _ = take(engine, path)
        assert (imported.taken, imported.present) == (1, 4)
        with engine.connect() as connection:
            assert connection.scalar(select(func.count()).select_from(Battle)) == 5
        assert len(given(engine)) == 5


@pytest.mark.parametrize(
    ("name", "campaign"),
    [("clean_battle_20240814.json", "clean_battle_20240814"), ("é .csv", "import")],
)
def test_a_campaign_is_named_after_the_file(name: str, campaign: str) -> None:
    assert campaign_of(Path(name)) == campaign
