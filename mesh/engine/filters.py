"""Top-k, top-p and min-p: which tokens are likely enough to be drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.transfer import upload

_NUCLEUS_WIDTHS = (256, 4096)
"""Where the nucleus is looked for before the whole vocabulary is sorted: it nearly always lies
within the first, and finding those costs a twentieth of a sort."""


def drop_unlikely(weights: Tensor, params: Sequence[SamplingParams]) -> None:
    """Sets to 0, in place, what the filters of each row exclude.

    `weights` is float32 [n, vocab]: probabilities up to a factor. Top-k comes first, top-p of what
    that leaves (Holtzman et al. 2020), then min-p (Nguyen et al. 2024). Each filter is a lowest
    weight to keep, so a token as likely as the last one kept is kept too.
    """
    vocab = weights.shape[1]
    limited = [i for i, p in enumerate(params) if 0 < p.top_k < vocab]
    nucleus = [i for i, p in enumerate(params) if p.top_p < 1]
    relative = [i for i, p in enumerate(params) if p.min_p > 0]
    if not (limited or nucleus or relative):
        return
    device = weights.device
    floor = weights.new_zeros(len(params))
    if limited:
        rows = upload(np.asarray(limited), device)
        counts = np.array([params[i].top_k for i in limited])
        floor[rows] = _kth_largest(weights[rows], counts)
    if nucleus:
        rows = upload(np.asarray(nucleus), device)
        left = weights[rows]
        if limited:
            left.masked_fill_(left < floor[rows].unsqueeze(1), 0)
        shares = upload(np.array([params[i].top_p for i in nucleus]), device)
        floor[rows] = torch.maximum(floor[rows], _smallest_of_nucleus(left, shares))
    if relative:
        # A ratio of weights is the same before and after the other filters.
        rows = upload(np.asarray(relative), device)
        shares = upload(np.array([params[i].min_p for i in relative], np.float32), device)
        floor[rows] = torch.maximum(floor[rows], shares * weights[rows].amax(dim=-1))
    weights.masked_fill_(weights < floor.unsqueeze(1), 0)


def _kth_largest(weights: Tensor, counts: np.ndarray) -> Tensor:
    """The `counts[i]`-th largest weight of row i, [n]."""
    largest = weights.topk(int(counts.max()), dim=-1).values
    return largest.gather(1, upload(counts - 1, weights.device).unsqueeze(1)).squeeze(1)


def _smallest_of_nucleus(weights: Tensor, shares: Tensor) -> Tensor:
    """The last weight of the smallest set of tokens that has its share of all weight, [n]."""
    # In single precision the tail of a large vocabulary would be lost in the sums.
    wanted = shares * weights.sum(dim=-1, dtype=torch.float64)
    if weights.device.type != "cpu":
        # Whether a part of the vocabulary is enough cannot be known without waiting for the device.
        return _last_needed(weights.sort(dim=-1, descending=True).values, wanted)[0]
    vocab = weights.shape[1]
    smallest = weights.new_empty(len(weights))
    rows = torch.arange(len(weights))
    for width in (*(width for width in _NUCLEUS_WIDTHS if width < vocab), vocab):
        ordered = weights[rows].topk(width, dim=-1).values
        smallest[rows], held = _last_needed(ordered, wanted[rows])
        rows = rows[held < wanted[rows]]
        if not len(rows):
            break
    return smallest


def _last_needed(ordered: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The last of the descending weights of each row needed to reach `wanted`; and all they hold,
    float64 [n]."""
    cumulative = ordered.cumsum(dim=-1, dtype=torch.float64)
    # A token is needed when what comes before it is not enough; the first always is.
    needed = (cumulative - ordered < wanted.unsqueeze(1)).sum(dim=-1).clamp(min=1)
    return ordered.gather(1, needed.unsqueeze(1) - 1).squeeze(1), cumulative[:, -1]
