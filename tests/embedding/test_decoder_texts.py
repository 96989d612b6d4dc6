"""Decoders pooled into vectors, against transformers: families of our own, and the fallback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from rostra.mesh.embedding.build import build_embedding_runner
from rostra.mesh.embedding.decoder import whole_texts
from rostra.mesh.embedding.task import choose_task
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError

VOCAB_SIZE = 97
SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}
LENGTHS = [5, 1, 17, 5, 40, 16]
INPUTS = [
    [(7 * i + 3 * position) % VOCAB_SIZE for position in range(length)]
    for i, length in enumerate(LENGTHS)
]


def save(folder: Path, architecture: str, **settings: Any) -> transformers.PreTrainedModel:
    kind = getattr(transformers, architecture)
    torch.manual_seed(0)
    model = kind(kind.config_class(**(SHAPE | settings))).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    return model


def lay_out(folder: Path, pooling: str) -> None:
    """As sentence-transformers does."""
    kinds = ["Transformer", "Pooling", "Normalize"]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{kind}"}
        for path, kind in zip(paths, kinds, strict=True)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))


def config(folder: Path, **settings: Any) -> EngineConfig:
    defaults = {"dtype": "float32", "num_threads": 1}
    return EngineConfig(model_path=str(folder), **(defaults | settings))


def embed(folder: Path, **settings: Any) -> np.ndarray:
    chosen = config(folder, **settings)
    assert choose_task(chosen) == "embed"
    return build_embedding_runner(chosen).embed(INPUTS)


@torch.no_grad()
def hidden_states(model: transformers.PreTrainedModel) -> list[Tensor]:
    base = getattr(model, "model", model)
    return [base(torch.tensor([ids])).last_hidden_state[0] for ids in INPUTS]


def close(ours: np.ndarray, theirs: list[Tensor]) -> None:
    np.testing.assert_allclose(ours, torch.stack(theirs).numpy(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("Qwen3ForCausalLM", {"tie_word_embeddings": True}),
        ("LlamaForCausalLM", {"tie_word_embeddings": False}),
        ("Gemma2ForCausalLM", {"sliding_window": 16, "query_pre_attn_scalar": 16}),
    ],
)
def test_the_last_tokens_hidden_states(tmp_path, architecture, settings):
    reference = save(tmp_path, architecture, **settings)
    lay_out(tmp_path, "lasttoken")
    close(embed(tmp_path), [text[-1] for text in hidden_states(reference)])


def test_the_mean_and_the_first_by_the_folder_or_by_the_flag(tmp_path):
    states = hidden_states(save(tmp_path, "Qwen3ForCausalLM"))
    lay_out(tmp_path, "mean")
    close(embed(tmp_path), [text.mean(0) for text in states])
    close(embed(tmp_path, pooling="cls"), [text[0] for text in states])
    (tmp_path / "modules.json").unlink()
    close(embed(tmp_path, task="embed"), [text[-1] for text in states])


@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_of_the_model_without_its_head(tmp_path, tied):
    """As AutoModel saves it, under the name of either."""
    reference = save(tmp_path, "Qwen3Model", tie_word_embeddings=tied)
    lay_out(tmp_path, "lasttoken")
    assert "norm.weight" in load_file(tmp_path / "model.safetensors")
    expected = [text[-1] for text in hidden_states(reference)]
    close(embed(tmp_path), expected)
    file = tmp_path / "config.json"
    named = json.loads(file.read_text()) | {"architectures": ["Qwen3ForCausalLM"]}
    file.write_text(json.dumps(named))
    close(embed(tmp_path), expected)


def test_a_model_of_the_fallback(tmp_path):
    settings = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128}
    reference = save(tmp_path, "GPT2LMHeadModel", **settings)
    lay_out(tmp_path, "mean")
    with torch.no_grad():
        states = [reference.transformer(torch.tensor([ids])).last_hidden_state[0] for ids in INPUTS]
    close(embed(tmp_path), [text.mean(0) for text in states])


def test_what_one_batch_leaves_in_the_cache_does_not_reach_the_next(tmp_path):
    save(tmp_path, "Qwen3ForCausalLM")
    runner = build_embedding_runner(config(tmp_path, task="embed", max_num_batched_tokens=64))
    alone = [runner.embed([ids])[0] for ids in INPUTS]
    runner.embed([[1] * 60] * 4)
    np.testing.assert_allclose(runner.embed(INPUTS), alone, atol=1e-5)


def test_the_longest_text(tmp_path):
    save(tmp_path, "Qwen3ForCausalLM")
    lay_out(tmp_path, "lasttoken")
    assert build_embedding_runner(config(tmp_path)).max_model_len == 256
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 32}')
    assert build_embedding_runner(config(tmp_path)).max_model_len == 32
    runner = build_embedding_runner(config(tmp_path, max_model_len=200, max_num_batched_tokens=8))
    assert runner.max_model_len == 200
    assert np.isfinite(runner.embed([[1] * 200])).all()
    with pytest.raises(RostraError, match="--max-model-len 257 is beyond the model's limit of 256"):
        build_embedding_runner(config(tmp_path, max_model_len=257))


def test_warming_up_computes_the_largest_steps(tmp_path, monkeypatch):
    save(tmp_path, "Qwen3ForCausalLM")
    runner = build_embedding_runner(config(tmp_path, task="embed", max_num_batched_tokens=64))
    steps = []
    embed = runner.embed
    monkeypatch.setattr(runner, "embed", lambda inputs: steps.append(embed(inputs)))
    runner.warm_up(num_tokens=64, num_texts=8)
    assert [step.shape for step in steps] == [(1, 64), (8, 64)]
    assert all(np.isfinite(step).all() for step in steps)


def test_a_tensor_too_many_is_refused(tmp_path):
    save(tmp_path, "Qwen3Model")
    file = tmp_path / "model.safetensors"
    save_file(load_file(file) | {"extra.weight": torch.zeros(2)}, file)
    with pytest.raises(RostraError, match=r"tensor model\.extra\.weight"):
        embed(tmp_path, task="embed")


def test_each_text_has_blocks_of_its_own():
    layout = whole_texts([3, 9, 4], block_size=4)
    assert layout.slot_mapping.tolist() == [*range(3), *range(4, 13), *range(16, 20)]
    assert layout.positions.tolist() == [*range(3), *range(9), *range(4)]
    assert layout.query_start.tolist() == [0, 3, 12, 16]
    assert layout.seq_lens.tolist() == [3, 9, 4]
    assert layout.block_table[:, 0].tolist() == [0, 1, 4]
    assert layout.block_table[1].tolist() == [1, 2, 3]
    assert layout.block_table.max() < 5
