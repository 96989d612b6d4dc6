"""An engine on a CPU makes the same tokens with recorded decode steps and without."""

from __future__ import annotations

import pytest
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint
from model_harness import random_prompts

from rostra.mesh.engine.build import build_engine
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import EngineRequest, SamplingParams
from rostra.mesh.ops.native import library
from rostra.mesh.ops.native.recording import HostCapture

pytestmark = pytest.mark.skipif(library() is None, reason="no C++ compiler")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder, SHAPES["grouped, tied"])
    return folder


def generate(folder, **settings):
    config = EngineConfig(
        model_path=str(folder), max_model_len=96, num_blocks=40, block_size=8, **settings
    )
    engine = build_engine(config)
    # Of different lengths, so that requests come and go and every size of step occurs.
    for index, (name, prompt) in enumerate(random_prompts([3, 30, 9, 1, 17], VOCAB_SIZE).items()):
        sampling = SamplingParams(
            temperature=0.8 * (index % 2), seed=index, max_tokens=5 + 9 * index, logprobs=index
        )
        engine.add_request(
            EngineRequest(request_id=name, prompt_token_ids=prompt * 2, sampling=sampling)
        )
    outputs = []
    while engine.has_work:
        outputs += engine.step()
    return {
        name: [token for output in outputs if output.request_id == name for token in output.tokens]
        for name in {output.request_id for output in outputs}
    }


@pytest.mark.parametrize("settings", [{}, {"speculation": "ngram"}, {"quantization": "int4"}])
def test_same_tokens_and_logprobs(checkpoint, settings, monkeypatch):
    recorded = []
    record = HostCapture.__call__
    monkeypatch.setattr(
        HostCapture, "__call__", lambda self, work: recorded.append(work) or record(self, work)
    )
    plain = generate(checkpoint, graphs=False, **settings)
    assert not recorded
    assert generate(checkpoint, graphs=True, **settings) == plain
    assert len(recorded) >= 4
