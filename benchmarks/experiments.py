"""What single parts of the engine do, each against the engine without it, in turn."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable

import msgspec

from benchmarks.drive import Load, Run, describe_config, drive, engine_config, open_engine
from benchmarks.models import ChosenModel
from benchmarks.results import Row, median_row
from benchmarks.stopwatch import Stopwatch, watching
from benchmarks.texts import passages
from rostra.mesh.engine.device import choose_dtype, open_device
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineRequest, SamplingParams
from rostra.mesh.text.tokenizer import Tokenizer


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def profile(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """Milliseconds of a decode step by part; on a CPU also inside the model, without graphs."""
    return _by_part(args, model, args.streams, inside_model=open_device(args.device).type == "cpu")


def overhead(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """Milliseconds of a decode step that are not the model's, at 16 streams.

    On a GPU: the work of the host, launches included and waiting for the device not.
    """
    rows = _by_part(args, model, [16], inside_model=False)
    left_out = "model: other_ms" if open_device(args.device).type == "cpu" else "result_ms"
    for row in rows:
        row["all_but_model_ms"] = row["step_ms"] - row[left_out]
    return rows


def _by_part(
    args: argparse.Namespace, model: ChosenModel, streams: list[int], *, inside_model: bool
) -> list[Row]:
    loads = [Load(n, args.prompt_tokens, args.output_tokens) for n in streams]
    config = engine_config(args, model, loads, prefix_caching=False)
    if inside_model:
        # A graph calls the kernels by itself, and none of what is watched.
        config = msgspec.structs.replace(config, graphs=False)
    device = open_device(args.device)
    stopwatch = Stopwatch()
    found: dict[int, list[Row]] = {n: [] for n in streams}
    with watching(stopwatch, device, choose_dtype(config.dtype, device), inside_model=inside_model):
        engine = open_engine(config, model)
        for repeat in range(args.repeats):
            for load in loads:
                row = _decode_parts(engine, load, stopwatch, model, seed=repeat)
                found[load.streams].append(
                    {"model": model.name, **describe_config(config), "streams": load.streams} | row
                )
                say(f"run {repeat + 1} of {args.repeats}, {load.streams} streams")
    return [median_row(rows) for rows in found.values()]


def _decode_parts(
    engine: Engine, load: Load, stopwatch: Stopwatch, model: ChosenModel, seed: int
) -> Row:
    requests = load.requests(model.config.vocab_size, seed)
    for request in requests:
        engine.add_request(request)
    begun: set[str] = set()
    while len(begun) < len(requests):
        begun.update(output.request_id for output in engine.step() if output.tokens)
    stopwatch.clear()
    steps = 0
    while engine.has_work:
        engine.step()
        steps += 1
    total = sum(stopwatch.seconds.values())
    parts = {f"{part}_ms": s / steps * 1000 for part, s in sorted(stopwatch.seconds.items())}
    return {"step_ms": total / steps * 1000, **parts}


def prefix(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """Time to first token behind a shared prefix of 1,024 tokens, and what looking for one costs
    where there is none to find."""
    load = Load(16, args.prompt_tokens, args.output_tokens)
    room = Load(20, 1024 + 64, 16)
    config = engine_config(args, model, [load, room], prefix_caching=True)
    engines = {
        True: open_engine(config, model),
        False: open_engine(msgspec.structs.replace(config, prefix_caching=False), model),
    }
    tokens = random.Random("prefixes")  # not the tokens of any load
    vocab = range(3, model.config.vocab_size)
    hits, misses = [], []
    for repeat in range(args.repeats):
        shared = tokens.choices(vocab, k=1024)
        first, second = (
            drive(engines[True], [_request(f"{repeat}-{n}", shared + tokens.choices(vocab, k=16))])
            for n in range(2)
        )
        hits.append(
            {
                "what": "a prefix of 1,024 tokens, asked twice",
                "first_ms": first.time_to_first_token * 1000,
                "second_ms": second.time_to_first_token * 1000,
                "second_to_first": second.time_to_first_token / first.time_to_first_token,
                "tokens_found": second.cached_tokens,
            }
        )
        runs = {
            on: drive(engine, load.requests(model.config.vocab_size, seed=repeat))
            for on, engine in _in_turn(engines, repeat)
        }
        misses.append(
            {
                "what": "16 streams that share nothing, on to off",
                "on_to_off": runs[True].seconds / runs[False].seconds,
                "tokens_found": runs[True].cached_tokens,
            }
        )
        say(f"run {repeat + 1} of {args.repeats}")
    return [median_row(hits), median_row(misses)]


def speculation(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """Drafts from the text itself, on to off: answers that repeat the prompt, and random ones.

    The first load is greedy, so that both must give the same tokens.
    """
    counts = [n for n in args.streams if n <= 16] or [1]
    room = Load(max(counts), 512, args.output_tokens)
    off = engine_config(args, model, [room], prefix_caching=False, speculation="off")
    engines = {
        True: open_engine(msgspec.structs.replace(off, speculation="ngram"), model),
        False: open_engine(off, model),
    }
    loads: dict[str, Callable[[int, int], list[EngineRequest]]] = {
        "random": lambda n, seed: Load(
            n, args.prompt_tokens, args.output_tokens, temperature=1.0
        ).requests(model.config.vocab_size, seed)
    }
    if not model.random:
        loads = {"repeat a given text": _repetitive(model, args.output_tokens), **loads}
    rows = []
    for name, requests in loads.items():
        for streams in counts:
            found = []
            for repeat in range(args.repeats):
                runs = {
                    on: drive(engine, requests(streams, repeat))
                    for on, engine in _in_turn(engines, repeat)
                }
                found.append({"load": name, "streams": streams} | _speedup(runs))
                say(f"{name}, {streams} streams, run {repeat + 1} of {args.repeats}")
            rows.append(median_row(found))
    return rows


def _speedup(runs: dict[bool, Run]) -> Row:
    on, off = runs[True], runs[False]
    per_step = on.after_first / max(1, on.decode_steps) / len(on.first)
    return {
        "on_tok_per_s": on.decode_rate,
        "off_tok_per_s": off.decode_rate,
        "on_to_off": on.decode_rate / max(1e-9, off.decode_rate),
        "tokens_per_step_and_request": per_step,
        "same_tokens": on.tokens == off.tokens,
    }


def _repetitive(
    model: ChosenModel, output_tokens: int
) -> Callable[[int, int], list[EngineRequest]]:
    """Greedy requests to repeat a text, one text for each."""
    tokenizer = Tokenizer.load(model.folder)
    texts = [" ".join(text.split()[:50]) for text in passages()]

    def requests(count: int, seed: int) -> list[EngineRequest]:
        made = []
        for number in range(count):
            text = texts[(seed * count + number) % len(texts)]
            messages = [{"role": "user", "content": f"Repeat this text, word for word:\n\n{text}"}]
            token_ids = tokenizer.encode_chat(messages)
            made.append(
                EngineRequest(
                    request_id=f"{seed}-{number}",
                    prompt_token_ids=token_ids[:512],
                    sampling=SamplingParams(
                        temperature=0.0,
                        max_tokens=output_tokens,
                        stop_token_ids=tokenizer.eos_token_ids,
                    ),
                )
            )
        return made

    return requests


def pressure(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """16 requests in a KV cache for three: all must end as they do in a large one."""
    load = Load(16, args.prompt_tokens, args.output_tokens)
    large = engine_config(args, model, [load], prefix_caching=True)
    small = msgspec.structs.replace(
        large, num_blocks=3 * (-(-load.num_tokens // large.block_size) + 1)
    )
    requests = load.requests(model.config.vocab_size, seed=0)
    rows, runs = [], []
    for config in (large, small):
        engine = open_engine(config, model)
        before = engine.load().preemptions
        run = drive(engine, requests)
        engine.check_integrity()
        runs.append(run)
        kept = [run.tokens[name] == tokens for name, tokens in runs[0].tokens.items()]
        rows.append(
            {
                "kv_blocks": config.num_blocks,
                "needed": load.streams * -(-load.num_tokens // config.block_size),
                "finished": len(run.tokens),
                "failed": len(run.errors),
                "preemptions": engine.load().preemptions - before,
                "same_answers": sum(kept),
                "time_to_large": run.seconds / runs[0].seconds,
            }
        )
    return rows


def _in_turn(engines: dict[bool, Engine], repeat: int) -> list[tuple[bool, Engine]]:
    """Each goes first every other time."""
    pairs = list(engines.items())
    return pairs if repeat % 2 == 0 else pairs[::-1]


def _request(name: str, token_ids: list[int]) -> EngineRequest:
    params = SamplingParams(temperature=0.0, max_tokens=2)
    return EngineRequest(request_id=name, prompt_token_ids=token_ids, sampling=params)
