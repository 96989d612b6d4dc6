"""Our vectors against those that the model's own package computed: see all_minilm_l6_v2.json."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from rostra.mesh.embedding.build import build_embedding_runner
from rostra.mesh.embedding.engine import EmbeddingEngine
from rostra.mesh.embedding.task import choose_task
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import EmbeddingRequest
from rostra.mesh.text import Tokenizer

GOLDEN = json.loads(Path(__file__).with_name("all_minilm_l6_v2.json").read_text(encoding="utf-8"))
TEXTS = [entry["text"] for entry in GOLDEN["vectors"]]
VECTORS = np.stack(
    [np.frombuffer(base64.b64decode(entry["vector"]), "<f4") for entry in GOLDEN["vectors"]]
)


@pytest.mark.parametrize(
    ("quantization", "cosine"), [("auto", 0.999999), ("int8", 0.999)], ids=["float32", "int8"]
)
def test_vectors_equal_those_of_the_package(embedding_model, quantization, cosine):
    config = EngineConfig(
        model_path=str(embedding_model),
        dtype="float32",
        quantization=quantization,
        num_threads=1,
        max_num_batched_tokens=128,
    )
    assert choose_task(config) == "embed"
    runner = build_embedding_runner(config)
    assert (runner.pooling, runner.max_model_len, runner.embedding_size) == ("mean", 256, 384)
    engine = EmbeddingEngine(runner, config)
    tokenizer = Tokenizer.load(embedding_model)
    inputs = [tokenizer.encode(text) for text in TEXTS]
    engine.add_request(EmbeddingRequest(request_id="all", inputs=inputs))
    outputs = []
    while engine.has_work:
        outputs += engine.step()
    (output,) = outputs
    ours = np.stack([np.frombuffer(data, np.float32) for data in output.embeddings])
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1.0, atol=1e-6)
    assert (ours.astype(float) * VECTORS).sum(1).min() > cosine
