"""Everything that needs a GPU, in one command: checks, kernels, the engine, peers, accuracy.

    python -m benchmarks.gpu                # all of it
    python -m benchmarks.gpu --dry-run      # what it would do
    python -m benchmarks.gpu --part tests --part engine-llama-1b

Each part is a process of its own with a time limit: what fails is named at the end, and the rest
goes on. Results go to `benchmarks/results/`, or to `--output`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import FOLDER, Row, table

ROOT = Path(__file__).parents[1]
BATCHES = (1, 4, 16, 64, 128, 256)
VARIANTS: dict[str, list[str]] = {
    "": [],
    "no-graphs": ["--no-graphs"],
    "no-overlap": ["--no-overlap"],
    "fp8-weights": ["--quantization", "fp8"],
    "int8-weights": ["--quantization", "int8"],
    "fp8-kv": ["--kv-cache-dtype", "fp8"],
    "fp8-both": ["--quantization", "fp8", "--kv-cache-dtype", "fp8"],
}
"""Of the engine; the first is what it does by itself on a GPU."""


@dataclass(frozen=True)
class Part:
    name: str
    command: list[str]
    """Arguments of Python."""
    timeout: float
    """Seconds."""
    needs: tuple[str, ...] = ()
    """Modules without which it cannot run."""
    json: str = "--json"
    """The option that takes the file of results; empty: it writes none."""


def parts(device: str, quick: bool) -> Iterator[Part]:
    """In the order of what is worth most when time runs out."""
    # Without what other tests need, such as a browser, and without plugins that may be missing.
    tests = ["-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "-o", "addopts=-ra"]
    tests += ["--confcutdir", "tests/kernels", "tests/kernels", "tests/engine"]
    yield Part("tests", tests, 1200, ("pytest", "hypothesis"), json="")
    kernels = ["-m", "benchmarks.kernels"]
    yield Part("kernels", kernels, 900, json="--json")
    shapes = ["llama-1b"] if quick else ["llama-1b", "llama-8b"]
    for shape in shapes:
        for variant, options in VARIANTS.items():
            name = "-".join(filter(None, ("engine", shape, variant)))
            batches = (1, 16, 128) if variant else BATCHES
            yield Part(name, _engine(device, shape, batches, options), 900)
        for experiment in ("overhead", "prefix", "speculation"):
            yield Part(
                f"{experiment}-{shape}",
                [*_engine(device, shape, (1, 16), []), "--experiment", experiment],
                600,
            )
        yield Part(
            f"floors-{shape}",
            [
                *("-m", "benchmarks.floors", "--random", shape, "--device", device),
                *_repeated("--batch", BATCHES),
            ],
            600,
        )
        yield Part(f"peers-{shape}", _peers(device, shape), 1800, ("transformers", "aiohttp"))
        yield Part(
            f"accuracy-{shape}",
            ["-m", "benchmarks.accuracy", "--random", shape, "--device", device],
            900,
        )


def _engine(device: str, shape: str, batches: Sequence[int], options: list[str]) -> list[str]:
    return [
        *("-m", "benchmarks.engine", "--random", shape, "--device", device),
        *_repeated("--streams", batches),
        *options,
    ]


def _peers(device: str, shape: str) -> list[str]:
    return [
        *("-m", "benchmarks.peers", "--random", shape, "--device", device),
        *("--peer", "transformers", "--peer", "transformers-continuous"),
        *_repeated("--streams", (1, 16, 64, 256)),
    ]


def _repeated(option: str, values: Sequence[int]) -> list[str]:
    return [word for value in values for word in (option, str(value))]


def run(part: Part, output: Path, label: str) -> Row:
    """What came of it, never an exception. Its own output goes to a file and to the terminal."""
    missing = [name for name in part.needs if importlib.util.find_spec(name) is None]
    if missing:
        return {"part": part.name, "outcome": f"not run: {', '.join(missing)} is missing"}
    command = [sys.executable, *part.command]
    if part.json:
        command += [part.json, str(output / f"{part.name}.json")]
        if part.name != "kernels":
            command += ["--label", " ".join(filter(None, (label, part.name)))]
    print(f"\n== {part.name}: {shlex.join(command)}", flush=True)
    start = time.monotonic()
    log = output / f"{part.name}.log"
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait(part.timeout)
            outcome = "done" if code == 0 else f"failed with {code}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            outcome = f"ended after its limit of {part.timeout:.0f} s"
    said = log.read_text(errors="replace").splitlines()
    print("\n".join(said[-15:]), flush=True)
    row: Row = {"part": part.name, "outcome": outcome, "seconds": time.monotonic() - start}
    return row if outcome == "done" else row | {"last line": said[-1][:150] if said else ""}


def no_gpu() -> str | None:
    """Why nothing can be measured here; None where it can."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    import torch

    return None if torch.cuda.is_available() else "torch sees no CUDA device here"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--part", action="append", help="only these; may be repeated")
    parser.add_argument("--quick", action="store_true", help="without the 8B shape")
    parser.add_argument("--label", default="")
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--dry-run", action="store_true", help="only list the parts")
    args = parser.parse_args(arguments)
    wanted = list(parts(args.device, args.quick))
    if args.part:
        known = {part.name: part for part in wanted}
        if unknown := [name for name in args.part if name not in known]:
            parser.error(f"no part {unknown[0]}; there are {', '.join(known)}")
        wanted = [known[name] for name in args.part]
    if args.dry_run:
        for part in wanted:
            print(f"{part.name} (at most {part.timeout:.0f} s): python {shlex.join(part.command)}")
        return
    if problem := no_gpu():
        raise SystemExit(f"Nothing to measure: {problem}. Try --dry-run to see what would run.")
    args.output.mkdir(parents=True, exist_ok=True)
    rows = [run(part, args.output, args.label) for part in wanted]
    print()
    print(table(rows), flush=True)
    if any(row["outcome"] != "done" for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
