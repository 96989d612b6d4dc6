"""Several ranks compute what one computes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from model_checkpoints import save_checkpoint
from model_harness import random_prompts
from rank_engine import Made, Prompts, engine_config, generate
from rank_processes import RankProcesses

LAYOUTS: dict[str, dict[str, Any]] = {
    "multi-head": {"num_attention_heads": 4, "num_key_value_heads": 4},
    "grouped": {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 16},
    "fewer KV heads than 4 ranks": {"num_attention_heads": 8, "num_key_value_heads": 2},
    "multi-query, biased": {
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "tied": {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True},
}
"""The vocabulary, of 211, is divided by no number of ranks."""


def greedy(lengths: list[int], **settings: Any) -> Prompts:
    prompts = random_prompts(lengths, vocab_size=211)
    return {name: (tokens, settings) for name, tokens in prompts.items()}


def largest_difference(made: Made, alone: Made) -> float:
    assert made.logits.keys() == alone.logits.keys()
    return max((made.logits[key] - alone.logits[key]).abs().max().item() for key in alone.logits)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_logits_and_greedy_text(tmp_path: Path, ranks: RankProcesses, layout: str):
    save_checkpoint(tmp_path, {"hidden_size": 64} | LAYOUTS[layout])
    config = engine_config(tmp_path)
    prompts = greedy([3, 40, 17])
    alone, *_ = ranks.run(1, generate, config, prompts)
    assert len(alone.logits) == 3 * 12
    for size in (2, 4):
        made, *others = ranks.run(size, generate, config, prompts)
        assert others == [None] * (size - 1)
        assert made.token_ids == alone.token_ids
        assert largest_difference(made, alone) < 1e-4, size
