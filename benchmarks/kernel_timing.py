"""Times of GPU kernels, and what the card can do at most."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch

Kernel = Callable[[], object]

FLUSH_BYTES = 256 * 2**20
"""Written before each measurement: more than any second-level cache holds, and long enough under
way for the host to have queued what is measured when it ends."""


class Timer:
    """Medians of interleaved repeats on the current CUDA device, with a cold second-level cache.

    Each candidate is captured in a CUDA graph, so that no time of the host is measured.
    """

    def __init__(self, repeats: int) -> None:
        self._repeats = repeats
        self._flush = torch.empty(FLUSH_BYTES, dtype=torch.int8, device="cuda")

    def seconds(self, *candidates: Kernel) -> list[float]:
        """The time of one call of each candidate."""
        graphs = [_captured(candidate) for candidate in candidates]
        times: list[list[float]] = [[] for _ in graphs]
        for _ in range(self._repeats):
            for graph, found in zip(graphs, times, strict=True):
                start = torch.cuda.Event(enable_timing=True)
                end = torch.cuda.Event(enable_timing=True)
                self._flush.zero_()
                start.record()
                graph.replay()
                end.record()
                end.synchronize()
                found.append(start.elapsed_time(end) / 1000)
        return [statistics.median(found) for found in times]

    def copy_rate(self, num_bytes: int) -> float:
        """Bytes read and written in a second by a copy that moves `num_bytes` altogether."""
        source = torch.empty(max(1, num_bytes // 2), dtype=torch.int8, device="cuda")
        target = torch.empty_like(source)
        (seconds,) = self.seconds(lambda: target.copy_(source))
        return num_bytes / seconds

    def matmul_rate(self, dtype: torch.dtype, size: int = 8192) -> float:
        """FLOP/s of a square product."""
        a = torch.randn(size, size, device="cuda", dtype=dtype)
        b = torch.randn(size, size, device="cuda", dtype=dtype)
        out = torch.empty_like(a)
        (seconds,) = self.seconds(lambda: torch.mm(a, b, out=out))
        return 2 * size**3 / seconds


def _captured(kernel: Kernel) -> torch.cuda.CUDAGraph:
    # Compiles first, on a stream of its own, as capturing asks for.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            kernel()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kernel()
    return graph


def largest_error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative to the largest number expected; infinite where something is not a number."""
    if not bool(torch.isfinite(actual).all()):
        return float("inf")
    scale = max(1e-6, float(expected.float().abs().max()))
    return float((actual.float() - expected.float()).abs().max()) / scale


def tolerance(dtypes: Sequence[torch.dtype]) -> float:
    """Three roundings in the coarsest of the types computed in."""
    return 3 * max(torch.finfo(dtype).eps for dtype in dtypes)
