"""How large the KV cache becomes, and which device and precision are taken."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model_checkpoints import SHAPES, save_checkpoint

from rostra.mesh.engine.build import build_engine, build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import open_device
from rostra.mesh.engine.kv_cache import KVCache, KVCacheShape, choose_num_blocks
from rostra.mesh.errors import RostraError

SHAPE = KVCacheShape(num_layers=3, block_size=16, num_kv_heads=2, head_dim=8, dtype=torch.float32)


def choose(**changes):
    settings = {
        "num_blocks": None,
        "kv_cache_bytes": None,
        "free_bytes": 10**9,
        "share": 1.0,
        "max_model_len": 100,
        "max_num_seqs": 4,
    }
    return choose_num_blocks(SHAPE, **(settings | changes))


def test_bytes_of_a_block_are_those_of_the_tensors():
    cache = KVCache.allocate(SHAPE, 5, torch.device("cpu"))
    assert sum(x.nbytes for layer in cache.layers for x in layer) == 5 * SHAPE.bytes_per_block
    assert (cache.num_blocks, cache.block_size) == (5, 16)


def test_cache_is_no_larger_than_can_be_used():
    assert choose() == 4 * 7


def test_cache_takes_its_share_of_what_is_free():
    assert choose(free_bytes=40 * SHAPE.bytes_per_block, share=0.25) == 10
    assert choose(free_bytes=10 * SHAPE.bytes_per_block, share=0.25, num_blocks=10) == 10


def test_one_byte_keys_take_half_the_memory_of_bfloat16():
    halves = [
        dataclasses.replace(SHAPE, dtype=dtype).bytes_per_block
        for dtype in (torch.float8_e4m3fn, torch.bfloat16)
    ]
    assert halves[1] == 2 * halves[0]
    shape = dataclasses.replace(SHAPE, dtype=torch.float8_e4m3fn)
    cache = KVCache.allocate(shape, 5, torch.device("cpu"))
    assert cache.layers[0][0].dtype == torch.float8_e4m3fn
    assert sum(x.nbytes for layer in cache.layers for x in layer) == 5 * shape.bytes_per_block


@given(st.integers(7, 1000), st.integers(0, 10_000))
def test_bytes_given_are_used_and_not_exceeded(blocks, rest):
    given_bytes = blocks * SHAPE.bytes_per_block + rest % SHAPE.bytes_per_block
    assert choose(kv_cache_bytes=given_bytes) == blocks


@pytest.mark.parametrize(
    "setting",
    [
        {"num_blocks": 6},
        {"kv_cache_bytes": 7 * SHAPE.bytes_per_block - 1},
        {"free_bytes": 6 * SHAPE.bytes_per_block},
    ],
    ids=str,
)
def test_cache_too_small_for_one_sequence_names_the_flags(setting):
    with pytest.raises(
        RostraError,
        match=r"6 blocks \(96 tokens.*--kv-cache-bytes to at least 43008.*--max-model-len to 96",
    ):
        choose(**setting)


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ({"num_blocks": 21}, "num_blocks to at most 20"),
        ({"kv_cache_bytes": 21 * 6144}, "--kv-cache-bytes to at most 122880"),
    ],
    ids=str,
)
def test_cache_larger_than_what_is_free_says_what_would_fit(setting, remedy):
    with pytest.raises(RostraError, match=rf"21 blocks.*20 blocks \(320 tokens.*{remedy}"):
        choose(free_bytes=21 * SHAPE.bytes_per_block - 1, **setting)


def test_two_sizes_are_refused():
    with pytest.raises(RostraError, match="not both"):
        choose(num_blocks=10, kv_cache_bytes=10**6)


@pytest.mark.parametrize("name", ["gpu", "mps", "cuda:99", "cpu:x"])
def test_device_that_is_not_here_is_refused(name):
    with pytest.raises(RostraError, match=f"--device {name}") as caught:
        open_device(name)
    assert "\n" not in str(caught.value)


def test_runner_tells_what_it_is(tmp_path):
    save_checkpoint(tmp_path, SHAPES["multi-head"])
    seen = []
    config = EngineConfig(
        model_path=str(tmp_path), dtype="bfloat16", max_model_len=64, num_blocks=9
    )
    runner = build_runner(config, lambda done, total: seen.append(done / total))
    assert (runner.num_blocks, runner.block_size, runner.max_model_len) == (9, 16, 64)
    assert (runner.vocab_size, runner.dtype) == (211, torch.bfloat16)
    assert runner.device_name
    assert seen[-1] == 1.0


def test_engine_takes_the_models_own_limit(tmp_path):
    save_checkpoint(tmp_path, SHAPES["multi-head"])
    engine = build_engine(EngineConfig(model_path=str(tmp_path), max_num_seqs=2))
    assert engine.load().kv_blocks_total == 2 * 2048 // 16
