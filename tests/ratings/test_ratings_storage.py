from __future__ import annotations

import csv
import dataclasses
import json
import threading
from pathlib import Path

import arviz as az
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from ratings_boards import made_up_posterior

from rostra.arena.ratings import storage
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import Anchor, FitSettings

MEANS = np.array([0.8, -0.3, 0.1])


@pytest.fixture
def posterior() -> Posterior:
    return made_up_posterior(
        MEANS,
        settings=FitSettings(seed=9, anchor=Anchor(1200, "c01")),
        findings=("A finding.",),
    )


def test_a_saved_posterior_comes_back_whole(posterior: Posterior, tmp_path: Path) -> None:
    loaded = Posterior.load(posterior.save(tmp_path))
    for name in ("strengths", "side", "tie", "ratings"):
        assert_array_equal(getattr(loaded, name), getattr(posterior, name))
    for name in (
        "spec",
        "settings",
        "provenance",
        "diagnostics",
        "versions",
        "created",
        "data_hash",
        "summary",
    ):
        assert getattr(loaded, name) == getattr(posterior, name)
    assert_array_equal(loaded.board.table, posterior.board.table)
    assert loaded.table() == posterior.table()


def test_the_netcdf_file_serves_arviz(posterior: Posterior, tmp_path: Path) -> None:
    data = az.from_netcdf(str(posterior.save(tmp_path) / "posterior.nc"))
    assert_array_equal(data.posterior["rating"].sel(contestant="c02"), posterior.ratings[..., 2])


def test_summary_and_table_hold_the_same_numbers(posterior: Posterior, tmp_path: Path) -> None:
    folder = posterior.save(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "ratings.csv").open() as file:
        table = list(csv.DictReader(file))
    rows = posterior.table()
    assert [row["contestant"] for row in table] == [row.contestant for row in rows]
    for row, told, line in zip(rows, summary["ratings"], table, strict=True):
        assert told == json.loads(json.dumps(dataclasses.asdict(row)))
        assert float(line["rating"]) == row.rating
        assert (float(line["eti_94_low"]), float(line["eti_94_high"])) == row.eti_94
    assert summary["anchor"] == "c01 = 1200"
    assert summary["ok"] is False
    assert summary["data_hash"] == posterior.data_hash
    assert summary["votes"]["total"] == posterior.board.num_votes
    assert summary["prob_beats"]["row_beats_column"] == posterior.prob_beats().tolist()


def test_latest_is_the_last_one_saved(posterior: Posterior, tmp_path: Path) -> None:
    assert Posterior.latest(tmp_path / "not yet") is None
    first = posterior.save(tmp_path / "ratings")
    second = dataclasses.replace(posterior, settings=FitSettings(seed=10)).save(
        tmp_path / "ratings"
    )
    assert first != second
    assert storage.latest(tmp_path / "ratings") == second
    found = Posterior.latest(tmp_path / "ratings")
    assert found is not None
    assert found.settings.seed == 10
    assert Posterior.load(first).settings.seed == 9


def test_readers_beside_a_writer_see_whole_results(posterior: Posterior, tmp_path: Path) -> None:
    posterior.save(tmp_path)
    stop = threading.Event()
    failures: list[BaseException] = []
    seen: set[str] = set()

    def read() -> None:
        while not stop.is_set():
            try:
                folder = storage.latest(tmp_path)
                assert folder is not None
                seen.add(folder.name)
                names = {path.name for path in folder.iterdir()}
                assert names == {"posterior.nc", "summary.json", "ratings.csv"}
                json.loads((folder / "summary.json").read_text())
            except BaseException as error:  # told below, in the main thread
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    saved = {posterior.save(tmp_path).name for _ in range(8)}
    stop.set()
    reader.join()
    assert not failures
    assert seen
    assert {path.name for path in tmp_path.iterdir()} >= saved
    # Nothing unfinished is left behind.
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_failed_save_leaves_the_old_result(
    posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = posterior.save(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_write_table", full)
    with pytest.raises(RatingsError, match="No space left on device"):
        posterior.save(tmp_path)
    assert storage.latest(tmp_path) == folder
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([folder.name, "latest"])


def test_a_folder_without_ratings_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match=r"posterior\.nc is missing; run `rostra rate`"):
        Posterior.load(tmp_path)
    (tmp_path / "latest").write_text("gone\n")
    with pytest.raises(RatingsError, match="gone"):
        Posterior.latest(tmp_path)


def test_a_damaged_file_is_one_clear_line(posterior: Posterior, tmp_path: Path) -> None:
    folder = posterior.save(tmp_path)
    path = folder / "posterior.nc"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RatingsError, match=r"cannot read .*posterior\.nc"):
        Posterior.load(folder)


def test_a_newer_format_is_refused(
    posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "FORMAT", 3)
    folder = posterior.save(tmp_path)
    monkeypatch.undo()
    with pytest.raises(RatingsError, match="format 3, this version reads 2"):
        Posterior.load(folder)
