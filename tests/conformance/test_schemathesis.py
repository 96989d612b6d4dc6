"""Schemathesis, which makes requests from the document of the API, valid ones and others.

It holds every answer to the document: the status, the content type, the headers and the body; no
status is 500 or above, what breaks the schema is refused, and methods that are not there are said
to be so. It is not asked whether all that fits the schema is taken: JSON Schema cannot say every
rule.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from conformance_worker import AnsweringWorker

from rostra.gateway.endpoints import ENDPOINTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUN = """
run {url} --phases examples,coverage,fuzzing --max-examples 8 --generation-deterministic
--exclude-checks positive_data_acceptance --continue-on-failure --no-color
""".split()


async def test_schemathesis_finds_nothing(
    client: TestClient, worker: AnsweringWorker, tmp_path: Path
) -> None:
    body = {"model": "tiny", "input": "hi"}
    stored = await (await client.post("/v1/responses", json=body)).json()
    arguments = [part.format(url=client.make_url("/openapi.json")) for part in RUN]
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        *arguments,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(__file__).parent),
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "ROSTRA_TEST_MODEL": "tiny",
            "ROSTRA_TEST_RESPONSE": stored["id"],
        },
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    measured = await (await client.get("/metrics")).text()
    for endpoint in ENDPOINTS:
        assert f'route="{endpoint.public_path}",status="' in measured
    asked = {type(request).__name__ for request in worker.requests}
    assert asked == {
        "ChatRequest",
        "DetokenizeRequest",
        "EmbedRequest",
        "GenerateRequest",
        "TokenizeRequest",
    }
