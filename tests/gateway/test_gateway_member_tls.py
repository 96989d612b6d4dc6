"""A member over HTTPS: asked where its certificate is trusted, and only there."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from gateway_harness import eventually
from members_harness import ScriptedServer, answer_of, gateway_with, member

from rostra.gateway.keys import FLEET


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that signs itself, for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "ca.pem", folder / "key.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=member", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(certificate)),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


async def test_certificates(certificate: tuple[Path, Path]) -> None:
    scripted = ScriptedServer()
    app = web.Application()
    app.router.add_get("/v1/models", scripted._models)
    app.router.add_post("/v1/{path:.+}", scripted._answer)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    try:
        url = str(server.make_url("/v1"))
        async with gateway_with(member(url, ca_file=certificate[0])) as client:
            assert (await answer_of(client))[0] == 200
        async with gateway_with(member(url), ready=False) as client:
            await eventually(lambda: "certificate is not trusted" in _reason(client))
            assert "127.0.0.1" not in _reason(client)
            assert (await answer_of(client))[0] == 503
    finally:
        await server.close()


def _reason(client: Any) -> str:
    (link,) = client.app[FLEET].members
    return str(link.reason)
