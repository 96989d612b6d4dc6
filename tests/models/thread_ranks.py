"""Tensor parallelism without processes: a thread for each rank, which meet at a barrier."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from rostra.mesh.engine.kv_cache import KVCache, KVCacheShape
from rostra.mesh.models import Model, load_model
from rostra.mesh.models.parallel import Parallel
from rostra.mesh.ops import Ops, StepLayout
from rostra.mesh.ops.torch_cpu import TorchCpuOps

CPU = torch.device("cpu")
BLOCK_SIZE = 16
Result = TypeVar("Result")


class Meeting:
    """Where all ranks leave something, and see what the others have left."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size, timeout=60)
        self._left: list[object] = [None] * size

    def exchange(self, rank: int, value: object) -> list:
        self._left[rank] = value
        self._barrier.wait()
        seen = list(self._left)
        self._barrier.wait()  # or the next exchange could overwrite what somebody has yet to see
        return seen

    def abort(self) -> None:
        self._barrier.abort()


class ThreadParallel(Parallel):
    def __init__(self, meeting: Meeting, rank: int, size: int) -> None:
        self.rank = rank
        self.size = self.local_size = size
        self._meeting = meeting

    def all_reduce(self, x: Tensor) -> Tensor:
        # Copies: the others add up what was there before this rank writes its sum.
        parts = self._meeting.exchange(self.rank, x.clone())
        return x.copy_(torch.stack(parts).sum(0))

    def gather_columns(self, x: Tensor) -> Tensor:
        parts = self._meeting.exchange(self.rank, x)
        return torch.cat(parts, 1) if self.rank == 0 else torch.full_like(torch.cat(parts, 1), 0)

    def least(self, value: int) -> int:
        return min(self._meeting.exchange(self.rank, value))


def run_ranks(size: int, work: Callable[[Parallel], Result]) -> list[Result]:
    """What `work` returns on each rank. Raises what it raises on any."""
    meeting = Meeting(size)

    def run(rank: int) -> Result:
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return work(ThreadParallel(meeting, rank, size))
        except BaseException:
            meeting.abort()
            raise

    with ThreadPoolExecutor(size) as threads:
        futures = [threads.submit(run, rank) for rank in range(size)]
    errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None and not isinstance(error, threading.BrokenBarrierError):
            raise error
    return [future.result() for future in futures]


def parallel_logits(
    folder: Path,
    size: int,
    token_ids: Sequence[int],
    chunks: Sequence[int],
    *,
    max_model_len: int | None = None,
    make_ops: Callable[[torch.dtype], Ops] = TorchCpuOps,
) -> Tensor:
    """float32 [tokens, vocab_size] of a checkpoint on `size` ranks; see `chunked_logits`."""

    def work(parallel: Parallel) -> Tensor:
        ops = make_ops(torch.float32)
        model = load_model(
            folder, CPU, torch.float32, max_model_len=max_model_len, ops=ops, parallel=parallel
        )
        return chunked_logits(model, token_ids, chunks)

    return run_ranks(size, work)[0]


def chunked_logits(model: Model, token_ids: Sequence[int], chunks: Sequence[int]) -> Tensor:
    """float32 [tokens, vocab_size] of one sequence, computed in steps of `chunks` tokens."""
    assert sum(chunks) == len(token_ids)
    shape = KVCacheShape.of(model, BLOCK_SIZE, model.dtype)
    cache = KVCache.allocate(shape, shape.blocks_for(len(token_ids)), CPU)
    tokens = torch.tensor(token_ids)
    hidden = [
        model(tokens[layout.positions], layout, cache.layers) for layout in _layouts(shape, chunks)
    ]
    return torch.cat([model.logits(part) for part in hidden])


def _layouts(shape: KVCacheShape, chunks: Sequence[int]) -> Iterator[StepLayout]:
    start = 0
    # Backwards, so that a block is not found by its position alone.
    blocks = np.arange(shape.blocks_for(sum(chunks)), dtype=np.int32)[::-1]
    for count in chunks:
        positions = np.arange(start, start + count)
        start += count
        yield StepLayout(
            positions=positions,
            slot_mapping=blocks[positions // BLOCK_SIZE] * BLOCK_SIZE + positions % BLOCK_SIZE,
            query_start=np.array([0, count], dtype=np.int32),
            seq_lens=np.array([start], dtype=np.int32),
            block_table=blocks[None].copy(),
            block_size=BLOCK_SIZE,
        )
