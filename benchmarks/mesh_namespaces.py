"""A network of namespaces: each worker has an interface of its own, and packets can be dropped.

The program itself moves into a namespace before it begins, so that nothing of the machine's own
network is touched and nothing is left of it when the last process has ended, however it ends. That
takes Linux, iproute2 and util-linux, and either root or the right to make user namespaces.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from benchmarks.mesh_network import Kind, Network
from benchmarks.mesh_proxy import ProxyNetwork

_WAYS = (("unshare", "--net"), ("unshare", "--user", "--map-root-user", "--net"))
_MARK = "ROSTRA_BENCHMARK_NAMESPACE"
_TRIAL = """set -e
ip link set lo up
ip link add trial0 type bridge
ip link add trial1 type veth peer name trial2
ip link set trial1 master trial0
unshare --net true
"""
_TOOLS = ("unshare", "nsenter", "ip", "ss")
_BRIDGE, _BRIDGE_MAC, _GATEWAYS = "mesh", "02:00:00:00:00:01", "10.77.0.1"
_PORT = 50051


class NamespaceError(Exception):
    """There can be none here; the message says what was tried and what came of it."""


class NamespaceNetwork:
    """A bridge with the gateways, and behind each of its ports one worker.

    A cut takes the port from the bridge. Both ends keep their carrier and know each other's
    hardware address for good, so that packets go out and nothing says that they are lost.
    """

    kind: Kind = "namespaces"

    async def start(self, workers: int) -> None:
        self._holders: list[asyncio.subprocess.Process] = []
        await _run("ip", "link", "set", "lo", "up")
        await _run("ip", "link", "add", _BRIDGE, "address", _BRIDGE_MAC, "type", "bridge")
        await _run("ip", "address", "add", f"{_GATEWAYS}/24", "dev", _BRIDGE)
        await _run("ip", "link", "set", _BRIDGE, "up")
        for worker in range(workers):
            await self._add(worker)

    async def _add(self, worker: int) -> None:
        # Holds the namespace across the worker's restarts, and ends when this process does.
        holder = await asyncio.create_subprocess_exec(
            *("unshare", "--net", "sh", "-c", "echo made; exec cat"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._holders.append(holder)
        assert holder.stdout is not None
        await holder.stdout.readline()
        port, mac, host = _port(worker), _mac(worker), _host(worker)
        peer = ("peer", "name", "eth0", "address", mac, "netns", str(holder.pid))
        await _run("ip", "link", "add", port, "type", "veth", *peer)
        await _run("ip", "link", "set", port, "master", _BRIDGE, "up")
        there = self.command(worker)
        await _run(*there, "ip", "link", "set", "lo", "up")
        await _run(*there, "ip", "address", "add", f"{host}/24", "dev", "eth0")
        await _run(*there, "ip", "link", "set", "eth0", "up")
        for where, known in (
            ((), (host, "lladdr", mac, "dev", _BRIDGE)),
            (there, (_GATEWAYS, "lladdr", _BRIDGE_MAC, "dev", "eth0")),
        ):
            await _run(*where, "ip", "neighbour", "replace", *known, "nud", "permanent")

    async def close(self) -> None:
        for holder in self._holders:
            with suppress(ProcessLookupError):
                holder.kill()
            await holder.wait()
        for worker in range(len(self._holders)):
            with suppress(NamespaceError):
                await _run("ip", "link", "delete", _port(worker))
        await _run("ip", "link", "delete", _BRIDGE)

    def listen(self, worker: int) -> str:
        return f"{_host(worker)}:{_PORT}"

    def address(self, worker: int) -> str:
        return self.listen(worker)

    def command(self, worker: int) -> Sequence[str]:
        return "nsenter", "--target", str(self._holders[worker].pid), "--net"

    async def cut(self, worker: int) -> None:
        await _run("ip", "link", "set", _port(worker), "nomaster")

    async def mend(self, worker: int) -> None:
        await _run("ip", "link", "set", _port(worker), "master", _BRIDGE)

    async def reset(self, worker: int) -> None:
        await _run("ss", "--kill", "--tcp", "dst", _host(worker))


def add_network_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network",
        choices=("auto", "namespaces", "proxy"),
        default="auto",
        help="what is cut: packets between network namespaces, or bytes in a proxy of this "
        "process; auto: namespaces where the machine allows them",
    )


def network_of(args: argparse.Namespace, module: str) -> Network:
    """That of `add_network_option`, and a line that says which it is. `module` is started again by
    its arguments in a namespace of its own where that is needed.

    Ends the program where namespaces are asked for and cannot be made.
    """
    if _MARK in os.environ:
        print("network: namespaces; a cut drops packets", flush=True)
        return NamespaceNetwork()
    if args.network == "proxy":
        print("network: proxies; a cut swallows bytes", flush=True)
        return ProxyNetwork()
    try:
        way = find_way()
    except NamespaceError as error:
        if args.network == "namespaces":
            raise SystemExit(f"there can be no network namespaces here: {error}") from None
        print(f"network: proxies; a cut swallows bytes, since {error}", flush=True)
    else:
        command = (*way, sys.executable, "-m", module, *sys.argv[1:])
        os.execvpe(command[0], command, {**os.environ, _MARK: "1"})
    return ProxyNetwork()


def find_way() -> Sequence[str]:
    """The command that begins a program in a network namespace. Raises NamespaceError."""
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise NamespaceError(f"this machine has no {', '.join(missing)}")
    said = []
    for way in _WAYS:
        tried = subprocess.run(
            (*way, "sh", "-c", _TRIAL), capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            return way
        said.append(f"`{' '.join(way)}` says {' '.join(tried.stderr.split()) or 'nothing'!r}")
    raise NamespaceError(", ".join(said))


def _port(worker: int) -> str:
    return f"port{worker}"


def _mac(worker: int) -> str:
    return f"02:00:00:00:01:{worker + 1:02x}"


def _host(worker: int) -> str:
    return f"10.77.0.{worker + 11}"


async def _run(*command: str) -> None:
    """Raises NamespaceError with what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode != 0:
        raise NamespaceError(f"{' '.join(command)}: {' '.join(said.decode().split())}")
