"""A mixture of experts on a CPU: each expert multiplies the tokens that chose it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rostra.kernels.moe_reference import route
from rostra.mesh.ops.base import Linear


class CpuExperts:
    """Experts that no token chose cost nothing.

    A token's result does not depend on the others as long as that of the linear maps does not: each
    of its experts' outputs is multiplied by its factor, and they are added up in float32 in the
    order of the factors, likeliest first.
    """

    def __init__(
        self,
        linear: Callable[[Tensor, Tensor | None], Linear],
        activate: Callable[[Tensor], Tensor],
    ) -> None:
        """`linear` lays out weights, as in `Ops.linear`; `activate` maps [T, 2 * I] to [T, I]."""
        self._linear = linear
        self._activate = activate
        self._experts: list[tuple[Linear, Linear]] = []

    def add(self, gate_up: Tensor, down: Tensor) -> None:
        self._experts.append((self._linear(gate_up, None), self._linear(down, None)))

    def __call__(
        self, x: Tensor, router_logits: Tensor, *, top_k: int, renormalize: bool
    ) -> Tensor:
        factors, experts = route(router_logits, top_k=top_k, renormalize=renormalize)
        chosen = experts.flatten()
        # Pairs of token and expert, the expert's together: number token * top_k + rank.
        pairs = chosen.argsort(stable=True)
        counts = chosen.bincount(minlength=len(self._experts)).tolist()
        made = torch.empty((x.shape[0] * top_k, x.shape[1]), dtype=torch.float32)
        for (gate_up, down), mine in zip(self._experts, pairs.split(counts), strict=True):
            if len(mine):
                activated = self._activate(gate_up(x[mine // top_k]))
                made[mine] = down(activated).float()
        outputs = made.unflatten(0, (-1, top_k)).mul_(factors.unsqueeze(2)).unbind(1)
        # One after the other: how `sum` adds up may depend on the number of tokens.
        total = outputs[0].contiguous()
        for output in outputs[1:]:
            total += output
        return total.to(x.dtype)
