"""Llama (arXiv 2307.09288, 2407.21783) and what shares its shape, such as SmolLM2."""

from __future__ import annotations

from torch import nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.decoder import DecoderModel, PreNormLayer
from rostra.mesh.models.mlp import GatedMLP


class LlamaForCausalLM(DecoderModel):
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
        )
        mlp = GatedMLP(
            config, f"{prefix}.mlp", self.ops, self.parallel, bias=fields.flag("mlp_bias")
        )
        return PreNormLayer(self, prefix, attention, mlp)
