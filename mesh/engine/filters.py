"""Top-k, top-p and min-p: which tokens are likely enough to be drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rostra.mesh.engine.messages import SamplingParams

_FIRST_CANDIDATES = 1024
"""The nucleus of a language model nearly always lies within so many tokens, and finding them costs
a fraction of a sort."""


def drop_unlikely(logits: Tensor, params: Sequence[SamplingParams]) -> None:
    """Sets to minus infinity, in place, what the filters of each row exclude.

    `logits` is float32 [n, vocab], after temperature. Top-k first, top-p of what that leaves
    (Holtzman et al. 2020), then min-p (Nguyen et al. 2024). Each filter is a lowest logit to keep,
    so tokens as likely as the last one kept are kept too, whatever their order.
    """
    vocab = logits.shape[1]
    floor = logits.new_full((len(params),), -math.inf)
    limited = [i for i, p in enumerate(params) if 0 < p.top_k < vocab]
    if limited:
        floor[limited] = _kth_largest(_take(logits, limited), [params[i].top_k for i in limited])
    nucleus = [i for i, p in enumerate(params) if p.top_p < 1]
    if nucleus:
        left = _take(logits, nucleus)
        left = left.masked_fill(left < floor[nucleus].unsqueeze(1), -math.inf)
        smallest = _smallest_of_nucleus(left, logits.new_tensor([params[i].top_p for i in nucleus]))
        floor[nucleus] = torch.maximum(floor[nucleus], smallest)
    relative = [i for i, p in enumerate(params) if p.min_p > 0]
    if relative:
        # A ratio of probabilities is the same before and after the other filters.
        ratio = logits.new_tensor([math.log(params[i].min_p) for i in relative])
        lowest = _take(logits, relative).max(dim=-1).values + ratio
        floor[relative] = torch.maximum(floor[relative], lowest)
    if limited or nucleus or relative:
        logits.masked_fill_(logits < floor.unsqueeze(1), -math.inf)


def _take(logits: Tensor, rows: list[int]) -> Tensor:
    return logits if len(rows) == len(logits) else logits[rows]


def _kth_largest(logits: Tensor, counts: list[int]) -> Tensor:
    """The `counts[i]`-th largest value of row i, [n]."""
    largest = logits.topk(max(counts), dim=-1).values
    index = torch.tensor(counts, device=logits.device).unsqueeze(1) - 1
    return largest.gather(1, index).squeeze(1)


def _smallest_of_nucleus(logits: Tensor, top_p: Tensor) -> Tensor:
    """The last logit of the smallest set of tokens whose probability reaches `top_p`, [n]."""
    vocab = logits.shape[1]
    normaliser = logits.logsumexp(dim=-1, keepdim=True)
    candidates = logits.topk(min(_FIRST_CANDIDATES, vocab), dim=-1).values
    smallest, reached = _last_needed(candidates, normaliser, top_p)
    if candidates.shape[1] < vocab and not bool(reached.all()):
        wide = (~reached).nonzero().squeeze(1)
        ordered = logits[wide].sort(dim=-1, descending=True).values
        smallest[wide], _ = _last_needed(ordered, normaliser[wide], top_p[wide])
    return smallest


def _last_needed(ordered: Tensor, normaliser: Tensor, top_p: Tensor) -> tuple[Tensor, Tensor]:
    """The last value before which less than `top_p` has come, and whether all of it has come."""
    probability = (ordered - normaliser).exp()
    cumulative = probability.cumsum(dim=-1, dtype=torch.float64)
    needed = (cumulative - probability < top_p.unsqueeze(1)).sum(dim=-1, keepdim=True)
    return ordered.gather(1, needed - 1).squeeze(1), cumulative[:, -1] >= top_p
