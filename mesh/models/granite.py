"""Granite 3: Llama with a multiplier wherever parts meet, as in muP (arXiv 2203.03466)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.base import LayerCache
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.decoder import DecoderModel, PreNormLayer
from rostra.mesh.models.mlp import GatedMLP
from rostra.mesh.models.parallel import ALONE, Parallel
from rostra.mesh.ops import Ops


class GraniteForCausalLM(DecoderModel):
    def __init__(self, config: ModelConfig, ops: Ops, parallel: Parallel = ALONE) -> None:
        super().__init__(config, ops, parallel)
        self.embedding_scale = config.fields.number("embedding_multiplier", 1.0)
        self.logit_scale = 1.0 / config.fields.positive("logits_scaling", 1.0)

    def layer(self, index: int) -> nn.Module:
        config, fields = self.config, self.config.fields
        fields.refuse_unless("hidden_act", "silu")
        prefix = f"model.layers.{index}"
        bias = fields.flag("attention_bias")
        attention = Attention(
            config,
            f"{prefix}.self_attn",
            self.ops,
            self.parallel,
            bias=bias,
            output_bias=bias,
            scale=fields.number("attention_multiplier", 1.0),
        )
        mlp = GatedMLP(
            config, f"{prefix}.mlp", self.ops, self.parallel, bias=fields.flag("mlp_bias")
        )
        return GraniteLayer(self, prefix, attention, mlp)


class GraniteLayer(PreNormLayer):
    """Adds to the residual a multiple of what attention and feed-forward block make."""

    def __init__(
        self, model: DecoderModel, prefix: str, attention: nn.Module, mlp: nn.Module
    ) -> None:
        super().__init__(model, prefix, attention, mlp)
        self._multiplier = model.config.fields.number("residual_multiplier", 1.0)

    def forward(self, x: Tensor, residual: Tensor, cache: LayerCache, step: Any) -> Tensor:
        x = self.attention(self.attention_norm(x, residual), cache, step) * self._multiplier
        return self.mlp(self.mlp_norm(x, residual), step) * self._multiplier
