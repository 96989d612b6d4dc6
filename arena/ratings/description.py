"""All of a posterior that is not an array, as JSON: what both of its files carry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec, Priors

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

FORMAT = 4
"""Raised when an older reader would misread."""


def description(posterior: Posterior) -> dict[str, Any]:
    """Equal for two fits of the same votes and seed: `created` is no part of it."""
    return {
        "format": FORMAT,
        "data_hash": posterior.data_hash,
        "factors": list(posterior.board.factors),
        "covariates": list(posterior.board.covariates),
        "spec": asdict(posterior.spec),
        "settings": asdict(posterior.settings),
        "provenance": asdict(posterior.provenance),
        "diagnostics": asdict(posterior.diagnostics),
        "versions": dict(sorted(posterior.versions.items())),
    }


def check_format(found: int, path: Path) -> None:
    """Raises RatingsError when what is in `path` was written in another format than `FORMAT`."""
    if found == FORMAT:
        return
    made, remedy = (
        ("an older", "run `rostra rate` again") if found < FORMAT else ("a newer", "upgrade")
    )
    raise RatingsError(
        f"{path} was made by {made} version of Rostra (format {found}, this one reads {FORMAT}): "
        f"{remedy}"
    )


def parts(told: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Posterior` that `description` told."""
    spec, settings, provenance = told["spec"], told["settings"], told["provenance"]
    diagnostics = told["diagnostics"]
    return {
        "spec": ModelSpec(
            **{
                **spec,
                **_tuples(spec, "style", "tie_style"),
                # Not in results of before there were judges.
                "judge_style": tuple(spec.get("judge_style", ())),
                "priors": Priors(**spec["priors"]),
            }
        ),
        "settings": FitSettings(**{**settings, "anchor": Anchor(**settings["anchor"])}),
        "provenance": Provenance(
            **{**provenance, "left_out": tuple(map(tuple, provenance["left_out"]))}
        ),
        "diagnostics": Diagnostics(**{**diagnostics, **_tuples(diagnostics, "findings", "notes")}),
        "versions": told["versions"],
    }


def _tuples(told: dict[str, Any], *names: str) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(told[name]) for name in names}
