"""The runner against hand-written plans."""

from __future__ import annotations

import pytest
import torch
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint

from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.plan import NewRequest, ScheduledRequest, StepPlan
from rostra.mesh.engine.sampler import Sampler
from rostra.mesh.engine.warm_up import dummy_layout
from rostra.mesh.models import load_model

GREEDY = SamplingParams(temperature=0.0, max_tokens=8)
PROMPT = list(range(10, 30))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runner")
    return folder, save_checkpoint(folder, SHAPES["multi-head"])


def make_runner(folder, sampler=None):
    config = EngineConfig(
        model_path=str(folder),
        dtype="float32",
        num_threads=1,
        max_model_len=64,
        max_num_seqs=2,
        max_num_batched_tokens=32,
        num_blocks=8,
    )
    return build_runner(config, sampler=sampler)


def plan(*scheduled, new=(), finished=()):
    return StepPlan(list(finished), list(new), list(scheduled))


def new_request(request_id, token_ids=PROMPT):
    return NewRequest(request_id, token_ids, len(token_ids), GREEDY)


@torch.inference_mode()
def next_token(model, tokens):
    return model(torch.tensor([tokens])).logits[0, -1].argmax().item()


def test_samples_only_when_caught_up(checkpoint):
    folder, model = checkpoint
    runner = make_runner(folder)
    first = runner.launch(plan(ScheduledRequest("a", 0, 12, [5]), new=[new_request("a")])).result()
    assert first.sampled == []
    second = runner.launch(plan(ScheduledRequest("a", 12, 8, [2]))).result()
    (token,) = second.sampled
    assert (token.request_id, token.token_id) == ("a", next_token(model, PROMPT))
    third = runner.launch(plan(ScheduledRequest("a", 20, 1, []))).result()
    assert third.sampled[0].token_id == next_token(model, [*PROMPT, token.token_id])


def test_rows_are_freed_before_new_requests_come(checkpoint):
    folder, model = checkpoint
    runner = make_runner(folder)
    part = [ScheduledRequest(name, 0, 20, [2 * i, 2 * i + 1]) for i, name in enumerate("ab")]
    runner.launch(plan(*part, new=[new_request("a"), new_request("b")])).result()
    other = [7, 8, 9]
    result = runner.launch(
        plan(
            ScheduledRequest("c", 0, 3, [0]),
            ScheduledRequest("b", 20, 1, []),
            new=[new_request("c", other)],
            finished=["a", "never seen"],
        )
    ).result()
    assert [token.request_id for token in result.sampled] == ["c", "b"]
    assert result.sampled[0].token_id == next_token(model, other)


def test_token_that_could_not_be_chosen_is_not_appended(checkpoint):
    class Refusing(Sampler):
        def launch(self, logits, rows):
            logits = logits.clone()
            for row, values in zip(rows, logits, strict=True):
                if row.request_id == "a":
                    values[0] = torch.nan
            return super().launch(logits, rows)

    folder, _ = checkpoint
    runner = make_runner(folder, Refusing())
    parts = [ScheduledRequest(name, 0, 20, [2 * i, 2 * i + 1]) for i, name in enumerate("ab")]
    result = runner.launch(plan(*parts, new=[new_request("a"), new_request("b")])).result()
    assert [token.error is None for token in result.sampled] == [False, True]
    # Only b has a token 20 now; a has nothing that could be computed next.
    assert len(runner.launch(plan(ScheduledRequest("b", 20, 1, []))).result().sampled) == 1
    (token,) = runner.launch(plan(ScheduledRequest("a", 19, 1, []))).result().sampled
    assert token.request_id == "a"


def test_logits_that_are_not_finite_end_requests_with_an_error(tmp_path):
    model = save_checkpoint(tmp_path, SHAPES["multi-head"])
    model.lm_head.weight.data[5] = 3e38  # finite, and no product of it is
    model.save_pretrained(tmp_path)
    result = (
        make_runner(tmp_path)
        .launch(plan(ScheduledRequest("a", 0, 20, [0, 1]), new=[new_request("a")]))
        .result()
    )
    assert result.sampled[0].error


@pytest.mark.parametrize(
    ("num_seqs", "query_len", "seq_len"), [(1, 1, 1), (1, 32, 32), (2, 1, 64), (2, 16, 16)]
)
def test_dummy_steps_can_be_computed(checkpoint, num_seqs, query_len, seq_len):
    """What a GPU computes to measure its memory and to compile its kernels."""
    folder, _ = checkpoint
    model = load_model(folder, torch.device("cpu"), torch.float32)
    layout = dummy_layout(num_seqs, query_len, seq_len, 16)
    num_tokens = num_seqs * query_len
    assert len(layout.positions) == len(layout.slot_mapping) == layout.query_start[-1] == num_tokens
    assert layout.slot_mapping.max() < 16
    caches = [(torch.zeros(1, 16, 4, 16), torch.zeros(1, 16, 4, 16)) for _ in range(3)]
    with torch.inference_mode():
        hidden = model(torch.zeros(num_tokens, dtype=torch.int64), layout, caches)
    assert model.logits(hidden[:num_seqs]).shape == (num_seqs, VOCAB_SIZE)
    assert hidden.isfinite().all()
