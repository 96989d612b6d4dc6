"""Graphs and overlapped steps on a GPU: the same tokens as step by step, kernel by kernel."""

from __future__ import annotations

import pytest
import torch
from model_checkpoints import SHAPES, VOCAB_SIZE, save_checkpoint
from model_harness import Harness, random_prompts
from runner_driver import SAMPLING, Driver, make_graph_runner

from rostra.mesh.engine.graphs import CudaCapture
from rostra.mesh.ops import make_ops

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

PROMPTS = random_prompts([1, 5, 20, 33, 16], VOCAB_SIZE)
SETTINGS = {"device": "cuda", "max_model_len": 128, "num_blocks": 64}
EVERY_KIND = SAMPLING | {"with logprobs": SAMPLING["with logprobs"] | {"prompt_logprobs": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    save_checkpoint(folder, SHAPES["wide heads"])
    return folder


@pytest.fixture(scope="module")
def plain(folder):
    return Harness(folder, **SETTINGS, graphs=False, overlap=False)


@pytest.mark.parametrize("sampling", EVERY_KIND)
@pytest.mark.parametrize(
    "settings",
    [
        {"graphs": True, "overlap": False},
        {"graphs": False, "overlap": True},
        {"graphs": True, "overlap": True},
        {"graphs": True, "overlap": True, "speculation": "ngram"},
    ],
    ids=str,
)
def test_tokens_are_those_of_plain_steps(folder, plain, settings, sampling):
    expected = plain.generate(PROMPTS, 40, **EVERY_KIND[sampling])
    harness = Harness(folder, **SETTINGS, **settings)
    assert harness.runner.overlaps
    assert harness.generate(PROMPTS, 40, **EVERY_KIND[sampling]) == expected


def test_tokens_are_those_of_a_cpu(folder, plain):
    expected = Harness(folder, **(SETTINGS | {"device": "cpu"})).generate(PROMPTS, 40)
    assert plain.generate(PROMPTS, 40) == expected


def graph_driver(folder, graphs=True):
    device = torch.device("cuda")
    capture = CudaCapture(device) if graphs else None
    runner = make_graph_runner(folder, make_ops(device, torch.float32), None, capture, "cuda")
    runner.warm_up()
    return Driver(runner)


def test_decode_steps_are_replayed(folder, monkeypatch):
    replays = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(
        torch.cuda.CUDAGraph, "replay", lambda graph: (replays.append(graph), replay(graph))
    )
    driver, without = graph_driver(folder), graph_driver(folder, graphs=False)
    for one in (driver, without):
        for name in "abc":
            one.add(name, range(ord(name), ord(name) + 20))
    replays.clear()
    assert driver.run_overlapped(40) == without.run(40)
    # All but the step that computes the prompts.
    assert len(replays) == 19


@pytest.mark.parametrize("sampling", EVERY_KIND)
@pytest.mark.parametrize("graphs", [True, False])
def test_launching_waits_for_nothing(folder, graphs, sampling):
    """PyTorch raises for any call that would wait for the device."""
    driver = graph_driver(folder, graphs)
    for name in "abc":
        driver.add(name, range(ord(name), ord(name) + 20), **EVERY_KIND[sampling])
    pending = driver.launch()
    for _ in range(5):
        torch.cuda.set_sync_debug_mode("error")
        try:
            following = driver.launch()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        pending()
        pending = following
    pending()
