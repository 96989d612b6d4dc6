"""Phi-3 (arXiv 2404.14219), Phi-4 (2412.08905) and Phi-4-mini (2503.01743)."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.decoder import DecoderModel, PreNormLayer
from rostra.mesh.models.longrope import LongRope
from rostra.mesh.models.mlp import GatedMLP
from rostra.mesh.models.rope_scaling import Scaling
from rostra.mesh.models.rotary import RopeConfig

_SCALINGS = {"default": Scaling, "longrope": LongRope, "su": LongRope, "yarn": LongRope}
"""Checkpoints of the first weeks have other names for LongRoPE."""


class Phi3ForCausalLM(DecoderModel):
    """Heads may be rotated in part. Query, key and value are one tensor, gate and up another."""

    defaults: ClassVar = {
        "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
    }

    def read_ropes(self) -> list[RopeConfig]:
        return [RopeConfig.read(self.config, scalings=_SCALINGS)]

    def layer(self, index: int) -> nn.Module:
        config, fields = self.config, self.config.fields
        fields.refuse_unless("hidden_act", "silu")
        prefix = f"model.layers.{index}"
        attention = Attention(
            config,
            f"{prefix}.self_attn",
            self.ops,
            self.parallel,
            fused=True,
            sliding_window=fields.optional_integer("sliding_window"),
        )
        mlp = GatedMLP(config, f"{prefix}.mlp", self.ops, self.parallel, fused=True)
        return PreNormLayer(self, prefix, attention, mlp)
