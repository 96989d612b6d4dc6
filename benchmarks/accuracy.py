"""What lower precision does to a model's answers, against float32 on the same device.

    python -m benchmarks.accuracy
    python -m benchmarks.accuracy --device cuda --format bfloat16 --format fp8

Prompts and text are documentation strings of Python's standard library; a model of random weights,
which has no tokenizer, gets random tokens and no perplexity. Everything runs through the engine.

* logit_error: root mean square of the difference of logits, over that of the logits; both with
  the mean of their row taken away, which no probability depends on. Of the token after each prompt.
* largest_error: the greatest difference, likewise without the mean.
* mean_kl: Kullback-Leibler divergence from float32, in nats, of the token after each prompt.
* same_first: share of prompts after which greedy choice is the same token.
* same_tokens: of the greedy answers, the mean share before the first token that differs.
* perplexity: of the text, in windows; exp of the mean negative log-probability of a token.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.drive import drive
from benchmarks.models import ChosenModel, add_model_options, choose_model
from benchmarks.results import Row, add_output_options, report
from benchmarks.texts import SOURCE, passages
from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import open_device
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineRequest, SamplingParams
from rostra.mesh.engine.sampler import PendingSample, Sampler, SamplingRow
from rostra.mesh.errors import RostraError
from rostra.mesh.text.tokenizer import Tokenizer

FORMATS: dict[str, dict[str, str]] = {
    "bfloat16": {"dtype": "bfloat16"},
    "float16": {"dtype": "float16"},
    "int8": {"quantization": "int8"},
    "int4": {"quantization": "int4"},
    "fp8": {"quantization": "fp8"},
    "fp8-kv": {"kv_cache_dtype": "fp8"},
}
"""Settings of the engine by name; a device refuses what it lacks."""


@dataclass(frozen=True)
class Material:
    """What every format is asked."""

    prompts: list[list[int]]
    windows: list[list[int]]
    """Parts of the text whose tokens' log-probabilities are taken; none for random weights."""


@dataclass(frozen=True)
class Answers:
    logits: Tensor
    """float32 [prompts, vocab], of the token after each prompt."""
    tokens: list[list[int]]
    """The greedy answer to each prompt."""
    logprobs: list[float]
    """Of each token of the windows but their first."""


class CapturingSampler(Sampler):
    """Keeps the logits of each request's first token."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, Tensor] = {}

    def launch(self, logits: Tensor, rows: Sequence[SamplingRow]) -> PendingSample:
        for row, own in zip(rows, logits, strict=True):
            if row.num_output_tokens == 0:
                self.first[row.request_id] = own.float().cpu().clone()
        return super().launch(logits, rows)


def gather(args: argparse.Namespace, model: ChosenModel) -> Material:
    """The same for the same arguments on every machine with this version of Python."""
    if model.random:
        tokens = random.Random(0)
        vocab = range(3, model.config.vocab_size)
        prompts = [tokens.choices(vocab, k=args.prompt_tokens) for _ in range(args.prompts)]
        return Material(prompts, [])
    tokenizer = Tokenizer.load(model.folder)
    texts = passages()
    random.Random(0).shuffle(texts)
    prompts = [tokenizer.encode(text)[: args.prompt_tokens] for text in texts[: args.prompts]]
    rest = tokenizer.encode("\n\n".join(texts[args.prompts : 3 * args.prompts]))
    starts = range(0, args.text_tokens, args.window)
    return Material(prompts, [rest[start : start + args.window] for start in starts])


def answer(args: argparse.Namespace, model: ChosenModel, ask: Material, **how: Any) -> Answers:
    """Builds an engine, asks it everything, and lets it go. Raises RostraError."""
    longest = max(map(len, [*ask.prompts, *ask.windows])) + args.output_tokens + 1
    config = EngineConfig(
        model_path=str(model.folder),
        device=args.device,
        num_threads=args.num_threads,
        max_model_len=longest,
        max_num_seqs=32,
        max_num_batched_tokens=args.rows,
        num_blocks=32 * -(-longest // 16),
        prefix_caching=False,
        **how,
    )
    sampler = CapturingSampler()
    with model.weights():
        engine = Engine(build_runner(config, sampler=sampler), config)
    greedy = SamplingParams(temperature=0.0, max_tokens=args.output_tokens)
    names = [f"prompt {i}" for i in range(len(ask.prompts))]
    run = drive(
        engine,
        [
            EngineRequest(request_id=name, prompt_token_ids=prompt, sampling=greedy)
            for name, prompt in zip(names, ask.prompts, strict=True)
        ],
    )
    return Answers(
        logits=torch.stack([sampler.first[name] for name in names]),
        tokens=[run.tokens[name] for name in names],
        logprobs=[each for window in ask.windows for each in _logprobs(engine, window)],
    )


def _logprobs(engine: Engine, window: list[int]) -> list[float]:
    params = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
    engine.add_request(EngineRequest(request_id="window", prompt_token_ids=window, sampling=params))
    found: list[float] = []
    while engine.has_work:
        for output in engine.step():
            found += [each.logprob for each in output.prompt_logprobs or () if each is not None]
    if len(found) != len(window) - 1:
        raise RuntimeError(f"{len(found)} log-probabilities came of {len(window)} tokens")
    return found


def compare(reference: Answers, other: Answers) -> Row:
    """The figures that the head of this module explains."""
    expected = reference.logits - reference.logits.mean(dim=1, keepdim=True)
    difference = other.logits - other.logits.mean(dim=1, keepdim=True) - expected
    log_p, log_q = (each.logits.double().log_softmax(dim=1) for each in (reference, other))
    same = [_common(a, b) / len(a) for a, b in zip(reference.tokens, other.tokens, strict=True)]
    first = [a[0] == b[0] for a, b in zip(reference.tokens, other.tokens, strict=True)]
    row: Row = {
        "logit_error": float(difference.square().mean().sqrt() / expected.square().mean().sqrt()),
        "largest_error": float(difference.abs().max()),
        "mean_kl": float((log_p.exp() * (log_p - log_q)).sum(dim=1).mean()),
        "same_first": sum(first) / len(first),
        "same_tokens": sum(same) / len(same),
    }
    if reference.logprobs:
        row["perplexity"] = perplexity(other.logprobs)
        row["perplexity_ratio"] = row["perplexity"] / perplexity(reference.logprobs)
    return row


def perplexity(logprobs: Sequence[float]) -> float:
    return math.exp(-sum(logprobs) / len(logprobs))


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Tokens before the first that differs."""
    pairs = zip(first, second, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def measure(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """A row for each format; those that the device lacks are named with its reason."""
    ask = gather(args, model)
    print("float32", file=sys.stderr, flush=True)
    reference = answer(args, model, ask, dtype="float32")
    rows = [{"format": "float32", "text": SOURCE} | compare(reference, reference)]
    for name in args.format:
        print(name, file=sys.stderr, flush=True)
        gc.collect()
        try:
            found = answer(args, model, ask, **FORMATS[name])
        except (RostraError, RuntimeError) as error:
            problem = next(iter(str(error).splitlines()), type(error).__name__)
            rows.append({"format": name, "text": SOURCE, "not measured": problem})
        else:
            rows.append({"format": name, "text": SOURCE} | compare(reference, found))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_options(parser)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--format", action="append", choices=FORMATS, help="default: all")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--prompt-tokens", type=int, default=48, help="prompts are cut to these")
    parser.add_argument("--output-tokens", type=int, default=16)
    parser.add_argument("--text-tokens", type=int, default=8192, help="for the perplexity")
    parser.add_argument("--window", type=int, default=512, help="tokens of text seen at once")
    parser.add_argument("--rows", type=int, default=512, help="tokens computed in one step")
    parser.add_argument("--num-threads", type=int)
    add_output_options(parser)
    args = parser.parse_args(arguments)
    args.format = args.format or list(FORMATS)
    try:
        open_device(args.device)
        model = choose_model(args)
        rows = measure(args, model)
    except RostraError as error:
        raise SystemExit(str(error)) from None
    args.model = model.name
    report(args, "accuracy", rows)


if __name__ == "__main__":
    main()
