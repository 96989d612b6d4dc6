"""From settings to an engine that is ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import choose_dtype, choose_num_threads, open_device
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.kv_cache import (
    KVCache,
    KVCacheShape,
    choose_num_blocks,
    free_device_bytes,
    free_host_bytes,
)
from rostra.mesh.engine.runner import Runner, RunnerLimits, dummy_layout
from rostra.mesh.engine.sampler import Sampler
from rostra.mesh.models import Model, load_model
from rostra.mesh.ops import Ops


def build_engine(
    config: EngineConfig, on_progress: Callable[[int, int], None] | None = None
) -> Engine:
    """Loads the model, takes the memory, compiles the kernels.

    `on_progress` is told the bytes of weights read so far and in all. Raises RostraError for what
    the user can mend: a device that is not there, a model that cannot be loaded, too little memory.
    """
    return Engine(build_runner(config, on_progress), config)


def build_runner(
    config: EngineConfig,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    ops: Ops | None = None,
    sampler: Sampler | None = None,
) -> Runner:
    """The part of `build_engine` that computes; `ops` and `sampler` can be replaced by others."""
    device = open_device(config.device)
    if device.type == "cpu":
        torch.set_num_threads(choose_num_threads(config.num_threads))
    dtype = choose_dtype(config.dtype, device)
    model = load_model(
        Path(config.model_path),
        device,
        dtype,
        on_progress,
        max_model_len=config.max_model_len,
        quantization=config.quantization,
        ops=ops,
    )
    limits = RunnerLimits(
        max_model_len=config.max_model_len or model.config.max_position_embeddings,
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens,
    )
    shape = KVCacheShape.of(model.config, config.block_size, dtype)
    num_blocks = choose_num_blocks(
        shape,
        num_blocks=config.num_blocks,
        kv_cache_bytes=config.kv_cache_bytes,
        free_bytes=_free_bytes(model, shape, limits, device),
        max_model_len=limits.max_model_len,
        max_num_seqs=limits.max_num_seqs,
    )
    runner = Runner(model, KVCache.allocate(shape, num_blocks, device), limits, sampler)
    runner.warm_up()
    return runner


def _free_bytes(
    model: Model, shape: KVCacheShape, limits: RunnerLimits, device: torch.device
) -> int:
    if device.type == "cpu":
        return free_host_bytes()
    return free_device_bytes(device, _largest_step_bytes(model, shape, limits, device))


@torch.inference_mode()
def _largest_step_bytes(
    model: Model, shape: KVCacheShape, limits: RunnerLimits, device: torch.device
) -> int:
    """What a GPU needs beside weights and cache, by doing the largest step once."""
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    num_seqs = min(limits.max_num_seqs, limits.max_num_batched_tokens)
    query_len = min(limits.max_num_batched_tokens // num_seqs, limits.max_model_len)
    layout = dummy_layout(num_seqs, query_len, query_len, shape.block_size)
    cache = KVCache.allocate(shape, 1, device)
    token_ids = torch.zeros(len(layout.positions), dtype=torch.int64, device=device)
    hidden = model(token_ids, layout, cache.layers)
    model.logits(hidden[:num_seqs]).softmax(-1)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
