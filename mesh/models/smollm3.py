"""SmolLM3: Llama with layers that are not rotated (NoPE, arXiv 2501.18795)."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.decoder import DecoderModel, PreNormLayer
from rostra.mesh.models.layer_types import FULL, SLIDING, sliding_window
from rostra.mesh.models.mlp import GatedMLP


class SmolLM3ForCausalLM(DecoderModel):
    defaults: ClassVar = {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 4,
        "no_rope_layer_interval": 4,
        "rope_theta": 2_000_000.0,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
    }

    def layer(self, index: int) -> nn.Module:
        config, fields = self.config, self.config.fields
        fields.refuse_unless("hidden_act", "silu")
        prefix = f"model.layers.{index}"
        bias, rotated = fields.flag("attention_bias"), self._rotated(index)
        used = fields.flag("use_sliding_window") and fields.optional_integer("sliding_window")
        attention = Attention(
            config,
            f"{prefix}.self_attn",
            self.ops,
            self.parallel,
            bias=bias,
            output_bias=bias,
            table=0 if rotated else None,
            sliding_window=sliding_window(config, index, SLIDING if used and not rotated else FULL),
        )
        mlp = GatedMLP(
            config, f"{prefix}.mlp", self.ops, self.parallel, bias=fields.flag("mlp_bias")
        )
        return PreNormLayer(self, prefix, attention, mlp)

    def _rotated(self, index: int) -> bool:
        """`no_rope_layers` has a 1 for layers that are."""
        config, fields = self.config, self.config.fields
        listed = fields.each("no_rope_layers", config.num_hidden_layers, int, "numbers, 1 or 0")
        if listed is None:
            return (index + 1) % fields.integer("no_rope_layer_interval") != 0
        return bool(listed[index])
