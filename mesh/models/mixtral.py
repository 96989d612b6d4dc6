"""Mixtral (arXiv 2401.04088): Mistral's layers with experts in the place of the MLP."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.decoder import PreNormLayer
from rostra.mesh.models.moe import MixtureOfExperts, MoeModel, Routing
from rostra.mesh.models.stored.experts import ExpertNames


class MixtralForCausalLM(MoeModel):
    defaults: ClassVar = {
        "max_position_embeddings": 131_072,
        "num_experts_per_tok": 2,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1e6,
    }
    expert_names = ExpertNames("block_sparse_moe", "w1", "w3", "w2")

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
        mixture = MixtureOfExperts(
            config,
            prefix,
            self.ops,
            self.parallel,
            routing=Routing.read(config, default=8, renormalize=True),
            intermediate_size=config.intermediate_size,
            names=self.expert_names,
        )
        return PreNormLayer(self, prefix, attention, mixture)
