"""TLS and mutual TLS on every gRPC link of the mesh."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp.test_utils import TestClient
from certificates import Authority, Pair
from gateway_harness import eventually, gateway_before
from pydantic import ValidationError
from registry_harness import (
    CHAT,
    HELLO,
    JoiningWorker,
    fleet_of,
    gateway_to_join,
    members,
    serving,
    where,
)

from rostra.gateway.app import create_app
from rostra.gateway.errors import GatewayError
from rostra.gateway.membership.settings import RegistrySettings, WorkerTlsSettings
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.tls import CallerTls, ListenerTls
from rostra.v1 import registry_pb2, registry_pb2_grpc


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def worker_with(pair: Pair, client_ca: Path | None = None) -> AsyncIterator[JoiningWorker]:
    worker = JoiningWorker()
    worker.tls = ListenerTls(pair.cert, pair.key, client_ca)
    async with worker:
        yield worker


def reason(client: TestClient) -> str:
    links = fleet_of(client).workers
    return links[0].reason if links else ""


async def test_mutual_tls_on_every_link(authority: Authority) -> None:
    listener, own, gateways = (authority.issue(name) for name in ("listener", "own", "gateway"))
    registry = {**listener.settings("tls_"), "tls_client_ca": authority.path}
    calls = {"ca": authority.path, **gateways.settings()}
    async with (
        worker_with(authority.issue("worker"), authority.path) as worker,
        gateway_to_join(registry=registry, worker_tls=calls) as client,
    ):
        caller = CallerTls(authority.path, own.cert, own.key)
        worker.join(where(client, "grpcs"), tls=True, caller=caller)
        await eventually(lambda: serving(client) == {worker.address})
        assert (await client.post(CHAT, json=HELLO)).status == 200


@pytest.mark.parametrize("fault", ["name", "authority", "expired"])
async def test_a_worker_with_a_wrong_certificate_is_out_and_told(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    pair, words = {
        "name": lambda: (
            authority.issue("worker", "other.example"),
            "its certificate is for another name than 127.0.0.1",
        ),
        "authority": lambda: (
            Authority(tmp_path, "another").issue("worker"),
            "its certificate is of an authority that is not trusted here",
        ),
        "expired": lambda: (authority.issue("worker", days=-1), "its certificate has expired"),
    }[fault]()
    async with (
        worker_with(pair) as worker,
        gateway_to_join(worker_tls={"ca": authority.path}) as client,
    ):
        worker.join(where(client), tls=True)
        await eventually(lambda: reason(client) == words)
        await eventually(lambda: f"does not use this worker: {words}" in caplog.text)


async def test_a_name_that_all_workers_certificates_are_for(authority: Authority) -> None:
    pair = authority.issue("worker", "worker.mesh")
    settings = {"ca": authority.path, "server_name": "worker.mesh"}
    async with (
        worker_with(pair) as worker,
        gateway_before([worker.address], worker_tls=settings) as client,
    ):
        assert (await client.post(CHAT, json=HELLO)).status == 200


@pytest.mark.parametrize("fault", ["name", "authority"])
async def test_a_registry_with_a_wrong_certificate_is_not_joined(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    other = fault == "name"
    pair = authority.issue("listener", "other.example" if other else "127.0.0.1")
    trusted = authority if other else Authority(tmp_path, "another")
    words = "for another name than 127.0.0.1" if other else "an authority that is not trusted"
    async with (
        gateway_to_join(registry=pair.settings("tls_")) as client,
        JoiningWorker() as worker,
    ):
        worker.join(where(client, "grpcs"), caller=CallerTls(trusted.path))
        await eventually(lambda: words in caplog.text)
        assert fleet_of(client).workers == []


async def test_a_worker_without_a_certificate_where_one_is_wanted(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    registry = {**authority.issue("listener").settings("tls_"), "tls_client_ca": authority.path}
    stranger = Authority(tmp_path, "another").issue("stranger")
    async with (
        gateway_to_join(registry=registry) as client,
        JoiningWorker() as none,
        JoiningWorker() as wrong,
        JoiningWorker() as plain,
    ):
        none.join(where(client, "grpcs"), caller=CallerTls(authority.path))
        await eventually(lambda: "as one does that wants a certificate" in caplog.text)
        caller = CallerTls(authority.path, stranger.cert, stranger.key)
        wrong.join(where(client, "grpcs"), caller=caller)
        await eventually(lambda: "as one does that refuses a certificate" in caplog.text)
        plain.join(where(client), caller=None)
        await eventually(lambda: "as a server does that wants TLS" in caplog.text)
        assert fleet_of(client).workers == []


async def test_tls_on_one_side_alone(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        worker_with(authority.issue("worker")) as secure,
        gateway_to_join() as client,
    ):
        secure.join(where(client), tls=True)
        await eventually(lambda: "refuses this worker: the worker listens with TLS" in caplog.text)
        assert "refused a worker from" in caplog.text
    async with (
        JoiningWorker() as plain,
        gateway_to_join(worker_tls={"ca": authority.path}) as client,
    ):
        plain.join(where(client))
        await eventually(lambda: "and the worker listens without: set --tls-cert" in caplog.text)


async def test_certificates_are_renewed_without_a_restart(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of both listeners, and those that callers trust: a whole new authority."""
    caplog.set_level(logging.INFO)
    listener, worker_pair = authority.issue("listener"), authority.issue("worker")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.path.read_bytes())
    async with (
        worker_with(worker_pair) as worker,
        gateway_to_join(registry=listener.settings("tls_"), worker_tls={"ca": trusted}) as client,
    ):
        worker.join(where(client, "grpcs"), tls=True, caller=CallerTls(trusted))
        await eventually(lambda: serving(client) == {worker.address})
        later = Authority(tmp_path, "later")
        listener.become(later.issue("listener-2"))
        worker_pair.become(later.issue("worker-2"))
        # What is connected stays so; whoever comes anew meets the new certificates.
        assert serving(client) == {worker.address}
        await worker.vanish()
        port = worker.port
        await worker.stop()
        await eventually(lambda: fleet_of(client).workers == [])
        await worker.start(port)
        worker.join(where(client, "grpcs"), tls=True, caller=CallerTls(trusted))
        await eventually(lambda: "an authority that is not trusted here" in caplog.text)
        trusted.write_bytes(later.path.read_bytes())
        await eventually(lambda: serving(client) == {worker.address})
        assert (await client.post(CHAT, json=HELLO)).status == 200


async def test_a_listed_worker_is_called_by_renewed_certificates(
    tmp_path: Path, authority: Authority
) -> None:
    """The gateway's own link, which no stream of the worker opens anew."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.path.read_bytes())
    later = Authority(tmp_path, "later")
    async with (
        worker_with(later.issue("worker")) as worker,
        gateway_to_join([worker.address], worker_tls={"ca": trusted}) as client,
    ):
        await eventually(lambda: "authority that is not trusted here" in reason(client))
        trusted.write_bytes(later.path.read_bytes())
        await eventually(lambda: serving(client) == {worker.address})
        assert (await members(client))[worker.address]["state"] == "serving"
        assert (await client.post(CHAT, json=HELLO)).status == 200


async def test_half_a_change_keeps_the_certificate_before(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    listener = authority.issue("listener")
    async with gateway_to_join(registry=listener.settings("tls_")) as client:
        listener.cert.write_bytes(authority.issue("other").cert.read_bytes())
        address = where(client, "grpcs").removeprefix("grpcs://")
        async with grpc.aio.secure_channel(
            address, CallerTls(authority.path).credentials()
        ) as channel:
            watching = registry_pb2_grpc.RegistryStub(channel).Watch(registry_pb2.WatchRequest())
            assert (await watching.read()).changes == []
        assert "the certificates before stay in use" in caplog.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tls_cert": "a"}, "belong together"),
        ({"tls_key": "a"}, "belong together"),
        ({"tls_client_ca": "a"}, "needs tls_cert and tls_key"),
    ],
)
def test_settings_that_are_not_whole(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RegistrySettings(**settings)


def test_files_that_hold_no_certificates(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        WorkerTlsSettings(cert="a")
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    pair, other = authority.issue("a"), authority.issue("b")
    for tls, words in (
        (ListenerTls(tmp_path / "none", pair.key), "cannot read tls_cert .*No such file"),
        (ListenerTls(junk, pair.key), "holds nothing in PEM"),
        (ListenerTls(pair.cert, other.key), "are no pair"),
        (ListenerTls(pair.cert, pair.key, pair.key), "holds no certificates"),
        (CallerTls(ca=junk), "holds nothing in PEM"),
        (CallerTls(cert=pair.cert, key=other.key), "are no pair"),
    ):
        with pytest.raises(GatewayError, match=words):
            tls.credentials()
    with pytest.raises(GatewayError, match="cannot read ca"):
        create_app(GatewaySettings(workers=["a:1"], worker_tls={"ca": tmp_path / "none"}))
