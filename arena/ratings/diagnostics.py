"""Whether a posterior can be relied on, in numbers and in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.counting import counted
from rostra.arena.ratings.limits import limits
from rostra.arena.ratings.spec import ModelSpec

if TYPE_CHECKING:
    from rostra.arena.ratings.engines.draws import Draws

MAX_RHAT = 1.01
"""Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021, Rank-normalization, folding, and
localization: an improved R-hat, section 4."""
MIN_ESS_PER_CHAIN = 100
"""Likewise; for bulk and tail ESS, and for weighted draws."""
MAX_PARETO_K = 0.7
"""Above it importance weights are too uneven (Vehtari, Simpson, Gelman, Yao, Gabry 2024)."""
DERIVED = frozenset({"voter_kind"})
"""Functions of other parameters, by the thousand, that converge when those do."""


@dataclass(frozen=True)
class Diagnostics:
    """How the draws were made and what the votes cannot tell.

    A number that could not be computed is None: a finding says so where that is a fault.
    """

    max_rhat: float | None
    """Largest rank-normalised split R-hat of any parameter; None for an approximation."""
    min_ess_bulk: float | None
    """Smallest bulk effective sample size of any parameter; likewise."""
    min_ess_tail: float | None
    """Smallest tail effective sample size (5 % and 95 % quantiles) of any parameter; likewise."""
    divergences: int
    findings: tuple[str, ...]
    """Sentences, each a reason not to rely on the ratings; empty when there is none."""
    pareto_k: float | None = None
    """Shape of the tail of the importance weights, where the draws were weighted."""
    importance_ess: float | None = None
    """Effective number of weighted draws, likewise."""
    notes: tuple[str, ...] = ()
    """Sentences that a reader must know and that are no reason to doubt the rest: how the draws
    were made, and which contestants' ratings rest on the prior."""

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def sentence(self) -> str:
        """Plain words for a reader of the ratings."""
        if self.findings:
            return "Do not rely on these ratings: " + " ".join(self.findings)
        if self.max_rhat is None or self.min_ess_bulk is None:
            k, ess = self.pareto_k or 0.0, self.importance_ess or 0.0
            return f"Approximated well: Pareto k {k:.2f}, {ess:,.0f} effective draws."
        return (
            f"Sampled well: R-hat {self.max_rhat:.2f}, {self.min_ess_bulk:,.0f} effective draws, "
            "no divergences."
        )


BOTH_BAD = ("bad", "bad_mean", "bad_scale")
"""Parameters of the outcome "both bad", which has a likelihood of its own."""


def diagnose(draws: Draws, board: Board, spec: ModelSpec) -> Diagnostics:
    """Diagnostics of `draws` from the model `spec` of `board`."""
    found = limits(counted(board, spec), board)
    made = _sampled(draws) if draws.pareto_k is None else _weighted(draws)
    return Diagnostics(
        max_rhat=_known(made.max_rhat),
        min_ess_bulk=_known(made.min_ess_bulk),
        min_ess_tail=_known(made.min_ess_tail),
        divergences=draws.divergences,
        findings=(*made.findings, *found.findings),
        pareto_k=_known(draws.pareto_k),
        importance_ess=_known(draws.importance_ess),
        notes=(*draws.notes, *made.notes, *found.notes),
    )


@dataclass(frozen=True)
class _Made:
    """Of the draws alone."""

    max_rhat: float | None
    min_ess_bulk: float | None
    min_ess_tail: float | None
    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()


def _sampled(draws: Draws) -> _Made:
    values = {name: x for name, x in draws.values.items() if name not in DERIVED}
    both_bad = {name: values.pop(name) for name in BOTH_BAD if name in values}
    max_rhat, min_bulk, min_tail = _convergence(values)
    chains = next(iter(values.values())).shape[0]
    required = MIN_ESS_PER_CHAIN * chains
    findings = []
    if math.isnan(max_rhat):
        findings.append(
            "Convergence cannot be told: a parameter has draws that are not numbers or that never "
            "moved; draw again with another seed, tune more."
        )
    elif max_rhat > MAX_RHAT:
        findings.append(
            f"The chains disagree: R-hat {max_rhat:.3f} is above {MAX_RHAT}; draw more, tune more."
        )
    if min(min_bulk, min_tail) < required:
        findings.append(
            f"Too few effective draws: {min_bulk:,.0f} in the bulk and {min_tail:,.0f} in the "
            f"tails, {required:,} wanted; draw more."
        )
    if draws.divergences:
        transitions = "transition" if draws.divergences == 1 else "transitions"
        findings.append(
            f"{draws.divergences:,} divergent {transitions}: part of the posterior was not "
            "reached; tune more."
        )
    return _Made(max_rhat, min_bulk, min_tail, tuple(findings), _both_bad_notes(both_bad, required))


def _both_bad_notes(values: Mapping[str, NDArray[np.float64]], required: int) -> tuple[str, ...]:
    """What is wrong with this part of the model, which shares nothing with the order."""
    if not values:
        return ()
    rhat, bulk, tail = _convergence(values)
    # Written so that a NaN is told, too.
    if rhat <= MAX_RHAT and min(bulk, tail) >= required:
        return ()
    return (
        'The shares of votes that neither answer is good did not sample well: do not rely on "bad" '
        f"(R-hat {rhat:.3f}, {min(bulk, tail):,.0f} effective draws). The ratings do not depend on "
        "them.",
    )


def _convergence(values: Mapping[str, NDArray[np.float64]]) -> tuple[float, float, float]:
    """Largest R-hat, smallest bulk and tail ESS; all NaN when any of them is."""
    if not all(np.isfinite(x).all() for x in values.values()):
        return math.nan, math.nan, math.nan
    # Here, so that whoever only reads a posterior does not wait for the import.
    import arviz as az

    dataset = az.convert_to_dataset(dict(values))
    by_kind = (az.rhat(dataset), az.ess(dataset, method="bulk"), az.ess(dataset, method="tail"))
    rhat, bulk, tail = (np.concatenate([np.ravel(kind[name]) for name in kind]) for kind in by_kind)
    if np.isnan(rhat).any():
        return math.nan, math.nan, math.nan
    return float(rhat.max()), float(bulk.min()), float(tail.min())


def _weighted(draws: Draws) -> _Made:
    findings = []
    k, ess = draws.pareto_k, draws.importance_ess
    # Written so that a NaN is a finding too.
    if k is None or not k <= MAX_PARETO_K:
        findings.append(
            f"The approximation does not hold: Pareto k {k:.2f} is above {MAX_PARETO_K}; "
            "sample by NUTS."
        )
    required = MIN_ESS_PER_CHAIN * next(iter(draws.values.values())).shape[0]
    if ess is None or not ess >= required:
        findings.append(
            f"Too few effective draws: {ess or 0:,.0f} after weighting, {required:,} wanted; "
            "sample by NUTS."
        )
    return _Made(None, None, None, tuple(findings))


def _known(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)
