"""Qwen3's mixtures of experts (arXiv 2505.09388), which may have dense layers among them."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.decoder import PreNormLayer
from rostra.mesh.models.mlp import GatedMLP
from rostra.mesh.models.moe import MixtureOfExperts, MoeModel, Routing
from rostra.mesh.models.stored.experts import ExpertNames


class Qwen3MoeForCausalLM(MoeModel):
    defaults: ClassVar = {
        "max_position_embeddings": 32_768,
        "moe_intermediate_size": 768,
        "num_experts_per_tok": 8,
        "num_key_value_heads": 4,
        "sliding_window": 4096,
    }
    expert_names = ExpertNames("mlp", "gate_proj", "up_proj", "down_proj")

    def layer(self, index: int) -> nn.Module:
        config, fields = self.config, self.config.fields
        fields.refuse_unless("hidden_act", "silu")
        fields.refuse("layer_types")
        prefix = f"model.layers.{index}"
        bias = fields.flag("attention_bias")
        windowed = fields.flag("use_sliding_window")
        attention = Attention(
            config,
            f"{prefix}.self_attn",
            self.ops,
            self.parallel,
            bias=bias,
            output_bias=bias,
            sliding_window=fields.optional_integer("sliding_window") if windowed else None,
            qk_norm=(self.eps, 0.0),
        )
        return PreNormLayer(self, prefix, attention, self._feed_forward(index, prefix))

    def _feed_forward(self, index: int, prefix: str) -> nn.Module:
        config, fields = self.config, self.config.fields
        dense = fields.raw.get("mlp_only_layers") or []
        if not isinstance(dense, list) or not all(type(layer) is int for layer in dense):
            raise fields.error("mlp_only_layers", f"expected a list of layers, found {dense!r}")
        if index in dense or (index + 1) % fields.integer("decoder_sparse_step", 1):
            return GatedMLP(config, f"{prefix}.mlp", self.ops, self.parallel)
        return MixtureOfExperts(
            config,
            prefix,
            self.ops,
            self.parallel,
            routing=Routing.read(config, default=128, renormalize=fields.flag("norm_topk_prob")),
            intermediate_size=fields.integer("moe_intermediate_size"),
            names=self.expert_names,
        )
