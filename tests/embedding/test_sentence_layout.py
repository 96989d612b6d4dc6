"""What folders in the layout of sentence-transformers ask for, and which models embed."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from rostra.mesh.embedding.layout import SentenceLayout
from rostra.mesh.embedding.runner import pool
from rostra.mesh.embedding.task import choose_task
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError

PACKAGE = "sentence_transformers.models."
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": f"{PACKAGE}Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{PACKAGE}Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{PACKAGE}Normalize"},
]


def write(folder: Path, name: str, content: Any) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "modules.json", MODULES)
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    return tmp_path


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "last"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_the_pooling_of_older_and_newer_folders(folder, config, pooling):
    write(folder, "1_Pooling/config.json", config)
    assert SentenceLayout.read(folder) == SentenceLayout(pooling, None)


def test_the_longest_text(folder):
    write(folder, "sentence_bert_config.json", {"max_seq_length": 256, "do_lower_case": False})
    assert SentenceLayout.read(folder).max_seq_length == 256


def test_newer_folders_say_it_of_the_tokenizer(folder):
    forward = {"method": "forward", "method_output_name": "last_hidden_state"}
    settings = {"transformer_task": "feature-extraction", "modality_config": {"text": forward}}
    write(folder, "sentence_bert_config.json", settings)
    write(folder, "tokenizer_config.json", {"model_max_length": 512})
    assert SentenceLayout.read(folder).max_seq_length == 512
    write(folder, "tokenizer_config.json", {"model_max_length": 1e30})
    assert SentenceLayout.read(folder).max_seq_length > 2**62
    write(folder, "sentence_bert_config.json", {"max_seq_length": 256})
    assert SentenceLayout.read(folder).max_seq_length == 256


def test_a_folder_without_modules_says_nothing(tmp_path):
    assert SentenceLayout.read(tmp_path) == SentenceLayout()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("modules.json", [*MODULES, {"path": "3_Dense", "type": "x.Dense"}], "module Dense"),
        ("modules.json", [{"path": "0_T", "type": "Transformer"}], "lies in 0_T"),
        ("modules.json", [{"path": "../x", "type": "Pooling"}], "is no folder of the model's"),
        ("modules.json", [{"type": "Pooling"}], "with a type and a path"),
        ("modules.json", {}, "expected a list"),
        ("modules.json", "[", "cannot be read"),
        ("1_Pooling/config.json", {"pooling_mode": "max"}, "pooling by max is not supported"),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]}, "pooling by mean and cls"),
        ("1_Pooling/config.json", {}, "pooling by nothing"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "lower case"),
        ("sentence_bert_config.json", {"max_seq_length": "9"}, "max_seq_length is '9'"),
        ("sentence_bert_config.json", {"modality_config": {"message": {}}}, "a chat template"),
        (
            "sentence_bert_config.json",
            {"modality_config": {"text": {"method_output_name": "pooler_output"}}},
            "pools 'pooler_output'",
        ),
    ],
)
def test_what_would_make_other_vectors_is_refused(folder, name, content, message):
    write(folder, name, content)
    with pytest.raises(RostraError, match=message) as caught:
        SentenceLayout.read(folder)
    assert "\n" not in str(caught.value)


def test_a_default_prompt_is_told_of(folder, caplog):
    write(folder, "config_sentence_transformers.json", {"default_prompt_name": "query"})
    with caplog.at_level(logging.WARNING):
        SentenceLayout.read(folder)
    assert "'query' before every text" in caplog.text


def test_pooling():
    hidden = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 7.0]])
    assert pool(hidden, [2, 1], "last").tolist() == [[3, 2], [5, 7]]
    assert pool(hidden, [2, 1], "cls").tolist() == [[1, 0], [5, 7]]
    assert pool(hidden, [2, 1], "mean").tolist() == [[2, 1], [5, 7]]
    assert pool(hidden.bfloat16(), [3], "mean").dtype == torch.float32


def task(folder: Path, architecture: str, **settings: Any) -> str:
    write(folder, "config.json", {"architectures": [architecture]})
    return choose_task(EngineConfig(model_path=str(folder), **settings))


def test_which_models_embed(tmp_path, folder):
    assert task(folder, "LlamaForCausalLM") == "embed"
    (folder / "modules.json").unlink()
    assert task(folder, "LlamaForCausalLM") == "generate"
    assert task(folder, "LlamaForCausalLM", task="embed", pooling="mean") == "embed"
    assert task(folder, "BertModel") == "embed"


@pytest.mark.parametrize(
    ("architecture", "settings", "message"),
    [
        ("BertModel", {"task": "generate"}, "BertModel is an encoder, which generates no text"),
        ("LlamaForCausalLM", {"pooling": "cls"}, "--pooling cls is for embedding"),
        ("BertModel", {"kv_cache_bytes": 1}, "--kv-cache-bytes is for generation"),
        ("BertModel", {"speculation": "ngram"}, "--speculation is for generation"),
        ("BertModel", {"tensor_parallel_size": 2}, "--tp is for generation"),
        ("BertModel", {"max_adapters": 1}, "--max-adapters is for generation"),
    ],
)
def test_settings_of_the_other_task_are_refused(tmp_path, architecture, settings, message):
    with pytest.raises(RostraError, match=message):
        task(tmp_path, architecture, **settings)
