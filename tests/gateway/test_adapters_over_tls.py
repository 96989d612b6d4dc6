"""`rostra adapters` reaches a worker that listens with TLS, and one that wants a certificate."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Authority

from rostra.gateway.tls import ListenerTls
from rostra.v1 import control_pb2, control_pb2_grpc


class Desk(control_pb2_grpc.ControlServicer):
    async def ListAdapters(self, request: Any, context: Any) -> Any:
        poet = control_pb2.AdapterInfo(name="poet", base_model="tiny", rank=8, revision="r1")
        return control_pb2.ListAdaptersResponse(adapters=[poet])


@asynccontextmanager
async def desk(tls: ListenerTls) -> AsyncIterator[str]:
    server = grpc.aio.server()
    control_pb2_grpc.add_ControlServicer_to_server(Desk(), server)
    port = server.add_secure_port("127.0.0.1:0", tls.credentials())
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def adapters(address: str, *options: str | Path) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rostra.mesh.cli.main", "adapters", "list"),
        *("--worker", address, *map(str, options)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, " ".join(said.decode().split())


POET = "poet on tiny, rank 8, revision r1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_tls(authority: Authority) -> None:
    own = authority.issue("worker")
    async with desk(ListenerTls(own.cert, own.key)) as address:
        assert await adapters(address, "--ca", authority.path) == (0, POET)
        code, said = await adapters(address)
        assert (code, "as a server does that wants TLS" in said) == (2, True), said
        code, said = await adapters(address, "--tls")
        assert (code, "an authority that is not trusted here" in said) == (2, True), said


async def test_a_certificate_for_another_name(authority: Authority) -> None:
    own = authority.issue("worker", "worker.mesh")
    async with desk(ListenerTls(own.cert, own.key)) as address:
        code, said = await adapters(address, "--ca", authority.path)
        assert (code, "for another name than 127.0.0.1" in said) == (2, True), said
        named = ("--ca", authority.path, "--server-name", "worker.mesh")
        assert await adapters(address, *named) == (0, POET)


async def test_mutual_tls(authority: Authority, tmp_path: Path) -> None:
    own, mine = authority.issue("worker"), authority.issue("operator", "operator.mesh")
    async with desk(ListenerTls(own.cert, own.key, authority.path)) as address:
        trusting = ("--ca", authority.path)
        known = (*trusting, "--cert", mine.cert, "--key", mine.key)
        assert await adapters(address, *known) == (0, POET)
        code, said = await adapters(address, *trusting)
        assert code == 2
        assert address in said
        code, said = await adapters(address, *trusting, "--cert", mine.cert)
        assert (code, "--cert and --key go together" in said) == (2, True), said
        code, said = await adapters(address, "--ca", tmp_path / "none.pem")
        assert (code, "cannot read ca" in said) == (2, True), said
