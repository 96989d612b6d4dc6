"""The engine by itself: prefill, decode, and where the time of a step goes. No network.

    python -m benchmarks.engine                                      # throughput, the demo model
    python -m benchmarks.engine --quantization int4 --streams 1 --streams 16
    python -m benchmarks.engine --experiment profile --streams 16
    python -m benchmarks.engine --random llama-8b --device cuda --streams 1 --streams 64

Figures are given as shares of two limits, measured in turn with them: the matrix products alone, in
the engine's own format and in the plain one, and the reading of weights and keys from memory.
Experiments: see `benchmarks/experiments.py`, `benchmarks/startup.py`, `benchmarks/adapters.py` and
`benchmarks/structured.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

import torch

from benchmarks import adapters, experiments, startup, structured
from benchmarks.drive import (
    Load,
    Run,
    add_engine_options,
    describe_config,
    drive,
    engine_config,
    open_engine,
)
from benchmarks.floors import (
    MatmulFloor,
    engines_own,
    kv_bytes_per_token,
    plain,
    read_bandwidth,
    weight_bytes,
)
from benchmarks.models import ChosenModel, add_model_options, choose_model
from benchmarks.results import Row, add_output_options, median_row, report
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import choose_dtype, choose_num_threads, open_device
from rostra.mesh.errors import RostraError

_PREFILL_PART = 512
"""Tokens. On a CPU the matrix products of more take proportionally longer."""


class Floors:
    """The limits that a run is compared with."""

    def __init__(self, config: EngineConfig, model: ChosenModel) -> None:
        self._device = open_device(config.device)
        self._model = model.config
        self._max_tokens = config.max_num_batched_tokens
        auto = choose_dtype("auto", self._device)
        dtype = choose_dtype(config.dtype, self._device)
        item_size = 1 if config.kv_cache_dtype == "fp8" else dtype.itemsize
        self._kv_bytes = kv_bytes_per_token(self._model, item_size)
        self._weight_bytes = weight_bytes(self._model, config.quantization)
        self._plain = MatmulFloor(self._model, self._device, auto, plain(auto, self._device))
        own = engines_own(dtype, config.quantization, self._device)
        self._own = MatmulFloor(self._model, self._device, dtype, own)

    def compare(self, load: Load, run: Run) -> Row:
        """Shares of the limits that the run reached, each measured now."""
        streams = load.streams
        context = streams * (load.prompt_tokens + load.output_tokens / 2)
        in_memory = self._weight_bytes + context * self._kv_bytes
        reading = in_memory / read_bandwidth(self._device)
        step = run.step_seconds
        return {
            "decode_step_ms": step * 1000,
            "decode_of_own_matmuls": self._own.seconds(streams, streams, 3) / step,
            "decode_of_plain_matmuls": self._plain.seconds(streams, streams, 3) / step,
            "decode_of_bandwidth": reading / step,
            "prefill_of_own_matmuls": self._prefill(self._own, load) / run.prefill_seconds,
            "prefill_of_plain_matmuls": self._prefill(self._plain, load) / run.prefill_seconds,
        }

    def _prefill(self, floor: MatmulFloor, load: Load) -> float:
        """Seconds of all prompts' products, in parts large enough to be as fast as larger ones."""
        tokens = load.streams * load.prompt_tokens
        part = min(tokens, _PREFILL_PART if self._device.type == "cpu" else self._max_tokens)
        return floor.seconds(part, load.streams, 2) * tokens / part


def throughput(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """A row for each number of streams; repeats and limits are interleaved."""
    loads = [Load(n, args.prompt_tokens, args.output_tokens) for n in args.streams]
    config = engine_config(args, model, loads, prefix_caching=False)
    engine = open_engine(config, model)
    floors = None if args.no_floors else Floors(config, model)
    found: dict[int, list[Row]] = {load.streams: [] for load in loads}
    for repeat in range(args.repeats):
        for load in loads:
            run = drive(engine, load.requests(model.config.vocab_size, seed=repeat))
            row: Row = {
                "model": model.name,
                **describe_config(config),
                "streams": load.streams,
                "prefill_tok_per_s": run.prefill_rate,
                "decode_tok_per_s": run.decode_rate,
                "first_token_ms": run.time_to_first_token * 1000,
            }
            if floors is not None:
                row |= floors.compare(load, run)
            found[load.streams].append(row)
            print(
                f"run {repeat + 1} of {args.repeats}, {load.streams} streams: "
                f"prefill {run.prefill_rate:.0f} tok/s, decode {run.decode_rate:.1f} tok/s",
                file=sys.stderr,
                flush=True,
            )
    return [median_row(rows) for rows in found.values()]


EXPERIMENTS: dict[str, Callable[[argparse.Namespace, ChosenModel], list[Row]]] = {
    "throughput": throughput,
    "profile": experiments.profile,
    "overhead": experiments.overhead,
    "prefix": experiments.prefix,
    "speculation": experiments.speculation,
    "pressure": experiments.pressure,
    "startup": startup.measure,
    "adapters": adapters.adapters,
    "structured": structured.structured,
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_options(parser)
    add_engine_options(parser)
    parser.add_argument("--experiment", choices=EXPERIMENTS, default="throughput")
    parser.add_argument("--streams", type=int, action="append", help="may be repeated")
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--output-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-floors", action="store_true", help="do not measure the limits")
    add_output_options(parser)
    args = parser.parse_args(arguments)
    args.streams = args.streams or [1, 4, 16, 32]
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    try:
        model = choose_model(args)
        device = open_device(args.device)
        if device.type == "cpu":
            torch.set_num_threads(choose_num_threads(args.num_threads))
        rows = EXPERIMENTS[args.experiment](args, model)
    except RostraError as error:
        raise SystemExit(str(error)) from None
    args.model = model.name
    report(args, "engine" if args.experiment == "throughput" else args.experiment, rows)


if __name__ == "__main__":
    main()
