"""Whether a posterior can be relied on, in numbers and in sentences."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board

MAX_RHAT = 1.01
"""Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021, Rank-normalization, folding, and
localization: an improved R-hat, section 4."""
MIN_ESS_PER_CHAIN = 100
"""Likewise; for bulk and tail ESS."""
MAX_NAMES = 5


@dataclass(frozen=True)
class Diagnostics:
    """How the sampling went and what the votes cannot tell."""

    max_rhat: float
    """Largest rank-normalised split R-hat of any parameter."""
    min_ess_bulk: float
    """Smallest bulk effective sample size of any parameter."""
    min_ess_tail: float
    """Smallest tail effective sample size (5 % and 95 % quantiles) of any parameter."""
    divergences: int
    findings: tuple[str, ...]
    """Sentences, each a reason not to rely on the ratings; empty when there is none."""
    pareto_k: float | None = None
    """Shape of the tail of the importance weights, where the draws were weighted."""
    importance_ess: float | None = None
    """Effective number of weighted draws, likewise."""
    notes: tuple[str, ...] = ()
    """Sentences on how the draws were made that are no reason to doubt them."""

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def sentence(self) -> str:
        """Plain words for a reader of the ratings."""
        if self.findings:
            return "Do not rely on these ratings: " + " ".join(self.findings)
        return (
            f"Sampled well: R-hat {self.max_rhat:.2f}, {self.min_ess_bulk:,.0f} effective draws, "
            "no divergences."
        )


def diagnose(
    draws: Mapping[str, NDArray[np.float64]], divergences: int, counts: Board
) -> Diagnostics:
    """Diagnostics of `draws`, each [chains, draws, ...], made from `counts`."""
    # Here, so that whoever only reads a posterior does not wait for the import.
    import arviz as az

    dataset = az.convert_to_dataset(dict(draws))
    max_rhat = float(np.max(_values(az.rhat(dataset))))
    min_bulk = float(np.min(_values(az.ess(dataset, method="bulk"))))
    min_tail = float(np.min(_values(az.ess(dataset, method="tail"))))
    required = MIN_ESS_PER_CHAIN * dataset.sizes["chain"]

    findings = []
    # Written so that a NaN, which comes of a chain that never moved, is a finding too.
    if not max_rhat <= MAX_RHAT:
        findings.append(
            f"The chains disagree: R-hat {max_rhat:.3f} is above {MAX_RHAT}; draw more, tune more."
        )
    if not min(min_bulk, min_tail) >= required:
        findings.append(
            f"Too few effective draws: {min_bulk:,.0f} in the bulk and {min_tail:,.0f} in the "
            f"tails, {required:,} wanted; draw more."
        )
    if divergences:
        transitions = "transition" if divergences == 1 else "transitions"
        findings.append(
            f"{divergences:,} divergent {transitions}: part of the posterior was not reached; "
            "tune more."
        )
    if len(counts.components) > 1:
        findings.append(_disconnected(counts.components))
    return Diagnostics(
        max_rhat=max_rhat,
        min_ess_bulk=min_bulk,
        min_ess_tail=min_tail,
        divergences=divergences,
        findings=tuple(findings),
    )


def _values(dataset: Mapping[Hashable, Any]) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(dataset[name]) for name in dataset])


def _disconnected(groups: tuple[tuple[str, ...], ...]) -> str:
    """The largest group goes unnamed: the others are what somebody has to pair with it."""
    apart = [name for names in groups[1:] for name in names]
    listed = ", ".join(apart[:MAX_NAMES])
    if len(apart) > MAX_NAMES:
        listed += f" and {len(apart) - MAX_NAMES} more"
    return (
        f"The votes fall into {len(groups)} groups that no vote links, so that ratings across "
        f"groups rest on the prior alone: pair {listed} with the rest."
    )
