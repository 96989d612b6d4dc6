"""Two agents of torchrun at two loopback addresses, as on two hosts."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from worker_harness import collect, generate

from rostra.v1 import control_pb2, control_pb2_grpc, inference_pb2_grpc

READY = re.compile(r"worker ready on (\S+)")
START = 120.0
"""Seconds."""
BOUND = 30.0


class Agents:
    """One for each host, with one rank each."""

    def __init__(self, model: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        self.logs = [folder / f"host-{i}.log" for i in range(2)]
        self.processes = []
        for i, log in enumerate(self.logs):
            command = [sys.executable, "-P", "-m", "torch.distributed.run", "--nnodes", "2"]
            command += ["--node-rank", str(i), "--local-addr", f"127.0.0.{i + 1}"]
            command += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
            command += ["--max-restarts", "3", "--no-python"]
            command += [sys.executable, "-P", "-m", "rostra.mesh.cli.main", "worker", "--tp", "2"]
            command += ["--model", str(model), "--listen", "127.0.0.1:0", "--num-threads", "1"]
            with log.open("wb") as output:
                self.processes.append(
                    subprocess.Popen(command, stdout=output, stderr=output, env=environment)
                )

    def address(self, start: int) -> str:
        """Of the worker, when it has become ready for the `start`-th time."""
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            found = READY.findall(self.logs[0].read_text())
            if len(found) >= start:
                return found[start - 1]
            time.sleep(0.1)
        raise AssertionError("\n".join(log.read_text() for log in self.logs))

    def ranks(self) -> list[list[psutil.Process]]:
        """The processes of each, those that they started last."""
        found = []
        for agent in self.processes:
            (rank,) = psutil.Process(agent.pid).children()
            found.append([rank, *rank.children(recursive=True)])
        return found

    def stop(self) -> None:
        everything = [
            process
            for agent in self.processes
            for process in psutil.Process(agent.pid).children(recursive=True)
        ]
        for agent in self.processes:
            agent.terminate()
        for agent in self.processes:
            agent.wait(60)
        _, alive = psutil.wait_procs(everything, timeout=10)
        for process in alive:
            process.kill()
        assert not alive


@pytest.fixture
def agents(tiny_model: Path, tmp_path: Path) -> Iterator[Agents]:
    agents = Agents(tiny_model, tmp_path)
    yield agents
    agents.stop()


async def answer(address: str) -> dict[int, str]:
    async with grpc.aio.insecure_channel(address) as channel:
        info = await control_pb2_grpc.ControlStub(channel).GetServerInfo(
            control_pb2.GetServerInfoRequest()
        )
        assert info.tensor_parallel_size == 2
        stub = inference_pb2_grpc.InferenceStub(channel)
        return (await collect(stub.Generate(generate(max_tokens=8, temperature=0.0)))).texts


async def test_a_rank_dies_on_either_host(agents: Agents):
    expected = await answer(await asyncio.to_thread(agents.address, 1))
    for start, host in ((2, 1), (3, 0)):
        everything = [process for rank in agents.ranks() for process in rank]
        agents.ranks()[host][-1].kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, everything, timeout=BOUND)
        assert not alive
        assert await answer(await asyncio.to_thread(agents.address, start)) == expected
