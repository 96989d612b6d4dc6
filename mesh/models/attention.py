"""Self-attention over the paged cache, with what families vary of it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from rostra.mesh.models.base import LayerCache
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.layers import ColumnProjection, Output, RMSNorm, RowProjection
from rostra.mesh.models.parallel import Parallel
from rostra.mesh.ops import Ops, QKNorm


class Attention(nn.Module):
    """Grouped-query attention (arXiv 2305.13245); each rank has some of the heads."""

    query_norm: RMSNorm | None
    key_norm: RMSNorm | None

    def __init__(
        self,
        config: ModelConfig,
        prefix: str,
        ops: Ops,
        parallel: Parallel,
        *,
        bias: bool = False,
        output_bias: bool = False,
        fused: bool = False,
        scale: float | None = None,
        sliding_window: int | None = None,
        soft_cap: float | None = None,
        table: int | None = 0,
        qk_norm: tuple[float, float] | None = None,
    ) -> None:
        """`bias` of query, key and value; `fused`: they are one tensor `qkv_proj`. `scale` of the
        scores: default head_dim ** -0.5. `table`: which of the model's rotary tables; None: no
        rotation. `qk_norm`: epsilon and weight offset of a norm of each query and key head."""
        super().__init__()
        self._ops = ops
        self._head_dim = size = config.head_dim
        self._scale = size**-0.5 if scale is None else scale
        self._sliding_window = sliding_window
        self._soft_cap = soft_cap
        self._table = table
        num_heads, num_kv_heads = config.num_attention_heads, config.num_key_value_heads
        heads = parallel.share(num_heads, "attention heads")
        kv_heads = parallel.share_heads(num_kv_heads)
        self._num_kv_heads = kv_heads.stop - kv_heads.start
        query, key, value = (
            (num_heads * size, scaled(heads, size)),
            (num_kv_heads * size, scaled(kv_heads, size)),
            (num_kv_heads * size, scaled(kv_heads, size)),
        )
        self.qkv = ColumnProjection(
            config.hidden_size,
            fused_outputs(f"{prefix}.qkv_proj", query, key, value)
            if fused
            else [
                Output(f"{prefix}.q_proj", *query),
                Output(f"{prefix}.k_proj", *key),
                Output(f"{prefix}.v_proj", *value),
            ],
            ops,
            bias=bias,
        )
        self.output = RowProjection(
            f"{prefix}.o_proj",
            num_heads * size,
            config.hidden_size,
            ops,
            parallel,
            bias=output_bias,
        )
        self.query_norm = self.key_norm = None
        if qk_norm is not None:
            eps, offset = qk_norm
            self.query_norm = RMSNorm(f"{prefix}.q_norm.weight", size, eps, ops, offset=offset)
            self.key_norm = RMSNorm(f"{prefix}.k_norm.weight", size, eps, ops, offset=offset)

    def forward(self, x: Tensor, cache: LayerCache, step: Any) -> Tensor:
        heads = self.qkv(x, step).unflatten(1, (-1, self._head_dim))
        query, key, value = heads.tensor_split((-2 * self._num_kv_heads, -self._num_kv_heads), 1)
        return self.attend(query, key, value, cache, step)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, cache: LayerCache, step: Any
    ) -> Tensor:
        """query [T, Hq, D], key and value [T, Hkv, D] of this rank -> [T, hidden_size]."""
        norm = None
        if self.query_norm is not None and self.key_norm is not None:
            norm = QKNorm(self.query_norm.weight, self.key_norm.weight, self.query_norm.eps)
        self._ops.rope_and_cache(query, key, value, *cache, step, table=self._table, norm=norm)
        attended = self._ops.paged_attention(
            query,
            *cache,
            self._scale,
            step,
            sliding_window=self._sliding_window,
            soft_cap=self._soft_cap,
        )
        return self.output(attended.flatten(1), step)


def scaled(part: slice, size: int) -> slice:
    """The elements of a part of things of `size` each."""
    return slice(part.start * size, part.stop * size)


def fused_outputs(name: str, *parts: tuple[int, slice]) -> list[Output]:
    """Outputs for (features, those computed here) that lie one below the other in one tensor."""
    features = sum(count for count, _ in parts)
    outputs, first = [], 0
    for count, rows in parts:
        outputs.append(Output(name, features, slice(first + rows.start, first + rows.stop)))
        first += count
    return outputs
