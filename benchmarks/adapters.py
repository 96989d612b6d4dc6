"""What serving adapters costs: eight at once, one for all, and none, against an engine without."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save_file

from benchmarks.drive import Load, describe_config, drive, engine_config, open_engine
from benchmarks.models import ChosenModel
from benchmarks.results import Row, median_row
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineRequest
from rostra.mesh.models import ModelConfig

NUM_ADAPTERS = 8
RANKS = (8, 16, 64)


def adapters(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """For each rank: speed with eight adapters at once, with one, and with none though there could
    be, as shares of the speed of an engine without room for adapters. All in turn."""
    load = Load(max(args.streams), args.prompt_tokens, args.output_tokens)
    plain = engine_config(args, model, [load], prefix_caching=False)
    engines = {"off": open_engine(plain, model)}
    for rank in RANKS:
        config = msgspec.structs.replace(plain, max_adapters=NUM_ADAPTERS, max_adapter_rank=rank)
        engines[f"rank {rank}"] = engine = open_engine(config, model)
        with tempfile.TemporaryDirectory() as folder:
            for number in range(NUM_ADAPTERS):
                save_adapter(Path(folder), model.config, rank, seed=number)
                resident = engine.adapters.reserve(str(number))
                engine.adapters.fill(resident, engine.adapters.prepare(Path(folder)))
    ways = [("off", 0), *((f"rank {rank}", n) for rank in RANKS for n in (0, 1, NUM_ADAPTERS))]
    found: dict[tuple[str, int], list[Row]] = {way: [] for way in ways}
    for repeat in range(args.repeats):
        rates: dict[tuple[str, int], tuple[float, float]] = {}
        # Forwards and backwards in turn, so that no way always follows the same one.
        for way in ways if repeat % 2 == 0 else ways[::-1]:
            rates[way] = _rates(engines[way[0]], load, model, repeat, num_adapters=way[1])
        prefill, decode = rates["off", 0]
        for (engine_name, count), (its_prefill, its_decode) in rates.items():
            found[engine_name, count].append(
                {
                    "model": model.name,
                    **describe_config(plain),
                    "streams": load.streams,
                    "room_for_adapters": engine_name,
                    "adapters_in_use": count,
                    "decode_tok_per_s": its_decode,
                    "decode_to_off": its_decode / decode,
                    "prefill_to_off": its_prefill / prefill,
                }
            )
        print(f"run {repeat + 1} of {args.repeats}", file=sys.stderr, flush=True)
    return [median_row(rows) for rows in found.values()]


def _rates(
    engine: Engine, load: Load, model: ChosenModel, seed: int, num_adapters: int
) -> tuple[float, float]:
    """Tokens a second of prefill and of decode, the streams dealt out to the adapters."""
    requests = load.requests(model.config.vocab_size, seed)
    if num_adapters:
        requests = [
            _with_adapter(request, str(number % num_adapters))
            for number, request in enumerate(requests)
        ]
    run = drive(engine, requests)
    return run.prefill_rate, run.decode_rate


def _with_adapter(request: EngineRequest, name: str) -> EngineRequest:
    return msgspec.structs.replace(request, adapter=name)


def save_adapter(folder: Path, config: ModelConfig, rank: int, seed: int) -> None:
    """Random, in PEFT's format, for every linear map of a Llama but the output head."""
    generator = torch.Generator().manual_seed(seed)
    hidden, size = config.hidden_size, config.head_dim
    query, kv = config.num_attention_heads * size, config.num_key_value_heads * size
    shapes = {
        "self_attn.q_proj": (query, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, query),
        "mlp.gate_proj": (config.intermediate_size, hidden),
        "mlp.up_proj": (config.intermediate_size, hidden),
        "mlp.down_proj": (hidden, config.intermediate_size),
    }
    tensors = {}
    for layer in range(config.num_hidden_layers):
        for name, (rows, columns) in shapes.items():
            prefix = f"base_model.model.model.layers.{layer}.{name}"
            for half, shape in (("A", (rank, columns)), ("B", (rows, rank))):
                tensors[f"{prefix}.lora_{half}.weight"] = 0.01 * torch.randn(
                    shape, generator=generator
                )
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = [name.rpartition(".")[2] for name in shapes]
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": targets}),
        encoding="utf-8",
    )
