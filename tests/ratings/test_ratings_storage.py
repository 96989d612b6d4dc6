from __future__ import annotations

import csv
import dataclasses
import json
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import arviz as az
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from ratings_boards import made_up_posterior, two_groups

from rostra.arena.ratings import description, document, storage
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec, Priors
from rostra.arena.ratings.summary.predictive import predictive

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
        assert list(line)[-1] == "caution"
        assert float(line["rating"]) == row.rating
        assert (float(line["eti_94_low"]), float(line["eti_94_high"])) == row.eti_94
    assert summary["anchor"] == "c01 = 1200"
    assert summary["ok"] is False
    assert summary["data_hash"] == posterior.data_hash
    assert summary["votes"]["total"] == posterior.board.num_votes
    assert summary["pairs"]["superiority"] == posterior.prob_beats().tolist()
    assert summary["ranks"]["distribution"] == posterior.ranks.distribution.tolist()
    assert summary["tiers"]["separated"] == posterior.tiers.separated.tolist()
    assert summary["predictive"]["checks"][0]["name"] == "left wins"
    assert [parameter["name"] for parameter in summary["parameters"]] == ["scale", "side", "tie"]


def by_category() -> Posterior:
    """With a factor, covariates, levels, styles, and everything else that is not the default."""
    plain = made_up_posterior(MEANS)
    board, shape = plain.board, plain.side.shape
    number = np.arange(len(board.left))
    rng = np.random.default_rng(4)
    return dataclasses.replace(
        plain,
        board=Board.of(
            board.contestants,
            board.left,
            board.right,
            board.table,
            # Not in alphabetic order, which a file might put them into.
            {
                "voter": Factor(("", "zoé", "ünal"), number % 3),
                "category": Factor(("code", "prose"), number % 2),
            },
            {"length": number / 7 - 0.4, "bold": -number / 3},
        ),
        draws={
            **plain.draws,
            "level_strength": rng.normal(size=(*shape, 2, 3)),
            "level_scale": rng.normal(size=shape) ** 2,
            "style": rng.normal(size=(*shape, 2)),
            "tie_style": rng.normal(size=(*shape, 1)),
            "bad": rng.normal(size=(*shape, 3)),
            "bad_mean": rng.normal(size=shape),
            "bad_scale": rng.normal(size=shape) ** 2,
        },
        spec=ModelSpec(
            ties="rao-kupper",
            style=("length", "bold"),
            tie_style=("length",),
            structure="categories",
            factor="category",
            priors=Priors(side_sd=0.25),
        ),
        diagnostics=dataclasses.replace(
            plain.diagnostics, max_rhat=None, pareto_k=0.3, importance_ess=900.0, notes=("A note.",)
        ),
        provenance=Provenance(
            "votes.csv",
            log_seq=12,
            log_head="ab12",
            rows_read=12,
            rows_used=10,
            left_out=(("not blind", 2),),
            first_vote="2026-01-02",
        ),
    )


def test_factors_covariates_and_levels_come_back(tmp_path: Path) -> None:
    posterior = by_category()
    loaded = Posterior.load(posterior.save(tmp_path))
    assert set(loaded.draws) == set(posterior.draws)
    for name, draws in posterior.draws.items():
        assert_array_equal(loaded.draws[name], draws)
    for name in ("spec", "provenance", "diagnostics", "levels", "data_hash", "summary"):
        assert getattr(loaded, name) == getattr(posterior, name)
    assert list(loaded.board.factors) == list(posterior.board.factors)
    for name, factor in posterior.board.factors.items():
        assert loaded.board.factors[name].levels == factor.levels
        assert_array_equal(loaded.board.factors[name].codes, factor.codes)
    for name, x in posterior.board.covariates.items():
        assert_array_equal(loaded.board.covariates[name], x)
    assert loaded.at("prose").rows == posterior.at("prose").rows


def test_a_model_of_voters_comes_back(tmp_path: Path) -> None:
    plain = by_category()
    kinds = np.random.default_rng(5).dirichlet([8, 1, 1], size=(*plain.side.shape, 3))
    names = ("strength", "scale", "side", "tie")
    posterior = dataclasses.replace(
        plain,
        draws={
            **{name: plain.draws[name] for name in names},
            "voter_kind": kinds,
            "kind_share": kinds.mean(axis=2),
        },
        spec=ModelSpec(structure="voters", factor="voter"),
    )
    loaded = Posterior.load(posterior.save(tmp_path))
    assert_array_equal(loaded.draws["voter_kind"], kinds)
    assert_array_equal(loaded.draws["kind_share"], kinds.mean(axis=2))


def test_levels_have_a_table_of_their_own(tmp_path: Path) -> None:
    posterior = by_category()
    folder = posterior.save(tmp_path)
    with (folder / "levels.csv").open() as file:
        table = list(csv.DictReader(file))
    told = json.loads((folder / "summary.json").read_text())["levels"]
    assert len(table) == len(told) == 6
    assert [line["level"] for line in table] == ["code"] * 3 + ["prose"] * 3
    for line, row in zip(table[3:], posterior.at("prose").rows, strict=True):
        assert line["contestant"] == row.contestant
        assert float(line["rating"]) == row.rating
        assert int(line["votes"]) == row.votes
    with pytest.raises(RatingsError, match="ratings at 'prose'; save the whole"):
        posterior.at("prose").save(tmp_path)


@pytest.mark.parametrize("make", [by_category, lambda: made_up_posterior(MEANS)])
def test_the_same_posterior_gives_the_same_files(
    make: Callable[[], Posterior], tmp_path: Path
) -> None:
    one = make()
    other = dataclasses.replace(make(), created=one.created + timedelta(hours=1))
    folders = one.save(tmp_path / "one"), other.save(tmp_path / "other")
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    times = [
        datetime.fromisoformat(files.pop("created.txt").decode().strip()) for files in contents
    ]
    assert times == [one.created, other.created]
    assert contents[0] == contents[1]
    assert {"posterior.nc", "summary.json", "ratings.csv"} <= set(contents[0])


def strict(text: str) -> object:
    """JSON without the NaN and Infinity that Python's reader lets pass."""

    def refuse(name: str) -> object:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    plain = made_up_posterior(np.array([0.5, 0.1, -0.2, -0.4]))
    posterior = dataclasses.replace(
        plain,
        board=two_groups(),
        diagnostics=dataclasses.replace(plain.diagnostics, max_rhat=None, min_ess_bulk=None),
    )
    told = strict((posterior.save(tmp_path) / "summary.json").read_text())
    assert isinstance(told, dict)
    assert told["diagnostics"]["max_rhat"] is None
    superiority = told["pairs"]["superiority"]
    assert superiority[0][2] is superiority[3][1] is None
    assert 0.5 < superiority[0][1] <= 1
    assert {row["group"] for row in told["ratings"]} == {1, 2}
    assert [row["direct"] for row in told["separations"]].count(None) >= 1


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    told = strict((by_category().save(tmp_path) / "summary.json").read_text())
    assert isinstance(told, dict)
    assert document.__doc__ is not None
    entries = re.findall(r"^    (\w[\w, ]*?)  ", document.__doc__, re.MULTILINE)
    documented = [name for entry in entries for name in entry.split(", ")]
    listed = document.__doc__.split("\n    format, ")[1].split("\n")[0].split(", ")
    assert set(told) == {*documented, "format", *listed}


def test_a_document_names_what_the_predictive_checks_find() -> None:
    posterior = made_up_posterior(MEANS)
    told = strict(document.document(posterior).decode())
    assert isinstance(told, dict)
    assert tuple(told["predictive"]["notes"]) == predictive(posterior).notes


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
                assert names == {"posterior.nc", "summary.json", "ratings.csv", "created.txt"}
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


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (3, r"made by an older version .* \(format 3, this one reads 4\): run `rostra rate` again"),
        (5, r"made by a newer version .* \(format 5, this one reads 4\): upgrade"),
    ],
)
def test_another_format_is_told_by_name(
    posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: int, line: str
) -> None:
    monkeypatch.setattr(description, "FORMAT", other)
    folder = posterior.save(tmp_path)
    monkeypatch.undo()
    # Which the format before this one had not.
    (folder / "created.txt").unlink()
    with pytest.raises(RatingsError, match=line) as refused:
        Posterior.load(folder)
    assert str(folder) in str(refused.value)
