from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import Server, serving
from typer.testing import CliRunner, Result

from rostra.mesh.cli.main import app
from rostra.mesh.errors import RostraError

QUESTIONS = [
    {"question_id": 81, "category": "writing", "turns": ["Write a line.", "Now another."]},
    {"question_id": 82, "category": "maths", "turns": ["Six times seven?"], "reference": ["42"]},
]
CONTESTANTS = ("ariel", "puck", "caliban")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    return path


@pytest.fixture
def config(tmp_path: Path, server: Server) -> Path:
    """Three contestants and two judges at the scripted server."""
    path = tmp_path / "rostra.toml"
    contestants = "".join(
        f'[[contestant]]\nname = "{name}"\nmodel = "{name}-7b"\nprice = 2.0\n'
        for name in CONTESTANTS
    )
    path.write_text(
        f'[arena]\ngateway_url = "{server.url}"\ncurrency = "USD"\n{contestants}'
        '[[judge]]\nname = "portia"\nmodel = "portia-70b"\ninput_price = 1.0\noutput_price = 10.0\n'
        f'[[judge]]\nname = "shylock"\nmodel = "shylock-70b"\nbase_url = "{server.url}/v1"\n'
        'api_key_env = "SHYLOCK_KEY"\nstructured = "json"\n'
    )
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def rostra(config: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command of `rostra`, with what `main` makes of its errors."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SHYLOCK_KEY", "pound of flesh")

    def invoke(*arguments: Any) -> Result:
        result = CliRunner().invoke(
            app, [*map(str, arguments), "-c", str(config), "--home", str(home)]
        )
        if isinstance(result.exception, RostraError):
            # As `main` shows it.
            result.exit_code = 2
            result.stdout_bytes += str(result.exception).encode()
            result.output_bytes += str(result.exception).encode()
            assert "\n" not in str(result.exception)
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
