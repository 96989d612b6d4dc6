from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tiny model is made by a module of another folder of tests, and charts are rendered by one.
sys.path.append(str(Path(__file__).parents[1] / "worker"))
sys.path.append(str(Path(__file__).parents[1] / "deploy"))

from tiny_model import save_tiny_model

from benchmarks.local import READY, Local, rostra_up

EXAMPLES = Path(__file__).parents[2] / "examples"
DEMO = 'model = "smollm2-135m-instruct"'


@pytest.fixture(scope="session")
def tiny_worker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a `[[worker]]`: a model of a few layers by the name of the demo model."""
    path = tmp_path_factory.mktemp("tiny-model")
    save_tiny_model(path, max_model_len=512)
    return f'model = "{path}"\nname = "smollm2-135m-instruct"\nnum_threads = 1'


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def up(tiny_worker: str, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """`rostra up` with the file of the campaign of two prompts, and a smaller model."""
    folder = EXAMPLES / "two-prompts"
    text = (folder / "rostra.toml").read_text(encoding="utf-8")
    assert text.index(DEMO) < text.index("[[contestant]]")
    text = text.replace(DEMO, tiny_worker, 1)
    text = text.replace('"questions.txt"', f'"{folder / "questions.txt"}"')
    path = tmp_path_factory.mktemp("configuration") / "rostra.toml"
    path.write_text(text, encoding="utf-8")
    with rostra_up("--home", str(home), "--config", str(path)) as local:
        local.wait_for(READY)
        yield local
