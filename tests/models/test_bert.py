"""Encoders of BERT's kind against transformers, on small random checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

from rostra.mesh.errors import RostraError
from rostra.mesh.models.bert import BertModel
from rostra.mesh.models.encoders import load_encoder
from rostra.mesh.ops.torch_cpu import TorchCpuOps

VOCAB_SIZE = 99
SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 80,
    "max_position_embeddings": 64,
}
DISTIL = {
    "vocab_size": VOCAB_SIZE,
    "dim": 48,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_dim": 80,
    "max_position_embeddings": 64,
}
LENGTHS = [5, 5, 9, 1, 62]
TOLERANCE = 1e-4


def save(folder: Path, architecture: str, **settings: Any) -> PreTrainedModel:
    """Weights and biases are larger than at the start of training, so that each of them counts."""
    kind = getattr(transformers, architecture)
    torch.manual_seed(0)
    model = kind(kind.config_class(**settings)).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(-0.5, 1.5)
            else:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    return model


def load(folder: Path, **settings: Any) -> BertModel:
    return load_encoder(folder, torch.device("cpu"), torch.float32, **settings)


def random_texts(lengths: list[int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(5, VOCAB_SIZE, (length,), generator=generator) for length in lengths]


def distance(model: BertModel, reference: PreTrainedModel, lengths: list[int]) -> float:
    """The largest difference of any hidden state, ours computed together, theirs one by one."""
    texts = random_texts(lengths)
    with torch.inference_mode():
        ours = model(torch.cat(texts), lengths).split(lengths)
        theirs = [reference(text[None]).last_hidden_state[0] for text in texts]
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("BertModel", SHAPE),
        ("BertModel", SHAPE | {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3}),
        ("RobertaModel", SHAPE | {"type_vocab_size": 1}),
        ("XLMRobertaModel", SHAPE | {"hidden_act": "relu", "pad_token_id": 1}),
        ("CamembertModel", SHAPE | {"pad_token_id": 0}),
        ("DistilBertModel", DISTIL),
    ],
)
@pytest.mark.parametrize("kernels", ["compiled", "PyTorch"])
def test_hidden_states_equal_those_of_transformers(tmp_path, architecture, settings, kernels):
    reference = save(tmp_path, architecture, **settings)
    ops = TorchCpuOps(torch.float32) if kernels == "PyTorch" else None
    model = load(tmp_path, ops=ops)
    assert model.max_length in (62, 63, 64)
    assert distance(model, reference, LENGTHS) < TOLERANCE


@pytest.mark.parametrize(
    ("architecture", "settings", "base"),
    [
        ("BertForMaskedLM", SHAPE, "bert"),
        ("RobertaForMaskedLM", SHAPE, "roberta"),
        ("DistilBertForMaskedLM", DISTIL, "distilbert"),
    ],
)
def test_a_checkpoint_may_have_a_head(tmp_path, architecture, settings, base):
    reference = save(tmp_path, architecture, **settings)
    assert distance(load(tmp_path), getattr(reference, base), [7, 3]) < TOLERANCE


def test_a_text_does_not_see_its_neighbours(tmp_path):
    save(tmp_path, "BertModel", **SHAPE)
    model = load(tmp_path)
    texts = random_texts([6, 6, 11])
    with torch.inference_mode():
        together = model(torch.cat(texts), [6, 6, 11]).split([6, 6, 11])
        alone = [model(text, [len(text)]) for text in texts]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_eight_bits_stay_close(tmp_path):
    reference = save(tmp_path, "BertModel", **SHAPE)
    assert distance(load(tmp_path, quantization="int8"), reference, [12, 30]) < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": ["T5EncoderModel"]}, "T5EncoderModel is no supported encoder"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_act": "mish"}, "hidden_act: 'mish' is not supported"),
        ({"num_attention_heads": 7}, "do not divide the hidden size"),
        ({"intermediate_size": 81}, r"config.json asks for \[81, 48\]"),
        ({"num_hidden_layers": 4}, "lacks tensor encoder.layer.3"),
        ({"num_hidden_layers": 2}, "beyond what its config.json describes"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, change, message):
    save(tmp_path, "BertModel", **SHAPE)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(RostraError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
