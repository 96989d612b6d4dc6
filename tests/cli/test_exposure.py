"""Commands that would listen to other hosts, where anybody could call."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rostra.mesh.cli.config import default_text
from rostra.mesh.cli.main import app
from rostra.mesh.errors import RostraError
from rostra.mesh.worker.exposure import check_exposure


def refusal(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert isinstance(result.exception, RostraError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_a_gateway(host: str) -> None:
    assert "--api-keys" in refusal("gateway", "--host", host, "--port", "0", "-w", "127.0.0.1:1")


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.7:50051"])
def test_a_worker(listen: str, tmp_path: Path) -> None:
    # Before the model is looked for.
    said = refusal("worker", "--model", str(tmp_path / "absent"), "--listen", listen)
    assert "--insecure-public" in said
    check_exposure(listen, guarded=True, insecure_public=False)
    check_exposure(listen, guarded=False, insecure_public=True)
    check_exposure("127.0.0.1:0", guarded=False, insecure_public=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[gateway]\nhost = "127.0.0.1"', '[gateway]\nhost = "0.0.0.0"'),
        ('# listen = "127.0.0.1:0"', 'listen = "0.0.0.0:0"'),
    ],
)
def test_up(before: str, after: str, tmp_path: Path) -> None:
    config = tmp_path / "rostra.toml"
    text = default_text()
    assert before in text
    text = text.replace(before, after).replace("port = 8000", "port = 0")
    config.write_text(text.replace("port = 8001", "port = 0"))
    said = refusal("up", "--config", str(config), "--home", str(tmp_path))
    assert "can be reached from other hosts" in said
