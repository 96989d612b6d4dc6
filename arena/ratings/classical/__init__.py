"""The estimates that published boards use, to stand beside the Bayesian ones."""

from __future__ import annotations

from rostra.arena.ratings.classical.agreement import (
    Agreement,
    agreement,
    krippendorff_alpha,
    majority,
)
from rostra.arena.ratings.classical.bootstrap import Bootstrap, bootstrap
from rostra.arena.ratings.classical.comparison import Comparison, ComparisonRow, beside
from rostra.arena.ratings.classical.compression import Compression, compression
from rostra.arena.ratings.classical.elo import Elo, EloSettings, elo
from rostra.arena.ratings.classical.estimates import MaximumLikelihood
from rostra.arena.ratings.classical.matched import Matched, matched
from rostra.arena.ratings.classical.maximum_likelihood import maximum_likelihood
from rostra.arena.ratings.classical.newman import Newman, newman
from rostra.arena.ratings.classical.powered import PoweredSettings, PredictionPowered
from rostra.arena.ratings.classical.prediction_powered import prediction_powered
from rostra.arena.ratings.classical.ranks import rank_by_bounds, rank_spread
from rostra.arena.ratings.classical.rows import LikelihoodSettings
from rostra.arena.ratings.classical.spectral import eigenvector, pagerank
from rostra.arena.ratings.classical.weighting import EqualPairs, PairMix
from rostra.arena.ratings.classical.win_rate import average_win_rate, counting

__all__ = [
    "Agreement",
    "Bootstrap",
    "Comparison",
    "ComparisonRow",
    "Compression",
    "Elo",
    "EloSettings",
    "EqualPairs",
    "LikelihoodSettings",
    "Matched",
    "MaximumLikelihood",
    "Newman",
    "PairMix",
    "PoweredSettings",
    "PredictionPowered",
    "agreement",
    "average_win_rate",
    "beside",
    "bootstrap",
    "compression",
    "counting",
    "eigenvector",
    "elo",
    "krippendorff_alpha",
    "majority",
    "matched",
    "maximum_likelihood",
    "newman",
    "pagerank",
    "prediction_powered",
    "rank_by_bounds",
    "rank_spread",
]
