"""BERT (arXiv 1810.04805), and the encoders that share its layers: RoBERTa, XLM-R, DistilBERT.

A step's tokens stand in one row, text after text, so nothing is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rostra.mesh.models.config import Fields
from rostra.mesh.models.layers import ColumnProjection, Embedding, Output, Packed
from rostra.mesh.models.parallel import ALONE
from rostra.mesh.models.parameters import Piece, Weight
from rostra.mesh.ops import Ops

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
    "relu": functional.relu,
}


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of an encoder. Names are those of BERT's config.json."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    type_vocab_size: int
    """0: the model has no token types."""
    layer_norm_eps: float
    activation: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LayerNames:
    """What a family calls the tensors of its layers."""

    layers: str
    projections: tuple[str, str, str]
    """Of queries, keys and values."""
    attention_output: str
    attention_norm: str
    up: str
    down: str
    output_norm: str


class LayerNorm(Packed):
    """Ba, Kiros and Hinton, arXiv 1607.06450."""

    def __init__(self, name: str, size: int, eps: float) -> None:
        super().__init__()
        self.weight = Weight([Piece.whole(f"{name}.weight", size)])
        self.bias = Weight([Piece.whole(f"{name}.bias", size)])
        self._eps = eps

    def pack(self) -> None:
        """Stays as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.weight, self.bias, self._eps)


class EncoderLayer(nn.Module):
    """x = norm(x + attention(x)), then norm(x + mlp(x))."""

    def __init__(self, config: EncoderConfig, names: LayerNames, prefix: str, ops: Ops) -> None:
        super().__init__()
        size, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        self._num_heads = config.num_attention_heads
        self._activation = config.activation

        def linear(in_features: int, out_features: int, *outputs: str) -> ColumnProjection:
            whole = [Output.whole(prefix + name, out_features) for name in outputs]
            return ColumnProjection(in_features, whole, ops, bias=True)

        self.qkv = linear(size, size, *names.projections)
        self.attention_output = linear(size, size, names.attention_output)
        self.attention_norm = LayerNorm(prefix + names.attention_norm, size, eps)
        self.up = linear(size, inner, names.up)
        self.down = linear(inner, size, names.down)
        self.output_norm = LayerNorm(prefix + names.output_norm, size, eps)

    def forward(self, x: Tensor, runs: Sequence[tuple[int, int]]) -> Tensor:
        """`runs` are (number of texts, their length), in order of the rows of x [T, H]."""
        attended = self._attend(self.qkv(x, None), runs)
        x = self.attention_norm(x + self.attention_output(attended, None))
        return self.output_norm(x + self.down(self._activation(self.up(x, None)), None))

    def _attend(self, qkv: Tensor, runs: Sequence[tuple[int, int]]) -> Tensor:
        out = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
        start = 0
        for count, length in runs:
            rows = slice(start, start + count * length)
            start = rows.stop
            # Each [texts, heads, length, D].
            query, key, value = (
                qkv[rows].view(count, length, 3, self._num_heads, -1).permute(2, 0, 3, 1, 4)
            )
            attended = functional.scaled_dot_product_attention(query, key, value)
            out[rows] = attended.transpose(1, 2).reshape(count * length, -1)
        return out


class BertModel(nn.Module):
    """Built on the meta device; `rostra.mesh.models.load_encoder` gives it its weights."""

    base_name = "bert."
    """Before the names of tensors in checkpoints that have a head, too."""
    names = LayerNames(
        layers="encoder.layer",
        projections=("attention.self.query", "attention.self.key", "attention.self.value"),
        attention_output="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        up="intermediate.dense",
        down="output.dense",
        output_norm="output.LayerNorm",
    )

    def __init__(self, fields: Fields, prefix: str, ops: Ops) -> None:
        """`prefix` comes before the names of all tensors. Raises RostraError for a config that is
        not computed here."""
        super().__init__()
        self.config = config = self.read_config(fields)
        self.position_offset = self.read_position_offset(fields)
        size = config.hidden_size
        self._prefix = prefix
        table = f"{prefix}embeddings."
        self.words = Embedding(f"{table}word_embeddings.weight", config.vocab_size, size, ALONE)
        self.positions = Weight(
            [
                Piece.whole(
                    f"{table}position_embeddings.weight", config.max_position_embeddings, size
                )
            ]
        )
        if config.type_vocab_size:
            self.types = Weight(
                [Piece.whole(f"{table}token_type_embeddings.weight", config.type_vocab_size, size)]
            )
        self.norm = LayerNorm(f"{table}LayerNorm", size, config.layer_norm_eps)
        self.layers = nn.ModuleList(
            EncoderLayer(config, self.names, f"{prefix}{self.names.layers}.{i}.", ops)
            for i in range(config.num_hidden_layers)
        )

    @classmethod
    def read_config(cls, fields: Fields) -> EncoderConfig:
        fields.refuse_unless("position_embedding_type", "absolute")
        return _checked(
            fields,
            EncoderConfig(
                vocab_size=fields.integer("vocab_size"),
                hidden_size=fields.integer("hidden_size"),
                intermediate_size=fields.integer("intermediate_size"),
                num_hidden_layers=fields.integer("num_hidden_layers"),
                num_attention_heads=fields.integer("num_attention_heads"),
                max_position_embeddings=fields.integer("max_position_embeddings", 512),
                type_vocab_size=fields.integer("type_vocab_size", 2),
                layer_norm_eps=fields.number("layer_norm_eps", 1e-12),
                activation=_activation(fields, "hidden_act"),
            ),
        )

    @classmethod
    def read_position_offset(cls, fields: Fields) -> int:
        """The position of a text's first token."""
        return 0

    @property
    def max_length(self) -> int:
        """Tokens of a text at most."""
        return self.config.max_position_embeddings - self.position_offset

    def ignores(self, name: str) -> bool:
        """Tensors that checkpoints carry for other tasks, or that hold no weights."""
        inner = name.removeprefix(self._prefix)
        # With a prefix, whatever lies outside of it belongs to a head.
        return (
            (inner == name and bool(self._prefix))
            or inner.startswith(("pooler.", "cls.", "lm_head."))
            or inner.endswith("position_ids")
        )

    def finish_module(self, module: nn.Module) -> None:
        """Lays out the loaded weights of `module`, one of this model's."""
        if isinstance(module, Packed):
            module.pack()

    def finish_loading(self) -> None:
        """Does what needs all of the weights. Every token is of type 0."""
        self._positions = self.positions.data
        if self.config.type_vocab_size:
            self._positions = self._positions + self.types[0]
        self.words.compact()

    def forward(self, token_ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Last hidden states [T, H] of texts of these lengths; their `token_ids`, int64 [T], stand
        one after another. Neighbours of one length are attended to together."""
        positions = np.concatenate([np.arange(length) for length in lengths])
        rows = torch.from_numpy(positions + self.position_offset).to(token_ids.device)
        x = self.norm(self.words(token_ids) + self._positions[rows])
        runs = [(len(list(same)), length) for length, same in groupby(lengths)]
        for layer in self.layers:
            x = layer(x, runs)
        return x


class RobertaModel(BertModel):
    """RoBERTa (arXiv 1907.11692) and XLM-R (1911.02116): positions begin behind the padding's."""

    base_name = "roberta."

    @classmethod
    def read_position_offset(cls, fields: Fields) -> int:
        return 1 if fields.raw.get("pad_token_id") == 0 else fields.integer("pad_token_id", 1) + 1


class DistilBertModel(BertModel):
    """DistilBERT (arXiv 1910.01108): no token types, and names of its own."""

    base_name = "distilbert."
    names = LayerNames(
        layers="transformer.layer",
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        output_norm="output_layer_norm",
    )

    @classmethod
    def read_config(cls, fields: Fields) -> EncoderConfig:
        return _checked(
            fields,
            EncoderConfig(
                vocab_size=fields.integer("vocab_size"),
                hidden_size=fields.integer("dim"),
                intermediate_size=fields.integer("hidden_dim"),
                num_hidden_layers=fields.integer("n_layers"),
                num_attention_heads=fields.integer("n_heads"),
                max_position_embeddings=fields.integer("max_position_embeddings", 512),
                type_vocab_size=0,
                layer_norm_eps=1e-12,
                activation=_activation(fields, "activation"),
            ),
        )


def _activation(fields: Fields, name: str) -> Callable[[Tensor], Tensor]:
    value = fields.raw.get(name, "gelu")
    if value not in _ACTIVATIONS:
        raise fields.error(name, f"{value!r} is not supported, only {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[value]


def _checked(fields: Fields, config: EncoderConfig) -> EncoderConfig:
    if config.hidden_size % config.num_attention_heads:
        raise fields.error(
            "num_attention_heads",
            f"{config.num_attention_heads} do not divide the hidden size, {config.hidden_size}",
        )
    return config
