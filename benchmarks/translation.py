"""What a gateway adds between a worker and its clients: `python -m benchmarks.translation`.

The worker does nothing but emit tokens. One process of the gateway has one core to itself; emitter
and reader share the others. Rostra's gateway and LiteLLM's proxy take turns on that core, before
the same emitter (over gRPC and over HTTP) and with the same reader, which checks that each stream
is whole and in order. LiteLLM has an environment of its own, as the peers of `benchmarks.peers`
have; without it: `--gateway rostra`.

    tokens              of each stream; the slower peer is compared on shorter ones
    tok_per_s           tokens that reached the reader in a second, with all streams at once
    core                part of its core that the gateway was busy for
    cpu_us_per_tok      its processor time for a token, in microseconds
    tok_per_cpu_s       tokens for each second of it: what the core can do when nothing else is in
                        its way
    first_ms            time to first token of a single stream, median
    direct_first_ms     the same, from the emitter without the gateway
    added_first_ms      the difference
    emitter_tok_per_s   of the emitter and the reader, without the gateway
    ..._ratio           Rostra's to LiteLLM's, on streams of the same length
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import raw_streams, venvs
from benchmarks.emitter_text import MODEL
from benchmarks.loops import PeerError
from benchmarks.results import Row, add_output_options, median_row, report
from benchmarks.servers import free_port, running

LITELLM = ("litellm[proxy]==1.106.2",)
_START_TIMEOUT = 180.0


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs, and the process whose time is counted."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


Command = Callable[[dict[str, str], int, Path], list[str]]
"""From the emitter's addresses, a port and a folder to the command of a gateway."""


@contextmanager
def emitter(tokens_per_message: int, cores: set[int]) -> Iterator[dict[str, str]]:
    """Its addresses: `grpc` and `http`."""
    command = [sys.executable, "-m", "benchmarks.emitter"]
    command += ["--tokens-per-message", str(tokens_per_message)]
    with subprocess.Popen(_pinned(command, cores), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def rostra(addresses: dict[str, str], port: int, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "rostra.mesh.cli.main", "gateway"]
    return [*command, "--port", str(port), "--worker", addresses["grpc"]]


def litellm(python: Path) -> Command:
    def command(addresses: dict[str, str], port: int, folder: Path) -> list[str]:
        target = {
            "model": f"openai/{MODEL}",
            "api_base": f"{addresses['http']}/v1",
            "api_key": "none",
        }
        config = folder / "litellm.json"  # JSON is YAML
        models = [{"model_name": MODEL, "litellm_params": target}]
        # It listens on loopback only, and has no key to check, as Rostra's gateway has none.
        general = {"dangerously_permit_weak_or_unset_master_key": True}
        document = {"model_list": models, "general_settings": general}
        config.write_text(json.dumps(document), encoding="utf-8")
        program = [str(python.with_name("litellm")), "--config", str(config)]
        return [*program, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]

    return command


@contextmanager
def started(
    command: Command, addresses: dict[str, str], core: int, folder: Path
) -> Iterator[Gateway]:
    """Raises PeerError."""
    port = free_port()
    words = _pinned(command(addresses, port, folder), {core})
    environment = {"PYTHONPATH": "", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DO_NOT_TRACK": "1"}
    with running([words], f"http://127.0.0.1:{port}", environment, _START_TIMEOUT) as url:
        yield Gateway(url, _listener(port))


def _pinned(command: Sequence[str], cores: set[int]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command]


def _listener(port: int) -> psutil.Process:
    for child in psutil.Process().children(recursive=True):
        listening = [c.laddr for c in child.net_connections("tcp") if c.status == "LISTEN"]
        if any(address.port == port for address in listening):
            return child
    raise PeerError(f"no process of its own listens on port {port}")


def throughput(gateway: Gateway, args: argparse.Namespace, tokens: int) -> Row:
    """All streams at once."""
    cpu = gateway.cpu_seconds()
    streams = raw_streams.read(gateway.url, args.streams, tokens, args.timeout)
    # What is left to do after the last byte belongs to the run, too.
    time.sleep(0.2)
    cpu = gateway.cpu_seconds() - cpu
    events = sum(raw_streams.check(stream, tokens) for stream in streams)
    seconds = max(s.ended for s in streams) - min(s.sent for s in streams)
    total = tokens * args.streams
    return {
        "tok_per_s": total / seconds,
        "core": cpu / seconds,
        "cpu_us_per_tok": cpu / total * 1e6,
        "tok_per_cpu_s": total / cpu,
        "tok_per_event": total / events,
    }


def first_tokens(url: str, timeout: float) -> float:
    """Milliseconds to the first token of a single short stream."""
    (stream,) = raw_streams.read(url, 1, 4, timeout)
    raw_streams.check(stream, 4)
    assert stream.first_token is not None
    return (stream.first_token - stream.sent) * 1000


def latency(gateway: Gateway, direct: str, args: argparse.Namespace) -> Row:
    """One stream at a time, in turn with and without the gateway."""
    through, without = [], []
    for _ in range(args.first_tokens):
        through.append(first_tokens(gateway.url, args.timeout))
        without.append(first_tokens(direct, args.timeout))
    first, bare = statistics.median(through), statistics.median(without)
    return {"first_ms": first, "direct_first_ms": bare, "added_first_ms": first - bare}


def ceiling(url: str, args: argparse.Namespace) -> float:
    """Tokens a second of emitter and reader alone, over HTTP."""
    streams = raw_streams.read(url, args.streams, args.tokens, args.timeout)
    for stream in streams:
        raw_streams.check(stream, args.tokens)
    seconds = max(s.ended for s in streams) - min(s.sent for s in streams)
    return args.tokens * args.streams / seconds


def compare(args: argparse.Namespace, commands: dict[str, Command], per_message: int) -> list[Row]:
    """A row for each gateway and length of its streams; they go first in turn."""
    cores = sorted(os.sched_getaffinity(0))
    gateway_core, others = cores[0], set(cores[1:])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = stack.enter_context(emitter(per_message, others))
        running_ones = {
            name: stack.enter_context(started(command, addresses, gateway_core, folder))
            for name, command in commands.items()
        }
        os.sched_setaffinity(0, others)
        stack.callback(os.sched_setaffinity, 0, set(cores))
        turns = [
            (name, gateway, tokens)
            for name, gateway in running_ones.items()
            for tokens in ([args.tokens] if name == "rostra" else []) + [args.peer_tokens]
        ]
        found: list[list[Row]] = [[] for _ in turns]
        for _, gateway, _ in turns:
            throughput(gateway, args, 8)  # to warm up
        for repeat in range(args.repeats):
            for number in range(len(turns))[:: 1 if repeat % 2 == 0 else -1]:
                name, gateway, tokens = turns[number]
                row = throughput(gateway, args, tokens) | latency(gateway, addresses["http"], args)
                found[number].append(row)
                print(f"{name}, {tokens} of {per_message}: {row}", file=sys.stderr, flush=True)
        alone = ceiling(addresses["http"], args)
    medians = [
        {
            "gateway": name,
            "tokens_per_message": per_message,
            "streams": args.streams,
            "tokens": tokens,
            **median_row(rows),
            "emitter_tok_per_s": alone,
        }
        for (name, _, tokens), rows in zip(turns, found, strict=True)
    ]
    return with_ratios(medians)


def with_ratios(rows: list[Row]) -> list[Row]:
    """Adds what Rostra did for each token of the peer, on streams of the same length."""
    for row in rows:
        for peer in rows:
            if row["gateway"] == "rostra" != peer["gateway"] and row["tokens"] == peer["tokens"]:
                for rate in ("tok_per_s", "tok_per_cpu_s"):
                    row[f"{rate}_ratio"] = row[rate] / peer[rate]
    return rows


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gateway", action="append", choices=("rostra", "litellm"))
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=500, help="of each stream")
    parser.add_argument(
        "--peer-tokens", type=int, default=100, help="of each stream where the peer is compared"
    )
    parser.add_argument("--tokens-per-message", type=int, action="append", help="may be repeated")
    parser.add_argument("--first-tokens", type=int, default=100, help="single streams of a repeat")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for all streams")
    parser.add_argument("--venv", type=Path, help="LiteLLM's environment; default: made on demand")
    add_output_options(parser)
    args = parser.parse_args(arguments)
    args.gateway = args.gateway or ["rostra", "litellm"]
    args.tokens_per_message = args.tokens_per_message or [1, 4]
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit(
            "two cores are needed: one for the gateway, one for what is before and behind it"
        )
    try:
        commands: dict[str, Command] = {}
        for name in args.gateway:
            if name == "rostra":
                commands[name] = rostra
            else:
                given = venvs.python_of(args.venv.absolute()) if args.venv else None
                commands[name] = litellm(given or venvs.make("litellm", LITELLM))
        rows = [row for each in args.tokens_per_message for row in compare(args, commands, each)]
    except PeerError as error:
        raise SystemExit(str(error)) from None
    del args.venv
    report(args, "translation", rows)


if __name__ == "__main__":
    main()
