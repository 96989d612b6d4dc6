from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from client_programs import Client, build_cpp, build_node, install_node_packages
from tiny_encoder import save_tiny_encoder
from tiny_model import save_tiny_model

# Shows a model its tools, what it called, and what came of it.
TOOL_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n"
    "{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls or [] %}"
    "<tool_call>\n{{ call.function | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_tool_model(path: Path) -> None:
    save_tiny_model(path)
    (path / "chat_template.jinja").write_text(TOOL_TEMPLATE)


@dataclass(frozen=True)
class Workers:
    """Addresses of `rostra worker` processes."""

    chat: str
    embed: str


@contextlib.contextmanager
def worker_process(folder: Path, save: Callable[[Path], None], *options: str) -> Iterator[str]:
    """`rostra worker` with a tiny model; its address once it is ready."""
    folder.mkdir()
    save(folder)
    log = folder.with_suffix(".log")
    command = [sys.executable, "-m", "rostra.mesh.cli.main", "worker", "--model", str(folder)]
    command += ["--listen", "127.0.0.1:0", "--name", "tiny", "--num-threads", "1", *options]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, "COLUMNS": "200"}
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(rb"worker ready on (\S+)", line):
                    yield found[1].decode()
                    break
            else:
                raise AssertionError(f"the worker ended:\n{log.read_text()}")
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    root = tmp_path_factory.mktemp("client-workers")
    with (
        worker_process(
            root / "chat", save_tool_model, "--kv-cache-bytes", str(32 * 1024**2)
        ) as chat,
        worker_process(root / "embed", save_tiny_encoder) as embed,
    ):
        yield Workers(chat, embed)


@pytest.fixture(scope="session")
def node_packages() -> None:
    install_node_packages()


@pytest.fixture(scope="session")
def node_client() -> Client:
    return build_node()


@pytest.fixture(scope="session")
def cpp_client() -> Client:
    return build_cpp()


@pytest.fixture(params=["node", "cpp"])
def client(request: pytest.FixtureRequest) -> Client:
    return request.getfixturevalue(f"{request.param}_client")
