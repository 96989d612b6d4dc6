"""The feed-forward block."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from rostra.mesh.models.attention import fused_outputs
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.layers import ColumnProjection, Output, RowProjection
from rostra.mesh.models.parallel import Parallel
from rostra.mesh.ops import Ops

Activation = Literal["silu", "gelu_tanh"]


class GatedMLP(nn.Module):
    """down(activation(gate(x)) * up(x)) (GLU variants, arXiv 2002.05202)."""

    def __init__(
        self,
        config: ModelConfig,
        prefix: str,
        ops: Ops,
        parallel: Parallel,
        *,
        intermediate_size: int | None = None,
        activation: Activation = "silu",
        bias: bool = False,
        fused: bool = False,
    ) -> None:
        """`intermediate_size`: default that of `config`. `fused`: gate and up are one tensor."""
        super().__init__()
        size = intermediate_size or config.intermediate_size
        rows = parallel.share(size, "intermediate features")
        self._activate = ops.silu_and_mul if activation == "silu" else ops.gelu_and_mul
        self.gate_up = ColumnProjection(
            config.hidden_size,
            fused_outputs(f"{prefix}.gate_up_proj", (size, rows), (size, rows))
            if fused
            else [
                Output(f"{prefix}.gate_proj", size, rows),
                Output(f"{prefix}.up_proj", size, rows),
            ],
            ops,
            bias=bias,
        )
        self.down = RowProjection(
            f"{prefix}.down_proj", size, config.hidden_size, ops, parallel, bias=bias
        )

    def forward(self, x: Tensor, step: Any) -> Tensor:
        return self.down(self._activate(self.gate_up(x, step)), step)
