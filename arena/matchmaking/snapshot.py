"""The newest published ratings, as beliefs.

Reads the file of the posterior by itself, since what else reads it imports ArviZ, which takes the
arena's process a second.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np

from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking.beliefs import Beliefs
from rostra.arena.ratings.description import check_format
from rostra.arena.ratings.spec import ModelSpec, Priors
from rostra.arena.ratings.storage import NETCDF, latest


@dataclass(frozen=True)
class Snapshot:
    """A saved posterior, without its draws."""

    folder: Path
    beliefs: Beliefs
    since: datetime | None
    """Votes cast then or later are not in it; None where it does not tell."""


def newest(directory: Path, before: Snapshot | None = None) -> Snapshot | None:
    """The ratings published last in `directory`, `before` when that is still them.

    None when there are none. Raises ArenaError when they cannot be read.
    """
    folder = latest(directory)
    if folder is None or (before is not None and before.folder == folder):
        return None if folder is None else before
    path = folder / NETCDF
    try:
        with h5netcdf.File(path, "r") as file:
            return _read(folder, file["posterior"])
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ArenaError(f"cannot read {path}: {error}") from error


def _read(folder: Path, group: Any) -> Snapshot:
    told = json.loads(group.attrs["rostra"])
    check_format(told["format"], folder)

    def values(name: str) -> Any:
        return np.asarray(group.variables[name][...], dtype=float)

    names = [
        name.decode() if isinstance(name, bytes) else str(name)
        for name in group.variables["contestant"][...]
    ]
    strengths = values("strength").reshape(-1, len(names))
    single = {
        name: float(values(name).mean())
        for name in ("side", "tie", "scale")
        if name in group.variables
    }
    spec = told["spec"]
    beliefs = Beliefs(
        tuple(names),
        strengths.mean(axis=0),
        np.atleast_2d(np.cov(strengths, rowvar=False)),
        side=single.get("side", 0.0),
        tie=single.get("tie", 0.0),
        spec=ModelSpec(ties=spec["ties"], both_bad=spec["both_bad"]),
        scale=single.get("scale", Priors.scale_median),
    )
    last = told["provenance"]["last_vote"]
    # The store's times are in whole microseconds.
    since = None if last is None else datetime.fromisoformat(last) + timedelta(microseconds=1)
    return Snapshot(folder, beliefs, since)
