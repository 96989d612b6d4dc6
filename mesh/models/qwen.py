"""Qwen2 and Qwen2.5 (arXiv 2407.10671, 2412.15115), and Qwen3 without experts (2505.09388)."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.decoder import DecoderModel, PreNormLayer
from rostra.mesh.models.layer_types import FULL, SLIDING, sliding_window
from rostra.mesh.models.mlp import GatedMLP


class Qwen2ForCausalLM(DecoderModel):
    """Query, key and value have a bias."""

    defaults: ClassVar = {
        "max_position_embeddings": 32768,
        "num_key_value_heads": 32,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
    }

    def layer(self, index: int) -> nn.Module:
        self.config.fields.refuse_unless("hidden_act", "silu")
        prefix = f"model.layers.{index}"
        attention = self.attention(index, f"{prefix}.self_attn")
        mlp = GatedMLP(self.config, f"{prefix}.mlp", self.ops, self.parallel)
        return PreNormLayer(self, prefix, attention, mlp)

    def attention(self, index: int, prefix: str) -> Attention:
        return Attention(
            self.config,
            prefix,
            self.ops,
            self.parallel,
            bias=True,
            sliding_window=qwen_window(self.config, index),
        )


class Qwen3ForCausalLM(Qwen2ForCausalLM):
    """Heads of query and key are normed."""

    defaults: ClassVar = {**Qwen2ForCausalLM.defaults, "head_dim": 128}

    def attention(self, index: int, prefix: str) -> Attention:
        bias = self.config.fields.flag("attention_bias")
        return Attention(
            self.config,
            prefix,
            self.ops,
            self.parallel,
            bias=bias,
            output_bias=bias,
            sliding_window=qwen_window(self.config, index),
            qk_norm=(self.eps, 0.0),
        )


def qwen_window(config: ModelConfig, index: int) -> int | None:
    """That of layer `index`: layers from `max_window_layers` on have one, where it is in use."""
    fields = config.fields
    used = fields.flag("use_sliding_window") and fields.optional_integer("sliding_window")
    last = used and index >= fields.number("max_window_layers")
    return sliding_window(config, index, SLIDING if last else FULL)
