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
    if not any(0 < p.top_k < vocab or p.top_p < 1 or p.min_p > 0 for p in params):
        return
    lowest = _lowest_on_cpu if weights.device.type == "cpu" else _lowest_on_gpu
    weights.masked_fill_(weights < lowest(weights, params).unsqueeze(1), 0)


def _lowest_on_gpu(weights: Tensor, params: Sequence[SamplingParams]) -> Tensor:
    """The lowest weight of each row to keep, float32 [n]."""
    # Where there is a GPU there is Triton.
    from rostra.kernels.sampling import lowest_weight_kept

    settings = np.array([[p.top_k for p in params], [p.top_p for p in params]], np.float64)
    top_k, top_p = upload(settings, weights.device)
    min_p = upload(np.array([p.min_p for p in params], np.float32), weights.device)
    return lowest_weight_kept(weights, top_k.int(), top_p, min_p)


def _lowest_on_cpu(weights: Tensor, params: Sequence[SamplingParams]) -> Tensor:
    """The lowest weight of each row to keep, float32 [n]."""
    limited = [i for i, p in enumerate(params) if 0 < p.top_k < weights.shape[1]]
    nucleus = [i for i, p in enumerate(params) if p.top_p < 1]
    relative = [i for i, p in enumerate(params) if p.min_p > 0]
    floor = weights.new_zeros(len(params))
    if limited:
        floor[limited] = _kth_largest(weights[limited], [params[i].top_k for i in limited])
    if nucleus:
        left = weights[nucleus]
        if limited:
            left.masked_fill_(left < floor[nucleus].unsqueeze(1), 0)
        shares = weights.new_tensor([params[i].top_p for i in nucleus], dtype=torch.float64)
        floor[nucleus] = torch.maximum(floor[nucleus], _smallest_of_nucleus(left, shares))
    if relative:
        # A ratio of weights is the same before and after the other filters.
        shares = weights.new_tensor([params[i].min_p for i in relative])
        lowest = shares * weights[relative].amax(dim=-1)
        floor[relative] = torch.maximum(floor[relative], lowest)
    return floor


def _kth_largest(weights: Tensor, counts: list[int]) -> Tensor:
    """The `counts[i]`-th largest weight of row i, [n]."""
    largest = weights.topk(max(counts), dim=-1).values
    return largest.gather(1, torch.tensor(counts).unsqueeze(1) - 1).squeeze(1)


def _smallest_of_nucleus(weights: Tensor, shares: Tensor) -> Tensor:
    """The last weight of the smallest set of tokens that has its share of all weight, [n]."""
    vocab = weights.shape[1]
    smallest = weights.new_empty(len(weights))
    rows = torch.arange(len(weights))
    # In single precision the tail of a large vocabulary would be lost in the sums.
    wanted = shares * weights.sum(dim=-1, dtype=torch.float64)
    for width in (*(width for width in _NUCLEUS_WIDTHS if width < vocab), vocab):
        ordered = weights[rows].topk(width, dim=-1).values
        cumulative = ordered.cumsum(dim=-1, dtype=torch.float64)
        # A token is needed when what comes before it is not enough; the first always is.
        needed = (cumulative - ordered < wanted[rows].unsqueeze(1)).sum(dim=-1).clamp(min=1)
        smallest[rows] = ordered.gather(1, needed.unsqueeze(1) - 1).squeeze(1)
        rows = rows[cumulative[:, -1] < wanted[rows]]
        if not len(rows):
            break
    return smallest
