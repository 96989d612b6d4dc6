"""A mixture of experts on a CPU: each expert multiplies the tokens that chose it."""

from __future__ import annotations

import torch
from torch import Tensor

from rostra.kernels.moe_reference import route
from rostra.mesh.ops.base import Linear, Ops
from rostra.mesh.ops.coded_weight import CodedWeight


class CpuExperts:
    """Experts that no token chose cost nothing.

    A token's result does not depend on the others as long as that of the linear maps does not: each
    of its experts' outputs is multiplied by its factor, and they are added up in float32 in the
    order of the factors, likeliest first.
    """

    def __init__(self, ops: Ops) -> None:
        """Computes with the linear maps and the activation of `ops`."""
        self._ops = ops
        self._experts: list[tuple[Linear, Linear]] = []

    def add(self, gate_up: Tensor | CodedWeight, down: Tensor | CodedWeight) -> None:
        self._experts.append((self._lay_out(gate_up), self._lay_out(down)))

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
                activated = self._ops.silu_and_mul(gate_up(x[mine // top_k]))
                made[mine] = down(activated).float()
        outputs = made.unflatten(0, (-1, top_k)).mul_(factors.unsqueeze(2)).unbind(1)
        # One after the other: how `sum` adds up may depend on the number of tokens.
        total = outputs[0].contiguous()
        for output in outputs[1:]:
            total += output
        return total.to(x.dtype)

    def _lay_out(self, weight: Tensor | CodedWeight) -> Linear:
        if isinstance(weight, CodedWeight):
            return self._ops.coded_linear(weight, None)
        return self._ops.linear(weight, None)
