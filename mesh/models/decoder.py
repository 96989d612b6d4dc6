"""What all decoders share: embedding, layers, norm, output head, and how they get their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rostra.mesh.models.base import LayerCache
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.layers import (
    ColumnProjection,
    Embedding,
    Output,
    Packed,
    RMSNorm,
    vocabulary_share,
)
from rostra.mesh.models.parallel import ALONE, Parallel
from rostra.mesh.models.rotary import RopeConfig, rotary_tables
from rostra.mesh.models.stored import StoredWeights
from rostra.mesh.ops import Linear, Ops, StepLayout


class DecoderModel(nn.Module):
    """Built on the meta device; `rostra.mesh.models.load_model` gives it its weights.

    A family says what a layer is, in `layer`, and overrides what else it does differently. A layer
    is called with what is still to be added to the residual, the residual, which takes it in, its
    cache and the step; it returns what is then still to be added.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    """What a config.json that does not mention these fields means; see `Fields.or_else`."""

    embedding_scale: float = 1.0
    logit_scale: float = 1.0
    logit_soft_cap: float | None = None
    norm_offset: float = 0.0

    def __init__(self, config: ModelConfig, ops: Ops, parallel: Parallel = ALONE) -> None:
        """Raises RostraError for a config that the family does not compute, or that cannot be
        divided among the ranks."""
        super().__init__()
        config.fields.refuse_unless("is_causal", True)
        self.config = config
        self.ops = ops
        self.parallel = parallel
        self.eps = config.fields.number("rms_norm_eps", 1e-6)
        self.ropes = self.read_ropes()
        vocab_size, hidden_size = config.vocab_size, config.hidden_size
        self.embedding = Embedding("model.embed_tokens.weight", vocab_size, hidden_size, parallel)
        self.layers = nn.ModuleList(self.layer(i) for i in range(config.num_hidden_layers))
        self.norm = self.make_norm("model.norm.weight")
        self.output: ColumnProjection | None = None
        if not config.tie_word_embeddings:
            rows, padding = vocabulary_share(vocab_size, parallel)
            head = [Output("lm_head", vocab_size, rows)]
            self.output = ColumnProjection(hidden_size, head, ops, padding=padding, sensitive=True)
        self._tied_output: Linear | None = None
        self._headless = False
        self._tables: list[tuple[Tensor, Tensor]] = []

    def layer(self, index: int) -> nn.Module:
        raise NotImplementedError

    def make_norm(self, name: str) -> RMSNorm:
        """Of a hidden state."""
        size = self.config.hidden_size
        return RMSNorm(name, size, self.eps, self.ops, offset=self.norm_offset)

    def read_ropes(self) -> list[RopeConfig]:
        """The rotary tables, in the order in which layers name them. Families that rotate heads in
        part say so here."""
        rope = RopeConfig.read(self.config)
        if rope.dim < self.config.head_dim:
            raise self.config.fields.error(
                "partial_rotary_factor", f"{self.config.architecture} rotates whole heads"
            )
        return [rope]

    @property
    def position_limit(self) -> int:
        """Positions that can be computed. Beyond those that config.json names, some scalings of
        rotary embeddings allow more."""
        limit = self.config.max_position_embeddings
        return min((rope.scaling.position_limit(limit) for rope in self.ropes), default=limit)

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    @property
    def num_kv_heads(self) -> int:
        heads = self.parallel.share_heads(self.config.num_key_value_heads)
        return heads.stop - heads.start

    @property
    def recordable(self) -> bool:
        return self.parallel.size == 1

    @property
    def capturable(self) -> bool:
        return True

    def drop_head(self) -> None:
        """For a model that is asked for hidden states only. Before anything is loaded."""
        self.output = None
        self._headless = True

    def ignores(self, name: str) -> bool:
        """Tensors that checkpoints carry and the model computes, shares or does without."""
        tied = name == "lm_head.weight" and self.config.tie_word_embeddings
        headless = self._headless and name.startswith("lm_head.")
        return tied or headless or name.endswith("rotary_emb.inv_freq")

    def stored(self, weights: StoredWeights) -> StoredWeights:
        """The tensors of a checkpoint as this family names them."""
        return weights

    def finish_module(self, module: nn.Module) -> None:
        """Lays out the loaded weights of `module`, one of this model's."""
        if isinstance(module, Packed):
            module.pack()

    def finish_loading(self, device: torch.device, max_model_len: int) -> None:
        """Does what needs all of the weights, and computes the rotary tables."""
        self._dtype = self.embedding.weight.dtype
        if self.output is None and not self._headless:
            self._tied_output = self.ops.linear(self.embedding.weight, None, sensitive=True)
        self.embedding.compact()
        self._tables = [rotary_tables(rope, max_model_len, device) for rope in self.ropes]

    def step_buffers(self, **sizes: int) -> Any:
        ops: Any = self.ops
        return ops.buffers(self._tables, **sizes)

    def forward(
        self, token_ids: Tensor, layout: StepLayout | Any, caches: Sequence[LayerCache]
    ) -> Tensor:
        step = self.ops.prepare(layout, self._tables)
        x = self.embedding(token_ids)
        if self.embedding_scale != 1.0:
            x = x * self.embedding_scale
        residual = torch.zeros_like(x)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, residual, cache, step)
        return self.norm(x, residual)

    def logits(self, hidden: Tensor, out: Tensor | None = None) -> Tensor:
        if self.output is None:
            assert self._tied_output is not None
            logits = self._tied_output(hidden)
        else:
            logits = self.output(hidden, None)
        logits = self.parallel.gather_columns(logits)
        if logits.shape[1] > self.config.vocab_size:
            logits = logits[:, : self.config.vocab_size].contiguous()
        logits = logits.float()
        if self.logit_scale != 1.0:
            logits = logits * self.logit_scale
        if self.logit_soft_cap is not None:
            logits = self.logit_soft_cap * torch.tanh(logits / self.logit_soft_cap)
        return logits if out is None else out.copy_(logits)


class PreNormLayer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): what most families do."""

    def __init__(
        self, model: DecoderModel, prefix: str, attention: nn.Module, mlp: nn.Module
    ) -> None:
        super().__init__()
        self.attention_norm = model.make_norm(f"{prefix}.input_layernorm.weight")
        self.attention = attention
        self.mlp_norm = model.make_norm(f"{prefix}.post_attention_layernorm.weight")
        self.mlp = mlp

    def forward(self, x: Tensor, residual: Tensor, cache: LayerCache, step: Any) -> Tensor:
        x = self.attention(self.attention_norm(x, residual), cache, step)
        return self.mlp(self.mlp_norm(x, residual), step)
