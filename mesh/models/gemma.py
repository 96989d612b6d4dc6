"""Gemma 2 (arXiv 2408.00118) and the text models of Gemma 3 (2503.19786)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rostra.mesh.models.attention import Attention
from rostra.mesh.models.base import LayerCache
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.decoder import DecoderModel
from rostra.mesh.models.layer_types import FULL, SLIDING, layer_type, sliding_window
from rostra.mesh.models.mlp import GatedMLP
from rostra.mesh.models.parallel import ALONE, Parallel
from rostra.mesh.models.rotary import RopeConfig
from rostra.mesh.ops import Ops


class Gemma2ForCausalLM(DecoderModel):
    """Every other layer sees a window; the scores of attention and the logits are capped."""

    defaults: ClassVar = {
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "num_key_value_heads": 4,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 2,
        "tie_word_embeddings": True,
    }
    norm_offset = 1.0

    def __init__(self, config: ModelConfig, ops: Ops, parallel: Parallel = ALONE) -> None:
        config.fields.refuse_unless("hidden_activation", "gelu_pytorch_tanh")
        config.fields.refuse_unless("use_bidirectional_attention", False)
        super().__init__(config, ops, parallel)
        self.logit_soft_cap = self._cap("final_logit_softcapping")

    def finish_loading(self, device: torch.device, max_model_len: int) -> None:
        super().finish_loading(device, max_model_len)
        scale = torch.tensor(self.config.hidden_size**0.5, dtype=self.dtype)
        self.embedding_scale = scale.item()  # rounded as the embeddings are

    def layer(self, index: int) -> nn.Module:
        return SandwichLayer(self, f"model.layers.{index}", index)

    def attention(self, index: int, prefix: str) -> Attention:
        return self._attention(index, prefix, soft_cap=self._cap("attn_logit_softcapping"))

    def _attention(self, index: int, prefix: str, **options: Any) -> Attention:
        fields = self.config.fields
        bias = fields.flag("attention_bias")
        return Attention(
            self.config,
            prefix,
            self.ops,
            self.parallel,
            bias=bias,
            output_bias=bias,
            scale=fields.positive("query_pre_attn_scalar") ** -0.5,
            sliding_window=sliding_window(self.config, index, self._default_type(index)),
            **options,
        )

    def _default_type(self, index: int) -> str:
        """The last layer of each period sees everything."""
        period = self.config.fields.integer("sliding_window_pattern")
        return SLIDING if (index + 1) % period else FULL

    def _cap(self, name: str) -> float | None:
        fields = self.config.fields
        return None if fields.raw.get(name) is None else fields.positive(name)


class Gemma3ForCausalLM(Gemma2ForCausalLM):
    """Heads are normed instead of capped, and layers with a window are rotated by another table."""

    defaults: ClassVar = {
        **Gemma2ForCausalLM.defaults,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "max_position_embeddings": 131_072,
        "rope_local_base_freq": 10_000.0,
        "rope_theta": 1_000_000.0,
        "sliding_window_pattern": 6,
    }

    def attention(self, index: int, prefix: str) -> Attention:
        self.config.fields.refuse("attn_logit_softcapping")
        kind = layer_type(self.config, index, self._default_type(index))
        table = (FULL, SLIDING).index(kind)
        return self._attention(index, prefix, table=table, qk_norm=(self.eps, self.norm_offset))

    def read_ropes(self) -> list[RopeConfig]:
        """From `rope_parameters`, an object for each type of layers, or the fields before those."""
        fields = self.config.fields
        parameters, full = fields.part("rope_parameters"), fields.part("rope_scaling")
        if not full.raw:
            full = parameters.part(FULL)
        local = {"rope_theta": fields.positive("rope_local_base_freq")}
        sliding = parameters.part(SLIDING).or_else(local)
        return [RopeConfig.read(self.config, full), RopeConfig.read(self.config, sliding)]


class SandwichLayer(nn.Module):
    """x + norm(attention(norm(x))), then x + norm(mlp(norm(x)))."""

    def __init__(self, model: Gemma2ForCausalLM, prefix: str, index: int) -> None:
        super().__init__()
        self.attention_norm = model.make_norm(f"{prefix}.input_layernorm.weight")
        self.attention = model.attention(index, f"{prefix}.self_attn")
        self.attended_norm = model.make_norm(f"{prefix}.post_attention_layernorm.weight")
        self.mlp_norm = model.make_norm(f"{prefix}.pre_feedforward_layernorm.weight")
        self.mlp = GatedMLP(
            model.config, f"{prefix}.mlp", model.ops, model.parallel, activation="gelu_tanh"
        )
        self.output_norm = model.make_norm(f"{prefix}.post_feedforward_layernorm.weight")

    def forward(self, x: Tensor, residual: Tensor, cache: LayerCache, step: Any) -> Tensor:
        x = self.attended_norm(self.attention(self.attention_norm(x, residual), cache, step))
        return self.output_norm(self.mlp(self.mlp_norm(x, residual), step))
