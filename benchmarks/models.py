"""Which model a measurement runs: one of this host, or random weights in a known shape."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

import torch
from torch import Tensor

from rostra.mesh.home import Home
from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.config import ModelConfig
from rostra.mesh.models.llama import LlamaForCausalLM
from rostra.mesh.models.parameters import Weight
from rostra.mesh.ops import make_ops
from rostra.mesh.store import DEMO_MODEL, resolve

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    },
    "smollm2-135m": {
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
    "llama-1b": {
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "max_position_embeddings": 16384,
        "tie_word_embeddings": True,
    },
    "llama-8b": {
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 16384,
        "tie_word_embeddings": False,
    },
}
"""Of SmolLM2-135M, Llama 3.2 1B and Llama 3.1 8B, as their config.json have it, with shorter
contexts and plain rotary positions."""
_POOL = 1 << 22
"""Different random numbers in a model of random weights; their values do not matter for speed."""


@dataclass(frozen=True)
class ChosenModel:
    """What the options name. Build engines within `weights()`."""

    name: str
    folder: Path
    random: bool

    @property
    def config(self) -> ModelConfig:
        return ModelConfig.read(self.folder)

    @contextmanager
    def weights(self) -> Iterator[None]:
        """Models of `folder` that are loaded inside get random weights, where it has none."""
        with ExitStack() as stack:
            for name, method in vars(RandomCheckpoint).items() if self.random else ():
                if name in vars(Checkpoint) and callable(getattr(method, "fget", method)):
                    stack.enter_context(patch.object(Checkpoint, name, method))
            yield


def add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--model", default=DEMO_MODEL, help="a name or a folder (default: the demo)")
    group.add_argument("--random", choices=sorted(SHAPES), help="random weights in this shape")


def choose_model(args: argparse.Namespace) -> ChosenModel:
    """Raises RostraError for a model that is not there."""
    if args.random:
        return random_model(args.random)
    folder = resolve(args.model, Home.locate())
    return ChosenModel(folder.name, folder.path, random=False)


def random_model(shape: str) -> ChosenModel:
    """Only its config.json is a file: weights are made while they are loaded."""
    folder = Path(tempfile.gettempdir()) / f"rostra-benchmark-{shape}"
    folder.mkdir(exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "torch_dtype": "bfloat16",
        **SHAPES[shape],
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return ChosenModel(shape, folder, random=True)


def projections(config: ModelConfig) -> Iterator[tuple[int, int, bool]]:
    """(out, in, sensitive) of every linear map of a model, in the order they are computed."""
    heads = config.num_attention_heads * config.head_dim
    keys_and_values = 2 * config.num_key_value_heads * config.head_dim
    for _ in range(config.num_hidden_layers):
        yield heads + keys_and_values, config.hidden_size, False
        yield config.hidden_size, heads, False
        yield 2 * config.intermediate_size, config.hidden_size, False
        yield config.hidden_size, config.intermediate_size, False
    yield config.vocab_size, config.hidden_size, True


class RandomCheckpoint:
    """What `Checkpoint` does, with numbers made up. Its methods take the place of those."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ops = make_ops(torch.device("cpu"), torch.float32)
        model = LlamaForCausalLM(ModelConfig.read(folder), ops)
        weights = [each for each in model.parameters() if isinstance(each, Weight)]
        self._shapes = {piece.name: piece.shape for each in weights for piece in each.pieces}
        generator = torch.Generator().manual_seed(0)
        self._pool = torch.randn(_POOL, generator=generator).bfloat16()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del self._pool

    def __contains__(self, name: str) -> bool:
        return name in self._shapes

    @property
    def names(self) -> Iterable[str]:
        return self._shapes.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def dtype(self, name: str) -> str:
        return "BF16"

    def where(self, name: str) -> Path:
        return self.folder

    def num_bytes(self, name: str) -> int:
        return 2 * math.prod(self._shapes[name])

    def read(self, name: str, rows: slice, columns: slice | None = None) -> Tensor:
        """Ones for a norm; else normal with a deviation that keeps activations in range."""
        shape = self._shapes[name]
        if len(shape) == 1:
            return torch.ones(shape)[rows]
        size = math.prod(shape)
        repeats = -(-size // _POOL)
        whole = (self._pool.repeat(repeats) if repeats > 1 else self._pool)[:size].view(shape)
        part = whole[rows] if columns is None else whole[rows, columns]
        return part * (0.5 / math.sqrt(shape[-1]))
