"""What a vote is expected to tell: of the right pairs, from the ratings and the votes since."""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from matchmaking_fields import FIELD, assert_as_told, board_of, drawn, no_votes
from scipy.stats import norm

from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import snapshot
from rostra.arena.matchmaking.beliefs import Beliefs
from rostra.arena.matchmaking.informative import Informative, order_gains, probabilities
from rostra.arena.matchmaking.variance import reductions
from rostra.arena.ratings import description
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

LAST = datetime(2026, 11, 20, 12, tzinfo=UTC)
MEANS = {"a": 1.5, "b": 0.05, "c": 0.0, "d": -1.55}
"""Only the order of `b` and `c` is in doubt; nobody has rated `e`."""


def posterior_of(means: dict[str, float], sd: float, last: datetime | None = LAST) -> Posterior:
    rng = np.random.default_rng(5)
    strength = np.array(list(means.values())) + sd * rng.normal(size=(2, 500, len(means)))
    strength -= strength.mean(axis=-1, keepdims=True)
    flat = np.ones((2, 500))
    return Posterior(
        draws={"strength": strength, "side": 0.2 * flat, "tie": -0.3 * flat, "scale": 0.8 * flat},
        board=board_of(means, 40, seed=1),
        spec=ModelSpec(both_bad="out"),
        settings=FitSettings(),
        diagnostics=Diagnostics(None, None, None, 0, (), 0.1, 900.0, ()),
        provenance=Provenance(last_vote=None if last is None else last.isoformat()),
        versions={},
        created=datetime(2026, 11, 23, tzinfo=UTC),
    )


def pairs(names: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(names, 1)


def test_a_snapshot_is_the_posterior_without_its_draws(tmp_path: Path) -> None:
    assert snapshot.newest(tmp_path) is None
    posterior = posterior_of(MEANS, 0.1)
    folder = posterior.save(tmp_path)
    found = snapshot.newest(tmp_path)
    assert found is not None
    beliefs = found.beliefs
    assert (found.folder, beliefs.names) == (folder, tuple(MEANS))
    assert found.since == LAST + timedelta(microseconds=1)
    assert beliefs.mean == pytest.approx(posterior.flat_strengths.mean(axis=0))
    assert beliefs.covariance == pytest.approx(np.cov(posterior.flat_strengths.T))
    assert (beliefs.side, beliefs.tie, beliefs.scale) == pytest.approx((0.2, -0.3, 0.8))
    assert (beliefs.spec.ties, beliefs.spec.both_bad) == ("davidson", "out")
    assert snapshot.newest(tmp_path, found) is found
    (folder / "posterior.nc").write_bytes(b"not this")
    with pytest.raises(ArenaError, match=r"cannot read .*posterior\.nc"):
        snapshot.newest(tmp_path)


def test_votes_move_beliefs_as_far_as_the_exact_posterior() -> None:
    board = Board.from_comparisons([("a", "b", "a")] * 12 + [("b", "a", "tie")] * 5, ["a", "b"])
    before = replace(
        Beliefs(("a", "b", "c"), np.array([0.1, -0.2, 0.1]), np.diag([0.4, 0.3, 0.2])),
        side=0.3,
        tie=-0.5,
    )
    found = before.after(board)
    # On a grid: only the difference of the two is voted on.
    grid = np.linspace(-8, 8, 20_001)
    log = norm.logpdf(grid, 0.3, np.sqrt(0.7))
    log += 12 * np.log(outcome_probabilities("davidson", grid + 0.3, -0.5)[:, 0])
    log += 5 * np.log(outcome_probabilities("davidson", -grid + 0.3, -0.5)[:, 1])
    weight = np.exp(log - log.max())
    mean = np.average(grid, weights=weight)
    variance = np.average((grid - mean) ** 2, weights=weight)
    moved = found.mean - before.mean
    # Laplace's approximation is at the mode, which is near the mean.
    assert found.mean[0] - found.mean[1] == pytest.approx(mean, abs=0.1)
    assert found.variances(np.array([0]), np.array([1]))[0] == pytest.approx(variance, rel=0.1)
    # Each moves by its share of the variance, and who did not play stays.
    assert moved[0] / -moved[1] == pytest.approx(0.4 / 0.3)
    assert moved[2] == 0
    assert found.covariance[2] == pytest.approx(before.covariance[2])


def test_the_information_of_a_vote_is_the_variance_of_its_score() -> None:
    known = Beliefs(("a", "b"), np.array([0.6, -0.1]), np.zeros((2, 2)), side=0.25, tie=-0.4)
    step, found = 1e-5, 0.0
    for eta in (0.7 + 0.25, 0.7 - 0.25):
        chances = outcome_probabilities("davidson", eta, -0.4)
        slope = (
            np.log(outcome_probabilities("davidson", eta + step, -0.4))
            - np.log(outcome_probabilities("davidson", eta - step, -0.4))
        ) / (2 * step)
        found += chances @ slope**2 / 2
    assert known.information(np.array([0]), np.array([1])) == pytest.approx([found], rel=1e-4)


def test_the_gain_is_the_entropy_of_the_order_that_a_vote_takes_away() -> None:
    """Against the mean over what the vote may say, of a vote that tells little."""
    rng = np.random.default_rng(3)
    root = rng.normal(size=(4, 4)) * 0.5
    beliefs = Beliefs(tuple("abcd"), rng.normal(size=4) * 0.4, root @ root.T)
    first, second = pairs(4)
    information = 1e-3

    def entropy(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        p = norm.cdf(mean / np.sqrt(variance))
        return -(p * np.log(p) + (1 - p) * np.log(1 - p))

    contrast = np.zeros((len(first), 4))
    contrast[np.arange(len(first)), first], contrast[np.arange(len(first)), second] = 1, -1
    shared = contrast @ beliefs.covariance @ contrast.T
    variance = np.diag(shared)
    nodes, weights = np.polynomial.hermite_e.hermegauss(31)
    expected = []
    for pair in range(len(first)):
        told = shared[pair] ** 2 * information / (1 + information * variance[pair])
        shifted = (contrast @ beliefs.mean)[:, None] + np.sqrt(told)[:, None] * nodes
        after = entropy(shifted, (variance - told)[:, None]) @ weights / weights.sum()
        expected.append((entropy(contrast @ beliefs.mean, variance) - after).sum())
    own = beliefs.information(first, second)
    found = order_gains(beliefs, first, second)
    assert found / own * (1 + own * variance) * information == pytest.approx(expected, rel=0.01)


def test_the_pair_in_doubt_is_drawn_most_and_every_pair_now_and_then(tmp_path: Path) -> None:
    posterior_of(MEANS, 0.1).save(tmp_path)
    policy = Informative(FIELD[:4], random.Random(1), tmp_path, no_votes, 0.1)
    _, told = drawn(policy, 3_000)
    assert max(told, key=told.__getitem__) == "bc"
    assert told["bc"] > 0.8
    assert min(told.values()) >= 0.1 / 6
    assert_as_told(policy, pairs=6)


def test_one_that_nobody_has_rated_is_drawn_most(tmp_path: Path) -> None:
    posterior_of(MEANS, 0.1).save(tmp_path)
    policy = Informative(FIELD, random.Random(1), tmp_path, no_votes, 0.1)
    counts, _ = drawn(policy, 2_000)
    with_e = sum(count for pair, count in counts.items() if "e" in pair)
    assert with_e > 0.8 * 2_000
    # One who has left the field is no obstacle.
    posterior_of({**MEANS, "gone": 0.0}, 0.1).save(tmp_path)
    assert_as_told(Informative(FIELD, random.Random(1), tmp_path, no_votes, 0.1), pairs=10)


def test_votes_since_the_ratings_count(tmp_path: Path) -> None:
    posterior_of(MEANS, 0.1).save(tmp_path)
    asked: list[datetime | None] = []
    new = Board.from_comparisons([("b", "c", "a"), ("c", "b", "b")] * 300, ["b", "c", "stranger"])

    def votes(since: datetime | None) -> Board:
        asked.append(since)
        return new

    _, told = drawn(Informative(FIELD[:4], random.Random(1), tmp_path, votes, 0.1), 3_000)
    assert asked == [LAST + timedelta(microseconds=1)]
    # The doubt is gone.
    assert told["bc"] < 0.5


def test_without_ratings_all_votes_count(tmp_path: Path) -> None:
    asked: list[datetime | None] = []

    def votes(since: datetime | None) -> Board:
        asked.append(since)
        return board_of({**MEANS, "e": 1.45}, 600, seed=2)

    _, told = drawn(Informative(FIELD, random.Random(1), tmp_path, votes, 0.1), 3_000)
    assert asked == [None]
    assert set(sorted(told, key=told.__getitem__)[-2:]) == {"ae", "bc"}


@pytest.mark.parametrize("what", ["pointer", "file", "format"])
def test_ratings_that_cannot_be_read_are_told_once_and_do_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = posterior_of(MEANS, 0.1).save(tmp_path)
    if what == "pointer":
        (tmp_path / "latest").write_text("nowhere")
    elif what == "file":
        (folder / "posterior.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    else:
        monkeypatch.setattr(description, "FORMAT", 999)
    with caplog.at_level(logging.WARNING):
        policy = Informative(FIELD, random.Random(1), tmp_path, no_votes, 0.1)
        policy._probabilities._renew()
    assert len(caplog.messages) == 1
    why = f"{folder} was made by an older version" if what == "format" else "cannot read"
    assert f"matchmaking goes without the newest ratings: {why}" in caplog.text
    assert_as_told(policy, pairs=10)


def test_a_store_that_cannot_be_read_leaves_every_pair_alike(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(since: datetime | None) -> Board:
        raise ArenaError("the disk is gone")

    policy = Informative(FIELD, random.Random(1), tmp_path, broken, 0.1)
    assert policy.draw().probability == pytest.approx(1 / 10)
    assert caplog.messages == ["matchmaking goes on as before: the disk is gone"]


def test_an_order_beyond_doubt_is_drawn_from_alike() -> None:
    certain = Beliefs(tuple("abc"), np.array([90.0, 0.0, -90.0]), 1e-6 * np.eye(3))
    gains = order_gains(certain, *pairs(3))
    assert np.isfinite(gains).all()
    assert probabilities(gains, 4.0, 0.1) == pytest.approx([1 / 3] * 3)


def test_the_published_rule_is_the_narrowing_of_an_interval() -> None:
    many = 1e6 * np.array([[0.5, 0.2, 0.3], [0.9, 0.0, 0.1]])
    variance = np.array([0.5 + 0.2 / 4 - 0.6**2, 0.9 - 0.9**2])
    expected = np.sqrt(variance / 1e6) - np.sqrt(variance / (1e6 + 1))
    assert reductions(many) == pytest.approx(expected, rel=1e-4)
    few = reductions(np.array([[0, 0, 0], [1, 0, 0], [9, 0, 9]], dtype=float))
    assert few[0] > few[1] > few[2] > 0
