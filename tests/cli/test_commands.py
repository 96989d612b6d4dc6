"""The command line as a new user meets it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys

import pytest

COMMANDS = ["up", "worker", "gateway", "arena", "rate", "audit", "models", "keys", "chat"]


def rostra(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "rostra.mesh.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def refused(*arguments, **options):
    """The one line that a failing command prints."""
    result = rostra(*arguments, **options)
    assert result.returncode == 2, result
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_help_names_every_command():
    text = rostra("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^\W+{command}\b", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_explains_every_option(command):
    result = rostra(command, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage: rostra" in result.stdout


def test_help_imports_nothing_heavy():
    source = (
        "import sys\n"
        "sys.argv = ['rostra', '--help']\n"
        "from rostra.mesh.cli.main import app\n"
        "try:\n    app()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'torch', 'triton', 'transformers', 'panel', 'pymc', 'grpc', 'aiohttp'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=True
    )
    assert "HEAVY []" in result.stdout


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", rostra("--version").stdout)


def test_print_config_is_a_config(tmp_path):
    from rostra.mesh.cli.config import RostraConfig

    path = tmp_path / "rostra.toml"
    path.write_text(rostra("up", "--print-config").stdout)
    assert RostraConfig.read(path) == RostraConfig.read(None)


@pytest.mark.parametrize(("flag", "what"), [("--port", "gateway"), ("--arena-port", "arena")])
def test_a_port_in_use(tmp_path, flag, what):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        other = "--arena-port" if flag == "--port" else "--port"
        line = refused("up", "--home", str(tmp_path), flag, port, other, "0")
    assert port in line
    assert what in line
    assert flag in line
    # Those of a run that goes on stay where they are.
    assert not (tmp_path / "data").exists()


def test_logs_that_cannot_be_written(tmp_path):
    (tmp_path / "data").write_text("no folder")
    line = refused("up", "--home", str(tmp_path), "--port", "0", "--arena-port", "0")
    assert str(tmp_path / "data" / "logs") in line
    assert "--home" in line


def test_a_log_level_that_does_not_exist():
    line = refused("worker", "--model", "x", env={**os.environ, "ROSTRA_LOG_LEVEL": "loud"})
    assert "ROSTRA_LOG_LEVEL" in line
    assert "'LOUD'" in line


def test_an_unknown_model(tmp_path):
    line = refused("models", "pull", "no-such-model", "--home", str(tmp_path))
    assert "no-such-model" in line
    assert "smollm2-135m-instruct" in line


def test_a_partial_model_folder(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    line = refused("worker", "--model", str(folder), "--home", str(tmp_path))
    assert str(folder) in line


def test_a_worker_without_a_model():
    assert "--model" in refused("worker")


def test_chat_without_a_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "rostra up" in refused("chat", "--url", f"http://127.0.0.1:{port}", "hello")


def test_rating_without_votes(tmp_path):
    assert "vote" in refused("rate", "--home", str(tmp_path))
