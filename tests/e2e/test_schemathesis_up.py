"""Schemathesis on the document of a running Rostra: real workers, with models small enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tiny_encoder import save_tiny_encoder
from tiny_model import save_tiny_model

from benchmarks.local import READY, rostra_up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

HOOKS = Path(__file__).parents[1] / "conformance"
CONFIG = """
[[worker]]
model = "{chat}"
name = "tiny"
max_model_len = 64
num_threads = 1

[[worker]]
model = "{encoder}"
name = "tiny-vectors"
num_threads = 1
"""
RUN = """
run {url} --phases examples,fuzzing --max-examples 6 --generation-deterministic
--continue-on-failure --request-timeout 120 --no-color --checks
""".split()
RUN += [
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    root = tmp_path_factory.mktemp("schemathesis")
    folders = {"chat": root / "chat", "encoder": root / "encoder"}
    for folder in folders.values():
        folder.mkdir()
    save_tiny_model(folders["chat"])
    save_tiny_encoder(folders["encoder"])
    config = root / "rostra.toml"
    config.write_text(CONFIG.format(**folders))
    with rostra_up("--home", str(root / "home"), "--config", str(config), "--no-arena") as local:
        local.wait_for(READY)
        yield local.api


def test_no_server_error_and_no_status_that_is_not_documented(api, tmp_path):
    request = urllib.request.Request(
        f"{api}/v1/responses",
        json.dumps({"model": "tiny", "input": "hi", "max_output_tokens": 16}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        stored = json.loads(response.read())
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *(part.format(url=f"{api}/openapi.json") for part in RUN),
        ],
        env=os.environ
        | {
            "PYTHONPATH": str(HOOKS),
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "ROSTRA_TEST_MODEL": "tiny",
            "ROSTRA_TEST_EMBEDDING_MODEL": "tiny-vectors",
            "ROSTRA_TEST_RESPONSE": stored["id"],
        },
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
