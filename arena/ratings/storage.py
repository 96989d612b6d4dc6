"""Posteriors on disk.

    <directory>/latest                      text: the name of the folder written last
    <directory>/20261122T101500Z-1a2b3c4d/  time of the fit, UTC, and a random suffix
        posterior.nc    everything, as ArviZ InferenceData in NetCDF 4; what `load` reads
        summary.json    table, P(row beats column), parameters, diagnostics, settings, versions
        ratings.csv     the table

A folder is written under a name that begins with a dot, and gets its own when it is whole; then
`latest` is replaced in one step. So a reader sees the old result or the new one, whole.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import arviz as az
import numpy as np

from rostra.arena.ratings.board import OUTCOMES, Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import DIMS, Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec, Priors

LATEST = "latest"
NETCDF = "posterior.nc"
SUMMARY = "summary.json"
TABLE = "ratings.csv"
FORMAT = 2
"""Raised when an older reader would misread."""


def save(posterior: Posterior, directory: Path) -> Path:
    """Writes a new folder in `directory`, makes it the latest, and returns it.

    Raises RatingsError when the directory cannot be written.
    """
    name = f"{posterior.created:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    unfinished = directory / f".{name}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _removed_on_error(unfinished):
            unfinished.mkdir()
            to_inference_data(posterior).to_netcdf(str(unfinished / NETCDF), engine="h5netcdf")
            _write_summary(posterior, unfinished / SUMMARY)
            _write_table(posterior, unfinished / TABLE)
            for path in unfinished.iterdir():
                _flush(path)
            unfinished.rename(directory / name)
        pointer = directory / f".{LATEST}-{uuid4().hex[:8]}"
        pointer.write_text(name + "\n", encoding="utf-8")
        _flush(pointer)
        pointer.replace(directory / LATEST)
    except OSError as error:
        raise RatingsError(f"cannot write ratings to {directory}: {error}") from error
    return directory / name


def latest(directory: Path) -> Path | None:
    """The folder saved last in `directory`; None when there is none yet."""
    try:
        name = (directory / LATEST).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RatingsError(f"cannot read {directory / LATEST}: {error}") from error
    return directory / name


def load(folder: Path) -> Posterior:
    """The posterior in `folder`, a folder that `save` returned.

    Raises RatingsError when it does not hold one that can be read.
    """
    path = folder / NETCDF
    if not path.is_file():
        raise RatingsError(f"no ratings in {folder}: {NETCDF} is missing; run `rostra rate`")
    try:
        data = az.from_netcdf(str(path), engine="h5netcdf")
        return from_inference_data(data)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RatingsError(
            f"cannot read {path}: {error}; move the folder away and run `rostra rate`"
        ) from error


def to_inference_data(posterior: Posterior) -> az.InferenceData:
    """Groups `posterior` (natural log odds; `rating` in Elo), `observed_data`, `constant_data`."""
    counts = posterior.board
    data = az.from_dict(
        posterior={**posterior.draws, "rating": posterior.ratings},
        observed_data={"votes": counts.table},
        constant_data={"left": counts.left, "right": counts.right},
        coords={"contestant": list(counts.contestants), "outcome": list(OUTCOMES)},
        dims={
            "strength": ["contestant"],
            "rating": ["contestant"],
            "votes": ["pair", "outcome"],
            "left": ["pair"],
            "right": ["pair"],
        },
    )
    data.posterior.attrs["rostra"] = json.dumps(_description(posterior))
    return data


def from_inference_data(data: az.InferenceData) -> Posterior:
    """What `to_inference_data` was given."""
    draws = data["posterior"]
    description = json.loads(draws.attrs["rostra"])
    if description["format"] != FORMAT:
        raise ValueError(f"it is in format {description['format']}, this version reads {FORMAT}")
    votes = data["observed_data"]["votes"]
    pairs = data["constant_data"]
    settings = description["settings"]
    return Posterior(
        draws={name: draws[name].values for name in draws if name in DIMS},
        board=Board(
            contestants=tuple(str(name) for name in draws["contestant"].values),
            left=pairs["left"].values,
            right=pairs["right"].values,
            table=votes.sel(outcome=list(OUTCOMES)).values,
        ),
        settings=FitSettings(**{**settings, "anchor": Anchor(**settings["anchor"])}),
        diagnostics=Diagnostics(
            **{
                **description["diagnostics"],
                "findings": tuple(description["diagnostics"]["findings"]),
                "notes": tuple(description["diagnostics"]["notes"]),
            }
        ),
        spec=_spec(description["spec"]),
        provenance=_provenance(description["provenance"]),
        versions=description["versions"],
        created=datetime.fromisoformat(description["created"]),
    )


def _spec(saved: dict[str, Any]) -> ModelSpec:
    names = {name: tuple(saved[name]) for name in ("style", "tie_style")}
    return ModelSpec(**{**saved, **names, "priors": Priors(**saved["priors"])})


def _provenance(saved: dict[str, Any]) -> Provenance:
    left_out = tuple((str(why), int(rows)) for why, rows in saved["left_out"])
    return Provenance(**{**saved, "left_out": left_out})


def _description(posterior: Posterior) -> dict[str, Any]:
    """All that is not an array."""
    return {
        "format": FORMAT,
        "created": posterior.created.isoformat(),
        "data_hash": posterior.data_hash,
        "spec": asdict(posterior.spec),
        "settings": asdict(posterior.settings),
        "provenance": asdict(posterior.provenance),
        "diagnostics": asdict(posterior.diagnostics),
        "versions": dict(posterior.versions),
    }


def _write_summary(posterior: Posterior, path: Path) -> None:
    counts = posterior.board
    parameters = {
        name: {
            "mean": float(draws.mean()),
            "sd": float(draws.std(ddof=1)),
            "eti_94": np.quantile(draws, [0.03, 0.97]).tolist(),
        }
        for name, draws in posterior.draws.items()
        if not DIMS[name]
    }
    summary = {
        **_description(posterior),
        "summary": posterior.summary,
        "ok": posterior.diagnostics.ok,
        "anchor": str(posterior.settings.anchor),
        "votes": {
            "total": counts.num_votes,
            **dict(zip(OUTCOMES, counts.table.sum(axis=0).tolist(), strict=True)),
        },
        "parameters": parameters,
        "ratings": [asdict(row) for row in posterior.table()],
        "prob_beats": {
            "contestants": list(posterior.contestants),
            "row_beats_column": posterior.prob_beats().tolist(),
        },
    }
    path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_table(posterior: Posterior, path: Path) -> None:
    rows = []
    for row in posterior.table():
        values = asdict(row)
        for name in ("eti_50", "eti_94"):
            values[f"{name}_low"], values[f"{name}_high"] = values.pop(name)
        rows.append(values)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _flush(path: Path) -> None:
    """To the disk, so that a name never outlives a crash that its content did not."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _removed_on_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
