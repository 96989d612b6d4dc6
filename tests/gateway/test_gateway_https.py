"""HTTPS: what is served with it, and who is let in by a certificate."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp.test_utils import unused_port
from gateway_harness import FAST, ScriptedWorker, eventually

from rostra.gateway import https
from rostra.gateway.errors import GatewayError
from rostra.gateway.exposure import ExposureSettings, check_exposure, is_loopback
from rostra.gateway.server import serve
from rostra.gateway.settings import GatewaySettings


class Files:
    """Of one server."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.client_ca = folder / "clients.pem"

    def certify(self, authority: trustme.CA, *names: str) -> None:
        made = authority.issue_cert(*(names or ("127.0.0.1", "localhost")))
        made.private_key_pem.write_to_path(self.key)
        made.cert_chain_pems[0].write_to_path(self.cert)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    found = Files(tmp_path)
    found.certify(authority)
    return found


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def serving(worker: ScriptedWorker, files: Files, **settings: Any) -> AsyncIterator[str]:
    given = GatewaySettings(
        **{
            **FAST,
            "port": unused_port(),
            "workers": (worker.address,),
            "tls_cert": files.cert,
            "tls_key": files.key,
            "drain_grace": 0.0,
            **settings,
        }
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(given, ready.set_result))
    try:
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        yield await ready
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def status(url: str, context: ssl.SSLContext) -> int:
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{url}/health") as answer,
    ):
        return answer.status


async def test_who_trusts_the_authority_is_answered(
    worker: ScriptedWorker, files: Files, authority: trustme.CA
) -> None:
    async with serving(worker, files) as url:
        assert url.startswith("https://127.0.0.1:")
        assert await status(url, trusting(authority)) == 200
        assert await status(url.replace("127.0.0.1", "localhost"), trusting(authority)) == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(url, ssl.create_default_context())
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await status(url.replace("https", "http"), trusting(authority))


async def test_a_certificate_for_another_name(
    worker: ScriptedWorker, files: Files, authority: trustme.CA
) -> None:
    files.certify(authority, "gateway.example")
    async with serving(worker, files) as url:
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match=r"127\.0\.0\.1"):
            await status(url, trusting(authority))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_nothing_older_than_tls_1_2(
    worker: ScriptedWorker, files: Files, authority: trustme.CA
) -> None:
    async with serving(worker, files) as url:
        context = trusting(authority)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(aiohttp.ClientError):
            await status(url, context)


async def test_clients_show_their_certificate(
    worker: ScriptedWorker, files: Files, authority: trustme.CA
) -> None:
    clients = trustme.CA()
    clients.cert_pem.write_to_path(files.client_ca)

    def shown(by: trustme.CA, **settings: Any) -> ssl.SSLContext:
        context = trusting(authority)
        by.issue_cert("client.example", **settings).configure_cert(context)
        return context

    async with serving(worker, files, tls_client_ca=files.client_ca) as url:
        assert await status(url, shown(clients)) == 200
        yesterday = datetime.now(UTC) - timedelta(days=1)
        for context in (
            trusting(authority),
            shown(trustme.CA()),
            shown(clients, not_after=yesterday),
        ):
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await status(url, context)


async def test_files_that_change_are_used_without_a_restart(
    worker: ScriptedWorker,
    files: Files,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(https, "LOOK_INTERVAL", 0.02)
    caplog.set_level(logging.INFO)
    clients, others = trustme.CA(), trustme.CA()
    clients.cert_pem.write_to_path(files.client_ca)
    async with serving(worker, files, tls_client_ca=files.client_ca) as url:

        async def answers(server: trustme.CA, client: trustme.CA) -> bool:
            context = trusting(server)
            client.issue_cert("client.example").configure_cert(context)
            try:
                return await status(url, context) == 200
            except (aiohttp.ClientError, ConnectionError):
                return False

        assert await answers(authority, clients)
        # A key of another certificate: what was read before goes on.
        files.key.write_bytes(authority.issue_cert("127.0.0.1").private_key_pem.bytes())
        await eventually(lambda: "stay in use" in caplog.text)
        assert await answers(authority, clients)
        caplog.clear()
        renewed = trustme.CA()
        files.certify(renewed)
        others.cert_pem.write_to_path(files.client_ca)
        for _ in range(500):
            if await answers(renewed, others):
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError("the new files are not used")
        assert not await answers(authority, others)
        assert not await answers(renewed, clients)


@pytest.mark.parametrize("missing", ["cert", "key", "client_ca"])
@pytest.mark.parametrize("text", [None, "no PEM"])
async def test_files_that_are_none(
    worker: ScriptedWorker, files: Files, missing: str, text: str | None
) -> None:
    trustme.CA().cert_pem.write_to_path(files.client_ca)
    path: Path = getattr(files, missing)
    if text is None:
        path.rename(path.with_suffix(".gone"))
    else:
        path.write_text(text)
    settings = GatewaySettings(
        port=0,
        workers=(worker.address,),
        tls_cert=files.cert,
        tls_key=files.key,
        tls_client_ca=files.client_ca,
    )
    with pytest.raises(GatewayError) as caught:
        await serve(settings)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.5", False),
        ("192.0.2.1", False),
    ],
)
def test_what_other_hosts_reach(host: str, local: bool) -> None:
    assert is_loopback(host) is local
    open_to_all = ExposureSettings(host=host)
    if local:
        check_exposure(open_to_all)
        return
    with pytest.raises(GatewayError, match=r"--api-keys.*--insecure-public"):
        check_exposure(open_to_all)
    for guard in (
        {"insecure_public": True},
        {"api_keys": "keys.toml"},
        {"tls_cert": "a", "tls_key": "b", "tls_client_ca": "c"},
    ):
        check_exposure(ExposureSettings(host=host, **guard))  # type: ignore[arg-type]
    # HTTPS alone lets everybody in.
    with pytest.raises(GatewayError):
        check_exposure(ExposureSettings(host=host, tls_cert="a", tls_key="b"))  # type: ignore[arg-type]
