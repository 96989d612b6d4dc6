"""The arena before a gateway that speaks HTTPS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from rostra.arena.errors import AnswerError, ArenaError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.gateway_tls import gateway_tls


def settings(**given: Path) -> Any:
    return SimpleNamespace(
        **{"gateway_ca": None, "gateway_cert": None, "gateway_cert_key": None, **given}
    )


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = made.issue_cert("arena.example")
    own.cert_chain_pems[0].write_to_path(tmp_path / "arena.pem")
    own.private_key_pem.write_to_path(tmp_path / "arena.key")
    return made


@pytest.fixture
async def url(authority: trustme.CA) -> AsyncIterator[str]:
    """A server that asks for a certificate."""

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def test_the_authority_and_the_arenas_own_certificate(url: str, tmp_path: Path) -> None:
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "arena.pem", "arena.key"))
    whole = settings(gateway_ca=ca, gateway_cert=cert, gateway_cert_key=key)
    async with GatewayClient(url, None, 10, gateway_tls(whole)) as client:
        assert await client.models(timeout=30) == {}
    for lacking in (settings(), settings(gateway_ca=ca)):
        async with GatewayClient(url, None, 10, gateway_tls(lacking)) as client:
            with pytest.raises(AnswerError):
                await client.models(timeout=30)


def test_files_that_are_none(authority: trustme.CA, tmp_path: Path) -> None:
    ca, cert, broken = tmp_path / "ca.pem", tmp_path / "arena.pem", tmp_path / "broken.pem"
    broken.write_text("no PEM")
    for wrong in (
        settings(gateway_ca=tmp_path / "absent.pem"),
        settings(gateway_ca=broken),
        settings(gateway_ca=ca, gateway_cert=cert, gateway_cert_key=broken),
        settings(gateway_ca=ca, gateway_cert=cert, gateway_cert_key=ca),
    ):
        with pytest.raises(ArenaError, match="cannot use gateway_") as caught:
            gateway_tls(wrong)
        assert "\n" not in str(caught.value)
