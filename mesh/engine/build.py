"""From settings to an engine that is ready."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from rostra.mesh.adapters import AdapterSlots
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import choose_num_threads, device_name, open_device
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.engine.graphs import Capture, CudaCapture, graph_bytes_estimate
from rostra.mesh.engine.kv_cache import KVCache, KVCacheShape, choose_num_blocks
from rostra.mesh.engine.memory import free_bytes, in_gib, shortage, told_when_short
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.requests import RunnerLimits
from rostra.mesh.engine.runner import Runner
from rostra.mesh.engine.sampler import Sampler, SamplingRow
from rostra.mesh.engine.support import cache_dtype, check_support
from rostra.mesh.engine.warm_up import dummy_layout
from rostra.mesh.errors import RostraError
from rostra.mesh.grammar.compiled import Vocabulary
from rostra.mesh.models import Model, load_model
from rostra.mesh.models.parallel import ALONE, Parallel
from rostra.mesh.models.stored import open_weights
from rostra.mesh.ops import Ops
from rostra.mesh.ops.native import library
from rostra.mesh.ops.native.recording import HostCapture

log = logging.getLogger(__name__)

_HOST_SHARE = 0.25
"""Of the memory available on a host: others live there too."""
_DEVICE_RESERVE = 0.05
"""Of a GPU's memory, kept free for what measuring one step does not see."""
_BYTES_PER_WEIGHT = {"int8": 1.0, "fp8": 1.0, "int4": 0.5}
_COSTLIEST_SAMPLING = SamplingParams(
    top_k=50, top_p=0.9, min_p=0.05, repetition_penalty=1.1, frequency_penalty=0.1, logprobs=5
)
_SMALLER_WEIGHTS = "choose a smaller model, or quantise the weights with --quantization"
_FEWER_ADAPTERS = "lower --max-adapters or --max-adapter-rank"
_SMALLER_STEP = "lower --max-num-batched-tokens or --max-num-seqs"


def build_engine(
    config: EngineConfig, on_progress: Callable[[int, int], None] | None = None
) -> Engine:
    """Loads the model, takes the memory, compiles the kernels.

    `on_progress` is told the bytes of weights read so far and in all. Raises RostraError for what
    the user can mend: a device that is not there, or cannot do what the settings ask for, a model
    that cannot be loaded, too little memory.
    """
    return Engine(build_runner(config, on_progress), config)


def build_runner(
    config: EngineConfig,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    ops: Ops | None = None,
    sampler: Sampler | None = None,
    parallel: Parallel = ALONE,
) -> Runner:
    """The part of `build_engine` that computes; `ops` and `sampler` can be replaced by others.

    Of a `parallel` group, this rank's part. All ranks make the same choices.
    """
    device = open_device(config.device)
    dtype = check_support(config, device)
    if device.type == "cpu":
        torch.set_num_threads(choose_num_threads(config.num_threads, parallel.local_size))
    model = _load(config, device, dtype, on_progress, ops, parallel)
    limits = RunnerLimits(
        max_model_len=config.max_model_len or model.config.max_position_embeddings,
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens,
        num_draft_tokens=config.num_draft_tokens if config.speculation != "off" else 0,
        num_adapter_slots=config.max_adapters,
    )
    adapters = _adapter_slots(model, config, device, dtype) if config.max_adapters else None
    shape = KVCacheShape.of(model, config.block_size, cache_dtype(config, dtype))
    parallel.wait()  # until the others have their weights, which may be in the same memory
    free = _free_bytes(device, parallel)
    if adapters is not None and device.type == "cpu":
        free -= adapters.num_bytes(model, adapters.num_slots, adapters.max_rank, dtype)
    if device.type == "cuda":
        free -= int(_DEVICE_RESERVE * torch.cuda.mem_get_info(device)[1])
        free -= _largest_step_bytes(model, shape, limits, device)
        if config.graphs and model.capturable:
            free -= graph_bytes_estimate(model.config, dtype, limits, config.block_size)
    num_blocks = choose_num_blocks(
        shape,
        num_blocks=config.num_blocks,
        kv_cache_bytes=config.kv_cache_bytes,
        free_bytes=parallel.least(free),
        share=_HOST_SHARE if device.type == "cpu" else 1.0,
        max_model_len=limits.max_model_len,
        max_num_seqs=limits.max_num_seqs,
    )
    num_bytes = num_blocks * shape.bytes_per_block
    with told_when_short("the KV cache", num_bytes, device, "lower --kv-cache-bytes"):
        cache = KVCache.allocate(shape, num_blocks, device)
    capture = _capture(device, model, ops) if config.graphs else None
    on_demand = device.type == "cpu"
    path, vocab_size = Path(config.model_path), model.config.vocab_size
    runner = Runner(
        model,
        cache,
        limits,
        sampler,
        capture,
        on_demand=on_demand,
        adapters=adapters,
        # Rank 0 chooses the tokens.
        grammars=None if parallel.rank else Grammars(lambda: Vocabulary.load(path, vocab_size)),
    )
    runner.warm_up()
    log.info("%s", _describe(config, device, dtype, shape, num_blocks, parallel, capture))
    return runner


def _adapter_slots(
    model: Model, config: EngineConfig, device: torch.device, dtype: torch.dtype
) -> AdapterSlots:
    count, rank = config.max_adapters, config.max_adapter_rank
    needed = AdapterSlots.num_bytes(model, count, rank, dtype)
    free = free_bytes(device)
    if needed > free:
        raise RostraError(shortage("room for adapters", needed, free, device, _FEWER_ADAPTERS))
    with told_when_short("room for adapters", needed, device, _FEWER_ADAPTERS):
        return AdapterSlots(model, count, rank, device, dtype)


def _capture(device: torch.device, model: Model, ops: Ops | None) -> Capture | None:
    """What records decode steps of the device's own operations; None where nothing can."""
    if device.type == "cuda":
        return CudaCapture(device) if model.capturable else None
    kernels = library()
    if kernels is None or ops is not None or not model.recordable:
        return None
    return HostCapture(kernels)


def _load(
    config: EngineConfig,
    device: torch.device,
    dtype: torch.dtype,
    on_progress: Callable[[int, int], None] | None,
    ops: Ops | None,
    parallel: Parallel,
) -> Model:
    with room_for_weights(config, device, dtype, parallel):
        return load_model(
            Path(config.model_path),
            device,
            dtype,
            on_progress,
            max_model_len=config.max_model_len,
            quantization=config.quantization,
            ops=ops,
            parallel=parallel,
        )


@contextmanager
def room_for_weights(
    config: EngineConfig, device: torch.device, dtype: torch.dtype, parallel: Parallel = ALONE
) -> Iterator[None]:
    """Around the loading of a model: raises RostraError where its weights take more memory than
    there is."""
    path = Path(config.model_path)
    least = _least_weight_bytes(path, config, dtype) // parallel.size
    free = parallel.least(_free_bytes(device, parallel))
    weights = f"the weights of {path}"
    # A host promises memory that it does not have, and kills the process that uses it.
    if least > free:
        raise RostraError(shortage(weights, least, free, device, _SMALLER_WEIGHTS))
    with told_when_short(weights, least, device, _SMALLER_WEIGHTS):
        yield


def _free_bytes(device: torch.device, parallel: Parallel) -> int:
    """What this rank may take: those of a host without GPUs share its memory."""
    return free_bytes(device) // (parallel.local_size if device.type == "cpu" else 1)


def _least_weight_bytes(path: Path, config: EngineConfig, dtype: torch.dtype) -> int:
    per_weight = _BYTES_PER_WEIGHT.get(config.quantization, dtype.itemsize)
    kept = config.quantization == "auto"
    with open_weights(path) as weights:
        return sum(
            weights.num_bytes(name)
            if kept and weights.is_coded(name)
            else int(per_weight * math.prod(weights.shape(name)))
            for name in weights.names
        )


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
    num_rows = min(num_seqs * (1 + limits.num_draft_tokens), len(layout.positions))
    rows = [SamplingRow("", _COSTLIEST_SAMPLING, [0, 0], 1)] * num_rows
    logits_bytes = 4 * num_rows * model.config.vocab_size
    with told_when_short("the largest step", logits_bytes, device, _SMALLER_STEP):
        cache = KVCache.allocate(shape, 1, device)
        token_ids = torch.zeros(len(layout.positions), dtype=torch.int64, device=device)
        hidden = model(token_ids, layout, cache.layers)
        Sampler().launch(model.logits(hidden[:num_rows]), rows).result()
    return torch.cuda.max_memory_allocated(device) - before


def _describe(
    config: EngineConfig,
    device: torch.device,
    dtype: torch.dtype,
    shape: KVCacheShape,
    num_blocks: int,
    parallel: Parallel,
    capture: Capture | None,
) -> str:
    """What the settings came to, in one line."""
    parts = [
        f"device {device} ({device_name(device)})",
        f"dtype {_name(dtype)}",
        f"quantization {config.quantization}",
        f"KV cache {num_blocks * shape.block_size} tokens "
        f"({in_gib(num_blocks * shape.bytes_per_block)}, {_name(shape.dtype)})",
    ]
    if device.type == "cpu":
        parts.append(f"{torch.get_num_threads()} threads")
        parts.append(f"compiled kernels: {'yes' if library() is not None else 'no'}")
    else:
        parts.append(f"graphs: {'no' if capture is None else 'yes'}")
    if parallel.size > 1:
        parts.append(f"rank {parallel.rank} of {parallel.size}")
    return ", ".join(parts)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
