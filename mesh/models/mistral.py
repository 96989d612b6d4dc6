"""Mistral (arXiv 2310.06825): all layers attend to a sliding window, or none does."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.decoder import DecoderModel, PreNormLayer
from rostra.mesh.models.mlp import GatedMLP


class MistralForCausalLM(DecoderModel):
    defaults: ClassVar = {
        "max_position_embeddings": 131072,
        "num_key_value_heads": 8,
        "sliding_window": 4096,
    }

    def layer(self, index: int) -> nn.Module:
        config, fields = self.config, self.config.fields
        fields.refuse_unless("hidden_act", "silu")
        fields.refuse("layer_types")
        prefix = f"model.layers.{index}"
        attention = Attention(
            config,
            f"{prefix}.self_attn",
            self.ops,
            self.parallel,
            sliding_window=fields.optional_integer("sliding_window"),
        )
        mlp = GatedMLP(config, f"{prefix}.mlp", self.ops, self.parallel)
        return PreNormLayer(self, prefix, attention, mlp)
