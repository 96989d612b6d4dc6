"""Asks a model of transformers what its attention is, and checks that it works over a paged cache.

The library's flags say what a model is meant to support. Here the model itself is computed, with
its own weights: once by the library alone and once as the engine would, in chunks, beside another
sequence, in scattered blocks. Whatever lets tokens know of each other but attention over keys and
values, such as recurrent state, makes a difference there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rostra.mesh.models.base import LayerCache, Model
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.transformers_attention import (
    INSPECTED,
    Inspection,
    LayerPlan,
    UnservableError,
    attending,
    register,
)
from rostra.mesh.models.transformers_model import decoder_of
from rostra.mesh.ops import StepLayout

_LENGTHS = (24, 17)
_STEPS: Sequence[tuple[tuple[int, int], ...]] = (
    ((0, 9), (0, 5)),
    ((9, 10), (5, 15)),
    ((10, 22), (15, 15)),
    ((22, 23), (15, 16)),
    ((23, 24), (16, 17)),
)
"""Which tokens of each sequence a step computes."""
_BLOCK_SIZE = 16
_BLOCKS = ((2, 0), (3, 1))
"""Of each sequence."""
_TOLERANCE = 1e-3
"""Of every token in float32."""
_COARSE_TOLERANCE = 0.1
"""Of most tokens in 16 bits or with quantised weights: rounding differs with what is computed
together, and may choose another expert."""


def reference(model: PreTrainedModel, token_ids: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Hidden states and logits of each sequence, by the library alone, positions included."""
    model.set_attn_implementation("eager")
    found = []
    for ids in token_ids:
        arguments = {
            "input_ids": ids.unsqueeze(0),
            "attention_mask": torch.ones_like(ids).unsqueeze(0),
            "use_cache": False,
            "return_dict": True,
        }
        hidden = decoder_of(model)(**arguments).last_hidden_state[0]
        found.append((hidden, model(**arguments).logits[0]))
    return found


def inspect(model: PreTrainedModel, token_ids: Tensor, num_positions: int) -> dict[int, LayerPlan]:
    """What each layer wants, by its number. Raises UnservableError where that cannot be had."""
    if any(name.endswith("indexer") for name, _ in model.named_modules()):
        raise UnservableError("its tokens attend to those alone that an indexer chooses")
    register()
    model.set_attn_implementation(INSPECTED)
    inspection = Inspection(num_positions)
    with attending(inspection):
        decoder_of(model)(
            input_ids=token_ids.unsqueeze(0),
            attention_mask=torch.ones_like(token_ids).unsqueeze(0),
            position_ids=torch.arange(token_ids.shape[0], device=token_ids.device).unsqueeze(0),
            use_cache=False,
            return_dict=True,
        )
    plans = dict(sorted(inspection.layers.items()))
    if not plans:
        raise UnservableError("its attention does not go through transformers' attention interface")
    if len({(plan.num_kv_heads, plan.head_dim) for plan in plans.values()}) > 1:
        raise UnservableError("its layers differ in the number or the size of key-value heads")
    return plans


def probe_tokens(vocab_size: int, num_positions: int, device: torch.device) -> list[Tensor]:
    """Ids of two sequences."""
    generator = torch.Generator().manual_seed(0)
    low = min(vocab_size // 2, 1000)
    return [
        torch.randint(low, vocab_size, (min(length, num_positions),), generator=generator).to(
            device
        )
        for length in _LENGTHS
    ]


def probe_caches(config: ModelConfig, dtype: torch.dtype, device: torch.device) -> list[LayerCache]:
    """Of four blocks of 16."""
    num_blocks = 1 + max(block for row in _BLOCKS for block in row)
    shape = (num_blocks, _BLOCK_SIZE, config.num_key_value_heads, config.head_dim)

    def zeros() -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=device)

    return [(zeros(), zeros()) for _ in range(config.num_hidden_layers)]


def check(
    model: Model,
    token_ids: Sequence[Tensor],
    expected: Sequence[tuple[Tensor, Tensor]],
    caches: Sequence[LayerCache],
    *,
    exact: bool,
) -> None:
    """Raises UnservableError where steps over `caches`, made by `probe_caches`, give something
    else.

    `exact`: it is computed in float32, with unquantised weights.
    """
    made: list[list[Tensor]] = [[] for _ in token_ids]
    for step in _STEPS:
        parts = [
            (sequence, min(begin, len(ids)), min(end, len(ids)))
            for sequence, (ids, (begin, end)) in enumerate(zip(token_ids, step, strict=True))
        ]
        parts = [part for part in parts if part[1] < part[2]]
        if not parts:
            continue
        ids = torch.cat([token_ids[sequence][begin:end] for sequence, begin, end in parts])
        hidden = model(ids, _layout(parts), caches)
        sizes = [end - begin for _, begin, end in parts]
        for (sequence, *_), rows in zip(parts, hidden.split(sizes), strict=True):
            made[sequence].append(rows)
    tolerance = _TOLERANCE if exact else _COARSE_TOLERANCE
    for (hidden, logits), rows in zip(expected, made, strict=True):
        ours = torch.cat(rows)
        for what, right, found in (
            ("hidden states", hidden, ours),
            ("logits", logits, model.logits(ours)),
        ):
            errors = _errors(right.float(), found.float())
            difference = float(errors.max() if exact else errors.median())
            if not difference <= tolerance:
                raise UnservableError(
                    f"its {what} over a paged cache differ by {difference:.1%} from those that "
                    "transformers computes without one"
                )


def _errors(right: Tensor, found: Tensor) -> Tensor:
    """Of each token, relative to its size."""
    if right.shape != found.shape:
        raise UnservableError("its decoder and its output head cannot be told apart")
    return (right - found).norm(dim=-1) / right.norm(dim=-1)


def _layout(parts: Sequence[tuple[int, int, int]]) -> StepLayout:
    positions = [np.arange(begin, end, dtype=np.int64) for _, begin, end in parts]
    blocks = np.array([_BLOCKS[sequence] for sequence, *_ in parts], dtype=np.int32)
    slots = [
        row[at // _BLOCK_SIZE].astype(np.int64) * _BLOCK_SIZE + at % _BLOCK_SIZE
        for row, at in zip(blocks, positions, strict=True)
    ]
    return StepLayout(
        positions=np.concatenate(positions),
        slot_mapping=np.concatenate(slots),
        query_start=np.cumsum([0, *(len(at) for at in positions)], dtype=np.int32),
        seq_lens=np.array([end for *_, end in parts], dtype=np.int32),
        block_table=blocks,
        block_size=_BLOCK_SIZE,
    )
