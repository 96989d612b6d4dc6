"""Which claims of an order the votes carry: one probe for each way in which they might not.

How often each speaks up, on boards where nothing is wrong and on boards with a planted defect, is
measured by `benchmarks/audit_rates.py`, which saves it in `benchmarks/results`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import msgspec

from rostra.arena.ratings.audit import (
    clustering,
    connectivity,
    coverage,
    drift,
    drop_votes,
    intransitivity,
    judge_bias,
    rank_volatility,
    separation,
    side_bias,
    side_reordering,
    tie_convention,
    voter_influence,
)
from rostra.arena.ratings.audit.evidence import QUICK_REPLICATIONS, Evidence
from rostra.arena.ratings.audit.finding import Finding, Verdict
from rostra.arena.ratings.errors import RatingsError

__all__ = ["FILE", "PROBES", "Evidence", "Finding", "Verdict", "load", "run", "save", "sentences"]

FILE = "audit.json"
"""In the folder of a result: a list of findings, each an object of the fields of `Finding`."""

PROBES: tuple[ModuleType, ...] = (
    separation,
    rank_volatility,
    connectivity,
    coverage,
    side_bias,
    side_reordering,
    tie_convention,
    intransitivity,
    clustering,
    voter_influence,
    drop_votes,
    drift,
    judge_bias,
)
"""Modules with a `probe(evidence) -> Finding`, in the order in which they are told."""

TITLES = {
    "separation": "separation of neighbours",
    "rank_volatility": "width of the ranks",
    "connectivity": "connectivity",
    "coverage": "coverage",
    "side_bias": "side effect",
    "side_reordering": "order without side effect",
    "tie_convention": "convention for ties",
    "intransitivity": "circular preferences",
    "clustering": "votes that go together by voter",
    "voter_influence": "influence of one voter",
    "drop_votes": "votes the first rank hangs on",
    "drift": "change over time",
    "judge_bias": "bias of judges",
}


def run(evidence: Evidence, quick: bool = False) -> tuple[Finding, ...]:
    """The findings of all probes, in the order of `PROBES`.

    `quick`: a quarter of the resamples and replications, for a second at 50 contestants.
    """
    if quick:
        evidence = replace(evidence, replications=QUICK_REPLICATIONS)
    return tuple(module.probe(evidence) for module in PROBES)


def sentences(findings: Iterable[Finding]) -> tuple[str, ...]:
    """For a leaderboard: what is separated, then what speaks against the order, worst first, then
    what could not be told, in one sentence."""
    found = list(findings)
    told = [f.sentence for f in found if f.name == "separation"]
    for verdict in ("fail", "warning"):
        told += [f.sentence for f in found if f.verdict == verdict and f.name != "separation"]
    silent = [
        TITLES[f.name] for f in found if f.verdict == "cannot tell" and f.name != "separation"
    ]
    if silent:
        told.append(f"What these votes cannot tell: {', '.join(silent)}.")
    return tuple(told)


def save(findings: Iterable[Finding], folder: Path) -> Path:
    """Writes `FILE` into the folder of a result, in one step; returns its path."""
    path = folder / FILE
    unfinished = folder / f".{FILE}"
    try:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(list(findings))) + b"\n")
        unfinished.replace(path)
    except OSError as error:
        raise RatingsError(f"cannot write {path}: {error}") from error
    return path


def load(folder: Path) -> tuple[Finding, ...] | None:
    """What `save` wrote into the folder of a result; None when it was not audited."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Finding, ...])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise RatingsError(f"cannot read {path}: {error}; run `rostra audit` again") from error
