"""What this machine can do at best: memory bandwidth, and a model's matrix products alone.

    python -m benchmarks.floors --batch 1 --batch 16
    python -m benchmarks.floors --random llama-8b --device cuda --batch 1 --batch 64

Other benchmarks divide by these, measured beside what they measure.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.models import add_model_options, choose_model, projections
from benchmarks.results import Row, add_output_options, report
from rostra.mesh.engine.config import Quantization
from rostra.mesh.engine.device import choose_dtype, choose_num_threads, open_device
from rostra.mesh.errors import RostraError
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.ops import Linear, make_ops

MakeLinear = Callable[[Tensor, bool], Linear]
"""From a weight [out, in] and whether it is sensitive (see `Ops.linear`)."""

BITS: dict[str, int] = {"int8": 8, "fp8": 8, "int4": 4}
_BEYOND_CACHES = 1 << 30
"""Bytes of weights that are enough for each to come from memory, not from a processor's caches."""


def seconds(run: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """The least of several runs. On a GPU they are replays of a graph, so that no launch counts."""
    if device.type == "cpu":
        return min(_on_host(run) for _ in range(repeats))
    run()
    torch.cuda.synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return min(_on_device(graph) for _ in range(repeats))


def _on_host(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _on_device(graph: torch.cuda.CUDAGraph) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    graph.replay()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000


def copy_bandwidth(device: torch.device, size: int = 1 << 28) -> float:
    """Bytes a second read and written by a copy of `size` bytes."""
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    return 2 * size / seconds(lambda: target.copy_(source), device)


def read_bandwidth(device: torch.device, size: int = 1 << 28) -> float:
    """Bytes a second read by the faster of a sum and a matrix-vector product over `size` bytes."""
    matrix = torch.ones(size // 4 // 4096, 4096, device=device)
    vector = torch.ones(4096, device=device)
    reads = (matrix.sum, lambda: torch.mv(matrix, vector))
    return size / min(seconds(read, device) for read in reads)


def plain(dtype: torch.dtype, device: torch.device) -> MakeLinear:
    """oneDNN's packed product on a CPU, the vendor's own on a GPU."""
    if device.type == "cpu":
        apply = torch.ops.mkldnn._linear_pointwise.default

        def packed(weight: Tensor, sensitive: bool) -> Linear:
            laid_out = torch.ops.mkldnn._reorder_linear_weight(weight, None)
            return lambda x: apply(x, laid_out, None, "none", [], "")

        return packed
    return lambda weight, sensitive: lambda x: functional.linear(x, weight)


def engines_own(dtype: torch.dtype, quantization: Quantization, device: torch.device) -> MakeLinear:
    """The linear maps that an engine with these settings computes with. Raises RostraError."""
    ops = make_ops(device, dtype, quantization)
    return lambda weight, sensitive: ops.linear(weight, None, sensitive=sensitive)


def weight_bytes(config: ModelConfig, quantization: Quantization) -> int:
    """Least bytes of all linear maps in memory: without scales, heads at eight bits or more, and
    what is not quantised in 16 bits, as checkpoints have it."""
    total = 0.0
    for out_features, in_features, sensitive in projections(config):
        bits = BITS.get(quantization, 16)
        total += out_features * in_features * (max(bits, 8) if sensitive else bits) / 8
    return int(total)


def kv_bytes_per_token(config: ModelConfig, item_size: int) -> int:
    per_layer = 2 * config.num_key_value_heads * config.head_dim * item_size
    return per_layer * config.num_hidden_layers


@dataclass
class MatmulFloor:
    """The linear maps of a model and nothing between them.

    As many layers as exceed the processor's caches stand for all.
    """

    config: ModelConfig
    device: torch.device
    dtype: torch.dtype
    make: MakeLinear

    @torch.inference_mode()
    def __post_init__(self) -> None:
        shapes = list(projections(self.config))
        per_layer = len(shapes) // self.config.num_hidden_layers
        layer_bytes = sum(o * i for o, i, _ in shapes[:per_layer]) * self.dtype.itemsize
        enough = -(-_BEYOND_CACHES // layer_bytes)
        kept = min(self.config.num_hidden_layers, enough)
        self._share = self.config.num_hidden_layers / kept
        self._layers = [self._linear(*shape) for shape in shapes[: kept * per_layer]]
        self._head = self._linear(*shapes[-1])

    @torch.inference_mode()
    def seconds(self, rows: int, head_rows: int, repeats: int = 5) -> float:
        """Of one step with `rows` tokens, for `head_rows` of which the next token is wanted."""
        inputs = {
            (width, count): torch.randn(count, width, device=self.device).to(self.dtype)
            for width, _ in (*self._layers, self._head)
            for count in (rows, head_rows)
        }

        def layers() -> None:
            for width, linear in self._layers:
                linear(inputs[width, rows])

        def head() -> None:
            width, linear = self._head
            linear(inputs[width, head_rows])

        in_layers = seconds(layers, self.device, repeats) * self._share
        return in_layers + seconds(head, self.device, repeats)

    def _linear(self, out_features: int, in_features: int, sensitive: bool) -> tuple[int, Linear]:
        # Numbers that fit into 16 bits, as those of checkpoints do: engines may store them so.
        weight = torch.empty(out_features, in_features, device=self.device, dtype=torch.bfloat16)
        weight.normal_(0.0, in_features**-0.5)
        return in_features, self.make(weight.to(self.dtype), sensitive)


def formats(device: torch.device) -> list[tuple[torch.dtype, Quantization]]:
    """Every format of weights that an engine may be asked for here."""
    auto = choose_dtype("auto", device)
    sixteen: list[torch.dtype] = [torch.bfloat16, torch.float16]
    stored: list[tuple[torch.dtype, Quantization]] = [(dtype, "none") for dtype in sixteen]
    quantised: list[Quantization] = ["int8", "int4", "fp8"]
    return list(dict.fromkeys([(auto, "none"), *stored, *((auto, each) for each in quantised)]))


def measure(
    config: ModelConfig, device: torch.device, batches: Sequence[int], repeats: int
) -> list[Row]:
    """A row for each format that this device has; the others are named with the reason."""
    auto = choose_dtype("auto", device)
    rows: list[Row] = []
    copy = statistics.median(copy_bandwidth(device) for _ in range(3))
    read = statistics.median(read_bandwidth(device) for _ in range(3))
    print(f"copy {copy / 1e9:.1f} GB/s, read {read / 1e9:.1f} GB/s", file=sys.stderr, flush=True)
    floor = MatmulFloor(config, device, auto, plain(auto, device))
    peers = {batch: floor.seconds(batch, batch, repeats) for batch in batches}
    for dtype, quantization in formats(device):
        name = f"{str(dtype).removeprefix('torch.')}, {quantization}"
        print(f"matmuls alone: {name}", file=sys.stderr, flush=True)
        try:
            own = MatmulFloor(config, device, dtype, engines_own(dtype, quantization, device))
        except RostraError as error:
            rows.append({"format": name, "not measured": str(error)})
            continue
        for batch in batches:
            again = floor.seconds(batch, batch, repeats)
            peers[batch] = min(peers[batch], again)
            took = own.seconds(batch, batch, repeats)
            at_least = weight_bytes(config, quantization) / read
            rows.append(
                {
                    "format": name,
                    "batch": batch,
                    "ms": took * 1000,
                    "unquantised_ms": peers[batch] * 1000,
                    "speed_to_unquantised": peers[batch] / took,
                    "share_of_read_bandwidth": at_least / took,
                    "copy_gb_per_s": copy / 1e9,
                    "read_gb_per_s": read / 1e9,
                }
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_model_options(parser)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, action="append", help="may be repeated")
    parser.add_argument("--repeats", type=int, default=5, help="the least of so many counts")
    parser.add_argument("--threads", type=int, help="default: as many as an engine takes")
    add_output_options(parser)
    args = parser.parse_args(arguments)
    args.batch = args.batch or [1, 4, 16, 32]
    try:
        device = open_device(args.device)
        torch.set_num_threads(choose_num_threads(args.threads))
        model = choose_model(args)
        args.model = model.name
        rows = measure(model.config, device, args.batch, args.repeats)
    except RostraError as error:
        raise SystemExit(str(error)) from None
    report(args, "floors", rows)


if __name__ == "__main__":
    main()
