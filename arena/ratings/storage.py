"""Posteriors on disk.

    <directory>/latest                      text: the name of the folder written last
    <directory>/20261122T101500Z-1a2b3c4d/  time of the fit, UTC, and a random suffix
        posterior.nc    everything, as ArviZ InferenceData in NetCDF 4; what `load` reads
        summary.json    all that is derived from it: see `rostra.arena.ratings.document`
        ratings.csv     the table: one line to a contestant, the fields of `table.Row`
        levels.csv      likewise by category or week, the fields of `summary.levels.LevelRating`;
                        only of a model that has levels
        created.txt     time of the fit, ISO 8601

The same votes, seed and versions give the same files, byte for byte, but for the one that tells the
time.

A folder is written under a name that begins with a dot, and gets its own when it is whole; then
`latest` is replaced in one step. So a reader sees the old result or the new one, whole.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from rostra.arena.ratings.description import check_format
from rostra.arena.ratings.document import document
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.levels import LevelRating, level_ratings
from rostra.arena.ratings.table import Row

LATEST = "latest"
NETCDF = "posterior.nc"
SUMMARY = "summary.json"
TABLE = "ratings.csv"
LEVELS = "levels.csv"
CREATED = "created.txt"


def save(posterior: Posterior, directory: Path) -> Path:
    """Writes a new folder in `directory`, makes it the latest, and returns it.

    Raises RatingsError when the directory cannot be written, or for one level of a posterior.
    """
    # Here, so that who asks for the newest folder alone does not wait for the import.
    from rostra.arena.ratings.inference_data import to_inference_data

    if posterior.whole is not None:
        raise RatingsError(f"these are the ratings at {posterior.level!r}; save the whole of them")
    name = f"{posterior.created:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    unfinished = directory / f".{name}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _removed_on_error(unfinished):
            unfinished.mkdir()
            to_inference_data(posterior).to_netcdf(str(unfinished / NETCDF), engine="h5netcdf")
            (unfinished / SUMMARY).write_bytes(document(posterior))
            _write_table(posterior.rows, unfinished / TABLE)
            if levels := level_ratings(posterior):
                _write_table(levels, unfinished / LEVELS)
            told = f"{posterior.created.isoformat()}\n"
            (unfinished / CREATED).write_text(told, encoding="utf-8")
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


def created(folder: Path) -> datetime:
    """When the fit in `folder` was made. Raises RatingsError when that cannot be read."""
    path = folder / CREATED
    try:
        return datetime.fromisoformat(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise RatingsError(f"cannot read {path}: {error}; run `rostra rate` again") from error


def load(folder: Path) -> Posterior:
    """The posterior in `folder`, a folder that `save` returned.

    Raises RatingsError when it does not hold one that can be read, or was made by another version.
    """
    path = folder / NETCDF
    if not path.is_file():
        raise RatingsError(f"no ratings in {folder}: {NETCDF} is missing; run `rostra rate`")
    import arviz as az

    from rostra.arena.ratings.inference_data import format_of, from_inference_data

    try:
        data = az.from_netcdf(str(path), engine="h5netcdf")
        check_format(format_of(data), folder)
        return from_inference_data(data, created(folder))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RatingsError(
            f"cannot read {path}: {error}; move the folder away and run `rostra rate`"
        ) from error


def _write_table(rows: Sequence[Row] | Sequence[LevelRating], path: Path) -> None:
    lines = []
    for row in rows:
        values = asdict(row)
        for name in ("eti_50", "eti_94"):
            values[f"{name}_low"], values[f"{name}_high"] = values.pop(name)
        # The one column of sentences last.
        values["caution"] = values.pop("caution")
        lines.append(values)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


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
