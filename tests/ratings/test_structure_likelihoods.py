"""The structured models against the same likelihoods in NumPy, at points drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from pytensor.configdefaults import config
from scipy.special import logsumexp
from structured_votes import centred, simulate_votes

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models.values import elapsed
from rostra.arena.ratings.outcomes import log_outcome_probabilities
from rostra.arena.ratings.spec import ModelSpec, Structure

WEEKS = ("2026-09-07", "2026-09-14", "2026-09-28", "2026-10-05")
TIES = ("davidson", "rao-kupper")


def votes(factor: str, levels: tuple[str, ...]) -> Board:
    rng = np.random.default_rng(3)
    strengths = centred(rng.normal(size=(len(levels), 4)))
    return simulate_votes(rng, strengths, rng.integers(0, len(levels), 120), factor, levels)


def at_random(model: pm.Model, names: tuple[str, ...]) -> tuple[dict[str, Any], float]:
    """Values of `names` at a random point, and the log-likelihood there."""
    rng = np.random.default_rng(4)
    with config.change_flags(mode="FAST_COMPILE"), model:
        observed = [*model.observed_RVs, *model.potentials]
        point = {
            name: rng.normal(size=np.shape(value)) for name, value in model.initial_point().items()
        }
        values = model.compile_fn(
            model.replace_rvs_by_values([model[name] for name in names]),
            inputs=model.value_vars,
            on_unused_input="ignore",
        )
        return dict(zip(names, values(point), strict=True)), float(
            model.compile_logp(vars=observed, jacobian=False)(point)
        )


def log_weights(at: dict[str, Any], board: Board, spec: ModelSpec, diff: Any) -> NDArray[Any]:
    return log_outcome_probabilities(spec.ties, diff + at["side"], at["tie"])


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize(
    ("structure", "factor", "levels"),
    [("categories", "category", ("code", "maths", "other")), ("drift", "week", WEEKS)],
)
def test_strengths_by_level(
    structure: Structure, factor: str, levels: tuple[str, ...], ties: Any
) -> None:
    board = votes(factor, levels)
    spec = ModelSpec(structure=structure, factor=factor, ties=ties, both_bad="out")
    own = "deviation" if structure == "categories" else "step"
    at, logp = at_random(
        models.build(board, spec),
        ("strength", "side", "tie", "level_scale", "level_strength", own),
    )
    if structure == "categories":
        expected = at["strength"] + at["level_scale"] * at["deviation"]
        assert_allclose(expected.mean(axis=0), at["strength"], atol=1e-12)
    else:
        # Weeks follow each other, but for one that nobody voted in.
        steps = at["level_scale"] * at["step"] * np.sqrt([1, 2, 1])[:, None]
        expected = at["strength"] - np.array([*(steps[t:].sum(axis=0) for t in range(3)), [0] * 4])
    assert_allclose(at["level_strength"], expected)
    assert_allclose(at["level_strength"].sum(axis=-1), 0, atol=1e-12)

    of_level = at["level_strength"][board.factors[factor].codes]
    rows = np.arange(len(board.left))
    difference = of_level[rows, board.left] - of_level[rows, board.right]
    assert_allclose(
        logp, (board.decided * log_weights(at, board, spec, difference)).sum(), rtol=1e-10
    )


@pytest.mark.parametrize("ties", TIES)
def test_kinds_of_voters(ties: Any) -> None:
    board = votes("voter", tuple("abcdefgh"))
    spec = ModelSpec(structure="voters", factor="voter", ties=ties, both_bad="out")
    model = models.build(board, spec)
    at, logp = at_random(model, ("strength", "side", "tie", "kind_share", "voter_kind"))
    difference = at["strength"][board.left] - at["strength"][board.right]
    weights = log_weights(at, board, spec, difference)
    total = board.decided.sum(axis=0) + 1
    by_kind = [
        (board.decided * weights).sum(axis=1),
        board.decided @ np.log(total / total.sum()),
        (board.decided * weights[:, ::-1]).sum(axis=1),
    ]
    voter = board.factors["voter"].codes
    of_voter = np.array([[cells[voter == v].sum() for cells in by_kind] for v in range(8)])
    joint = np.log(at["kind_share"]) + of_voter
    assert_allclose(logp, logsumexp(joint, axis=1).sum(), rtol=1e-10)
    assert_allclose(at["voter_kind"], np.exp(joint - logsumexp(joint, axis=1, keepdims=True)))


def test_time_between_periods() -> None:
    assert_allclose(elapsed(WEEKS), [1, 2, 1])
    assert_allclose(elapsed(("r1", "r2", "r9")), [1, 1])
