"""Decode steps that are recorded once and replayed on inputs that were filled anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from model_checkpoints import SHAPES, save_checkpoint

from rostra.mesh.engine.graphs import GraphSizes, graph_bytes_estimate
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.plan import NewRequest, ScheduledRequest
from rostra.mesh.engine.requests import RequestTable, RunnerLimits
from rostra.mesh.models import ModelConfig

SCRIPT = Path(__file__).with_name("graph_wiring.py")
LIMITS = RunnerLimits(
    max_model_len=64, max_num_seqs=6, max_num_batched_tokens=128, num_draft_tokens=2
)


def step(*parts):
    """(known tokens, new tokens, drafts) of each request."""
    table = RequestTable(LIMITS, 16)
    scheduled = []
    for index, (known, new, drafts) in enumerate(parts):
        table.add(NewRequest(f"{index}", [1] * known, 1, SamplingParams()))
        scheduled.append(ScheduledRequest(f"{index}", known - new, new, [0] * 4, [1] * drafts))
    return table.lay_out(scheduled)


def test_sizes_end_with_the_largest_step():
    sizes = GraphSizes.of(LIMITS)
    assert sizes.plain == [1, 2, 4, 6]
    assert sizes.drafted == [1, 2, 4, 8, 16, 18]
    assert sizes.largest == 18
    assert [kind[:2] for kind in sizes.descending()][:3] == [(18, True), (16, True), (8, True)]
    assert GraphSizes.of(RunnerLimits(64, 300, 128)).plain[-4:] == [104, 112, 120, 128]
    assert GraphSizes.of(RunnerLimits(64, 200, 2048)).plain[-4:] == [128, 160, 192, 200]
    assert not GraphSizes.of(RunnerLimits(64, 8, 128)).drafted


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ([(5, 1, 0)], (1, False)),
        ([(5, 1, 0)] * 3, (4, False)),
        ([(5, 1, 0)] * 6, (6, False)),
        ([(5, 1, 2), (9, 1, 0)], (4, True)),
        ([(5, 1, 2)] * 6, (18, True)),
        ([(5, 1, 3)], None),
        ([(5, 2, 0)], None),
        ([(5, 1, 0), (9, 9, 0)], None),
    ],
    ids=str,
)
def test_graph_that_fits_a_step(parts, size):
    kind = GraphSizes.of(LIMITS).fitting(step(*parts))
    assert (None if kind is None else kind[:2]) == size
    assert kind is None or not kind.adapted


def test_one_token_of_a_prompt_that_is_not_its_last_is_no_decode_step():
    table = RequestTable(LIMITS, 16)
    table.add(NewRequest("a", [1] * 9, 9, SamplingParams()))
    assert not table.lay_out([ScheduledRequest("a", 4, 1, [0])]).is_decode


def test_estimate_of_memory_covers_what_stays_allocated(tmp_path):
    save_checkpoint(tmp_path, SHAPES["multi-head"])
    config = ModelConfig.read(tmp_path)
    for seqs in (1, 8, 100):
        limits = RunnerLimits(64, seqs, 2048)
        logits = 4 * seqs * config.vocab_size
        few = graph_bytes_estimate(config, torch.bfloat16, limits, 16)
        drafted = RunnerLimits(64, seqs, 2048, num_draft_tokens=4)
        assert logits < few < graph_bytes_estimate(config, torch.bfloat16, drafted, 16)


def test_replayed_steps_equal_the_plain_ones(tmp_path):
    """In Triton's interpreter, where replaying is computing again on the same inputs."""
    pytest.importorskip("triton")
    save_checkpoint(tmp_path, SHAPES["multi-query, biased"] | {"num_hidden_layers": 1})
    child = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        env=os.environ
        | {
            "TRITON_INTERPRET": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout)
    assert all(found["plain"].values())
    for way in ("late", "drafted"):
        assert found[way] == found["plain"], way
    assert found["num_replayed"] == [3, 3]
    assert found["largest_difference"] < 1e-4
