"""How large the KV cache becomes, and which device and precision are taken."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model_checkpoints import SHAPES, save_checkpoint

from rostra.mesh.engine.build import build_engine, build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import available_host_memory, choose_dtype, open_device
from rostra.mesh.engine.kv_cache import KVCache, KVCacheShape, choose_num_blocks
from rostra.mesh.errors import RostraError

SHAPE = KVCacheShape(num_layers=3, block_size=16, num_kv_heads=2, head_dim=8, dtype=torch.float32)


def choose(**changes):
    settings = {
        "num_blocks": None,
        "kv_cache_bytes": None,
        "free_bytes": 10**9,
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
    with pytest.raises(RostraError, match=r"--kv-cache-bytes to at least 43008.*--max-model-len"):
        choose(**setting)


def test_two_sizes_are_refused():
    with pytest.raises(RostraError, match="not both"):
        choose(num_blocks=10, kv_cache_bytes=10**6)


@pytest.mark.parametrize("name", ["gpu", "mps", "cuda:99", "cpu:x"])
def test_device_that_is_not_here_is_refused(name):
    with pytest.raises(RostraError, match=f"--device {name}") as caught:
        open_device(name)
    assert "\n" not in str(caught.value)


def test_dtype_on_a_cpu():
    cpu = open_device("cpu")
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert choose_dtype("auto", cpu) == (torch.bfloat16 if native else torch.float32)
    assert choose_dtype("float16", cpu) == torch.float16


def test_host_memory_is_no_more_than_the_host_has():
    assert 0 < available_host_memory() < 2**50


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
