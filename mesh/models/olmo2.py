"""OLMo 2 (arXiv 2501.00656): norms after the parts, and of all heads of query and key together."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rostra.mesh.models.attention import Attention, scaled
from rostra.mesh.models.base import LayerCache
from rostra.mesh.models.decoder import DecoderModel
from rostra.mesh.models.mlp import GatedMLP
from rostra.mesh.models.parameters import Piece, Weight


class Olmo2ForCausalLM(DecoderModel):
    defaults: ClassVar = {"rms_norm_eps": 1e-5}

    def layer(self, index: int) -> nn.Module:
        self.config.fields.refuse_unless("hidden_act", "silu")
        self.config.fields.refuse("clip_qkv")
        return PostNormLayer(self, f"model.layers.{index}")


class PostNormLayer(nn.Module):
    """x + norm(attention(x)), then x + norm(mlp(x))."""

    def __init__(self, model: DecoderModel, prefix: str) -> None:
        super().__init__()
        self.attention = NormedAttention(model, f"{prefix}.self_attn")
        self.attention_norm = model.make_norm(f"{prefix}.post_attention_layernorm.weight")
        self.mlp = GatedMLP(model.config, f"{prefix}.mlp", model.ops, model.parallel)
        self.mlp_norm = model.make_norm(f"{prefix}.post_feedforward_layernorm.weight")

    def forward(self, x: Tensor, residual: Tensor, cache: LayerCache, step: Any) -> Tensor:
        residual.add_(x)
        residual.add_(self.attention_norm(self.attention(residual, cache, step)))
        return self.mlp_norm(self.mlp(residual, step))


class NormedAttention(Attention):
    def __init__(self, model: DecoderModel, prefix: str) -> None:
        config, parallel = model.config, model.parallel
        bias = config.fields.flag("attention_bias")
        super().__init__(config, prefix, model.ops, parallel, bias=bias, output_bias=bias)
        heads = parallel.share(config.num_attention_heads, "attention heads")
        kv_heads = parallel.share_heads(config.num_key_value_heads)
        self.all_query_norm = HeadsNorm(
            model, f"{prefix}.q_norm.weight", config.num_attention_heads, heads
        )
        self.all_key_norm = HeadsNorm(
            model, f"{prefix}.k_norm.weight", config.num_key_value_heads, kv_heads
        )

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, cache: LayerCache, step: Any
    ) -> Tensor:
        return super().attend(
            self.all_query_norm(query), self.all_key_norm(key), value, cache, step
        )


class HeadsNorm(nn.Module):
    """Root-mean-square norm over all heads of a token, of which each rank has some."""

    weight: nn.Parameter

    def __init__(self, model: DecoderModel, name: str, num_heads: int, heads: slice) -> None:
        super().__init__()
        size = model.config.head_dim
        self.weight = Weight([Piece(name, (num_heads * size,), scaled(heads, size))])
        self._eps = model.eps
        self._ops = model.ops
        self._parallel = model.parallel

    def forward(self, x: Tensor) -> Tensor:
        """[T, heads of this rank, D] -> the same."""
        flat = x.flatten(1)
        if self._parallel.size == 1:
            return self._ops.rms_norm(flat.contiguous(), self.weight, self._eps).view(x.shape)
        wide = flat.float()
        squares = self._parallel.all_reduce(wide.square().sum(1, keepdim=True))
        # Heads that several ranks have are counted as often on both sides of the division.
        mean = squares / (flat.shape[1] * self._parallel.size)
        normed = wide * torch.rsqrt(mean + self._eps) * self.weight.float()
        return normed.to(x.dtype).view(x.shape)
