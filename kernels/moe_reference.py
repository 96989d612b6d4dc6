"""A mixture of experts in plain PyTorch: what its kernels must compute. See `reference.py`."""

from __future__ import annotations

import torch

from rostra.kernels.reference import silu_and_mul


def route(
    router_logits: torch.Tensor, *, top_k: int, renormalize: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `rostra.kernels.moe_routing.route`."""
    logits = router_logits.float()
    experts = logits.sort(dim=-1, descending=True, stable=True).indices[:, :top_k]
    factors = logits.softmax(dim=-1).gather(1, experts)
    if renormalize:
        factors /= factors.sum(dim=-1, keepdim=True)
    return factors, experts.int()


def mixture_of_experts(
    x: torch.Tensor,
    router_logits: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
    gate_up_scale: torch.Tensor | None = None,
    down_scale: torch.Tensor | None = None,
    *,
    top_k: int,
    renormalize: bool,
) -> torch.Tensor:
    """See `rostra.kernels.moe.mixture_of_experts`. Computes in float32 and rounds once."""
    factors, experts = route(router_logits, top_k=top_k, renormalize=renormalize)
    total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)
    for expert in range(down.shape[0]):
        token, rank = (experts == expert).nonzero(as_tuple=True)
        activated = silu_and_mul(x[token].float() @ _wide(gate_up, gate_up_scale, expert).T)
        made = activated @ _wide(down, down_scale, expert).T
        total.index_add_(0, token, made * factors[token, rank, None])
    return total.to(x.dtype)


def _wide(weight: torch.Tensor, scale: torch.Tensor | None, expert: int) -> torch.Tensor:
    """float32 [N, K] of one expert."""
    wide = weight[expert].float()
    return wide if scale is None else wide * scale[expert, :, None]
