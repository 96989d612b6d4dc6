"""Drives an engine in this process: the real scheduler and sampler, and no network."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from benchmarks.models import ChosenModel
from rostra.mesh.engine.build import build_engine
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineRequest, FinishReason, SamplingParams

ENGINE_OPTIONS = (
    "device dtype quantization kv_cache_dtype speculation num_threads max_num_batched_tokens"
).split()


@dataclass(frozen=True)
class Load:
    """Requests that arrive together: random tokens, so that no prefix is shared."""

    streams: int
    prompt_tokens: int = 128
    output_tokens: int = 64
    temperature: float = 0.0

    def requests(self, vocab_size: int, seed: int) -> list[EngineRequest]:
        """Other tokens for each seed. End tokens do not end these requests."""
        tokens = random.Random(seed)
        params = SamplingParams(temperature=self.temperature, max_tokens=self.output_tokens)
        return [
            EngineRequest(
                request_id=f"{seed}-{number}",
                prompt_token_ids=tokens.choices(range(3, vocab_size), k=self.prompt_tokens),
                sampling=params,
            )
            for number in range(self.streams)
        ]

    @property
    def num_tokens(self) -> int:
        return self.prompt_tokens + self.output_tokens


@dataclass
class Run:
    """What came of some requests. Times are in seconds since they were added."""

    prompt_tokens: int
    steps: list[float] = field(default_factory=list)
    """When each step ended."""
    first: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, list[int]] = field(default_factory=dict)
    cached_tokens: int = 0
    after_first: int = 0
    """Tokens of the steps after that in which the last request got its first one."""
    errors: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.steps[-1]

    @property
    def prefill_seconds(self) -> float:
        """Until every request has its first token."""
        return max(self.first.values())

    @property
    def decode_steps(self) -> int:
        return sum(end > self.prefill_seconds for end in self.steps)

    @property
    def step_seconds(self) -> float:
        """Mean time of a step that only decodes."""
        return (self.seconds - self.prefill_seconds) / max(1, self.decode_steps)

    @property
    def prefill_rate(self) -> float:
        """Prompt tokens a second."""
        return self.prompt_tokens / self.prefill_seconds

    @property
    def decode_rate(self) -> float:
        """Tokens a second of all requests, once the last prompt is computed."""
        return self.after_first / max(1e-9, self.seconds - self.prefill_seconds)

    @property
    def time_to_first_token(self) -> float:
        return statistics.median(self.first.values())


def drive(engine: Engine, requests: Sequence[EngineRequest]) -> Run:
    """Adds the requests at once, and steps until each has ended.

    Raises RuntimeError when one ends in another way than by its length or an end token.
    """
    run = Run(sum(len(request.prompt_token_ids) for request in requests))
    start = time.perf_counter()
    for request in requests:
        engine.add_request(request)
    while engine.has_work:
        outputs = engine.step()
        now = time.perf_counter() - start
        run.steps.append(now)
        if len(run.first) == len(requests):
            run.after_first += sum(len(output.tokens) for output in outputs)
        for output in outputs:
            run.tokens.setdefault(output.request_id, []).extend(t.id for t in output.tokens)
            run.cached_tokens += output.num_cached_tokens or 0
            if output.tokens:
                run.first.setdefault(output.request_id, now)
            if output.finish not in {None, FinishReason.STOP, FinishReason.LENGTH}:
                run.errors.append(f"{output.request_id}: {output.error or output.finish}")
    if run.errors:
        raise RuntimeError(f"{len(run.errors)} requests failed, the first {run.errors[0]}")
    return run


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16")
    parser.add_argument("--quantization", default="none", help="none, int8, int4, fp8")
    parser.add_argument("--kv-cache-dtype", default="auto", help="auto, fp8")
    parser.add_argument("--speculation", default="off", help="off, ngram")
    parser.add_argument("--num-threads", type=int)
    parser.add_argument("--max-num-batched-tokens", type=int, default=2048)
    parser.add_argument("--no-graphs", action="store_true")
    parser.add_argument("--no-overlap", action="store_true")


def engine_config(
    args: argparse.Namespace, model: ChosenModel, loads: Iterable[Load], **changes: object
) -> EngineConfig:
    """Settings by the options of `add_engine_options`, with a KV cache that holds every load."""
    loads = list(loads)
    longest = max(load.num_tokens for load in loads)
    block_size = EngineConfig(model_path="").block_size
    blocks = max(load.streams * (-(-load.num_tokens // block_size) + 2) for load in loads)
    config = EngineConfig(
        model_path=str(model.folder),
        max_num_seqs=max(load.streams for load in loads),
        max_model_len=min(model.config.max_position_embeddings, longest + block_size),
        num_blocks=blocks + 1,
        graphs=not args.no_graphs,
        overlap=not args.no_overlap,
        **{name: getattr(args, name) for name in ENGINE_OPTIONS},
    )
    return msgspec.structs.replace(config, **changes)


def open_engine(config: EngineConfig, model: ChosenModel) -> Engine:
    """Warmed by a few requests, so that what is done once is done. Raises RostraError."""
    with model.weights():
        engine = build_engine(config)
    vocab_size = model.config.vocab_size
    for streams in {1, config.max_num_seqs}:
        warm = Load(streams, prompt_tokens=8, output_tokens=4)
        drive(engine, warm.requests(vocab_size, seed=-1 - streams))
    return engine


def describe_config(config: EngineConfig) -> dict[str, object]:
    """What of the settings belongs in a row of results."""
    keys = ("device", "dtype", "quantization", "kv_cache_dtype", "speculation")
    return {key: getattr(config, key) for key in keys}
