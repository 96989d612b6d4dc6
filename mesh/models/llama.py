"""Llama (arXiv 2307.09288, 2407.21783) and what shares its shape, such as SmolLM2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.layers import Embedding, Projection, RMSNorm
from rostra.mesh.models.rotary import rotary_tables
from rostra.mesh.ops import Linear, Ops, StepLayout

LayerCache = tuple[Tensor, Tensor]
"""Keys and values of one layer, each [num_blocks, block_size, Hkv, D]."""


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, prefix: str, ops: Ops) -> None:
        super().__init__()
        self._ops = ops
        self._head_dim = config.head_dim
        self._num_kv_heads = config.num_key_value_heads
        self._scale = config.head_dim**-0.5
        query_size = config.num_attention_heads * config.head_dim
        kv_size = config.num_key_value_heads * config.head_dim
        self.qkv = Projection(
            config.hidden_size,
            [
                (f"{prefix}.q_proj", query_size),
                (f"{prefix}.k_proj", kv_size),
                (f"{prefix}.v_proj", kv_size),
            ],
            config.attention_bias,
        )
        self.output = Projection(
            query_size, [(f"{prefix}.o_proj", config.hidden_size)], config.attention_bias
        )

    def forward(self, x: Tensor, cache: LayerCache, step: Any) -> Tensor:
        heads = self.qkv(x).unflatten(1, (-1, self._head_dim))
        query, key, value = heads.tensor_split((-2 * self._num_kv_heads, -self._num_kv_heads), 1)
        self._ops.rope_and_cache(query, key, value, *cache, step)
        attended = self._ops.paged_attention(query, *cache, self._scale, step)
        return self.output(attended.flatten(1))


class MLP(nn.Module):
    def __init__(self, config: ModelConfig, prefix: str, ops: Ops) -> None:
        super().__init__()
        self._ops = ops
        size = config.intermediate_size
        self.gate_up = Projection(
            config.hidden_size,
            [(f"{prefix}.gate_proj", size), (f"{prefix}.up_proj", size)],
            config.mlp_bias,
        )
        self.down = Projection(size, [(f"{prefix}.down_proj", config.hidden_size)], config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self._ops.silu_and_mul(self.gate_up(x)))


class DecoderLayer(nn.Module):
    def __init__(self, config: ModelConfig, prefix: str, ops: Ops) -> None:
        super().__init__()
        size, eps = config.hidden_size, config.rms_norm_eps
        self.attention_norm = RMSNorm(f"{prefix}.input_layernorm.weight", size, eps, ops)
        self.attention = Attention(config, f"{prefix}.self_attn", ops)
        self.mlp_norm = RMSNorm(f"{prefix}.post_attention_layernorm.weight", size, eps, ops)
        self.mlp = MLP(config, f"{prefix}.mlp", ops)

    def forward(self, x: Tensor, residual: Tensor, cache: LayerCache, step: Any) -> Tensor:
        """What is still to be added to `residual`, which takes in `x` and the attention."""
        x = self.attention(self.attention_norm(x, residual), cache, step)
        return self.mlp(self.mlp_norm(x, residual))


class LlamaForCausalLM(nn.Module):
    """Built on the meta device; `rostra.mesh.models.load_model` gives it its weights."""

    def __init__(self, config: ModelConfig, ops: Ops) -> None:
        super().__init__()
        self.config = config
        self._ops = ops
        vocab_size, hidden_size = config.vocab_size, config.hidden_size
        self.embedding = Embedding("model.embed_tokens.weight", vocab_size, hidden_size)
        self.layers = nn.ModuleList(
            DecoderLayer(config, f"model.layers.{i}", ops) for i in range(config.num_hidden_layers)
        )
        self.norm = RMSNorm("model.norm.weight", hidden_size, config.rms_norm_eps, ops)
        self.output = (
            None
            if config.tie_word_embeddings
            else Projection(hidden_size, [("lm_head", vocab_size)], sensitive=True)
        )
        self._tied_output: Linear | None = None

    def ignores(self, name: str) -> bool:
        """Tensors that checkpoints carry and the model computes, or shares, itself."""
        tied = name == "lm_head.weight" and self.config.tie_word_embeddings
        return tied or name.endswith("rotary_emb.inv_freq")

    def finish_module(self, module: nn.Module) -> None:
        """Lays out the loaded weights of `module`, one of this model's, for `ops`."""
        if isinstance(module, Projection):
            module.pack(self._ops)

    def finish_loading(self, device: torch.device, max_model_len: int) -> None:
        """Does what needs all of the weights, and computes the rotary tables."""
        if self.output is None:
            self._tied_output = self._ops.linear(self.embedding.weight, None, sensitive=True)
        self.embedding.compact()
        self._cos, self._sin = rotary_tables(
            self.config.rope, self.config.head_dim, max_model_len, device
        )

    def step_buffers(self, **sizes: int) -> Any:
        """The inputs of a step of these sizes at addresses that a graph can keep; `forward` takes
        them in place of a layout. Where the operations have such: see `TritonOps.buffers`."""
        ops: Any = self._ops
        return ops.buffers(self._cos, self._sin, **sizes)

    def forward(
        self, token_ids: Tensor, layout: StepLayout | Any, caches: Sequence[LayerCache]
    ) -> Tensor:
        """Last hidden states [T, hidden_size] of `token_ids`, int64 [T], laid out by `layout`.

        Writes their keys and values to `caches`, one for each layer. `layout` may be what
        `step_buffers` made.
        """
        step = self._ops.prepare(layout, self._cos, self._sin)
        x = self.embedding(token_ids)
        residual = torch.zeros_like(x)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, residual, cache, step)
        return self.norm(x, residual)

    def logits(self, hidden: Tensor, out: Tensor | None = None) -> Tensor:
        """float32 [n, vocab_size] of hidden states [n, hidden_size]; in `out` where it is given."""
        output = self._tied_output if self.output is None else self.output
        assert output is not None
        logits = output(hidden)
        return logits.float() if out is None else out.copy_(logits)
