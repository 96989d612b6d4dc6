"""From the start of `rostra worker` to ready, and to the first token of an answer.

`cold`: the caches of compiled kernels are empty. `warm`: as another start left them. The model's
files are in the page cache of the system in both.
"""

from __future__ import annotations

import argparse
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc

from benchmarks.models import ChosenModel
from benchmarks.results import Row, median_row
from rostra.mesh.errors import RostraError
from rostra.v1 import inference_pb2, inference_pb2_grpc, sampling_pb2

READY = re.compile(rb"worker ready on (\S+)")
TIMEOUT = 300.0
"""Seconds that a worker may take to be ready, and to answer."""


def measure(args: argparse.Namespace, model: ChosenModel) -> list[Row]:
    """A row for the cold start and one for warm ones."""
    if model.random:
        raise RostraError("the start is measured with a model of this host: give --model")
    with tempfile.TemporaryDirectory() as caches:
        starts = [_start(args, model, Path(caches)) for _ in range(args.repeats + 1)]
    rows = [{"caches": "cold"} | median_row(starts[:1])]
    return [*rows, {"caches": "warm"} | median_row(starts[1:])]


def _start(args: argparse.Namespace, model: ChosenModel, caches: Path) -> Row:
    command = [sys.executable, "-m", "rostra.mesh.cli.main", "worker"]
    command += ["--model", str(model.folder), "--name", "model", "--listen", "127.0.0.1:0"]
    for name in ("device", "dtype", "quantization", "kv_cache_dtype"):
        if (value := getattr(args, name)) not in {"auto", "none"}:
            command += [f"--{name.replace('_', '-')}", value]
    environment = {
        **os.environ,
        "ROSTRA_HOME": str(caches),
        "XDG_CACHE_HOME": str(caches),
        "TRITON_CACHE_DIR": str(caches / "triton"),
    }
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ) as process:
        try:
            address = _wait_until_ready(process)
            ready = time.perf_counter() - start
            _first_token(address)
            first = time.perf_counter() - start
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
    print(
        f"ready after {ready:.2f} s, first token after {first:.2f} s", file=sys.stderr, flush=True
    )
    return {"ready_s": ready, "first_token_s": first}


def _wait_until_ready(process: subprocess.Popen[bytes]) -> str:
    """The address. Raises RostraError, with what it printed last, for a worker that ends."""
    assert process.stdout is not None
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    printed = b""
    end = time.monotonic() + TIMEOUT
    while (found := READY.search(printed)) is None:
        if time.monotonic() > end:
            raise RostraError(f"rostra worker was not ready in {TIMEOUT:.0f} s")
        if selector.select(timeout=0.5):
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                last = printed.decode(errors="replace").strip().splitlines()[-1:]
                raise RostraError(f"rostra worker ended: {' '.join(last)}")
            printed += piece
    return found[1].decode()


def _first_token(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        request = inference_pb2.GenerateRequest(
            text="The capital of France is",
            sampling=sampling_pb2.SamplingParams(temperature=0.0, max_tokens=1),
        )
        for _ in stub.Generate(request, timeout=TIMEOUT):
            pass
