"""The engine process dies, stalls or never starts: nobody hangs, and it comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import psutil
import pytest
from worker_harness import (
    ENDLESS,
    Service,
    chat,
    collect,
    eventually,
    generate,
    read_refusal,
    refused,
    running,
    started,
    tiny_config,
)

from rostra.mesh.engine.messages import EngineRequest, SamplingParams
from rostra.mesh.errors import RostraError
from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.engine_stream import EngineUnavailableError


async def drain_stream(call) -> grpc.aio.AioRpcError:
    try:
        async for part in call:
            assert not part.HasField("finish")
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the stream ended as if all were well")


async def test_a_stalled_and_then_a_killed_engine(tiny_model: Path):
    async with running(tiny_config(tiny_model)) as service:
        await stall_and_recover(service)
        await kill_and_recover(service)
        pid = service.worker.engine.pids[0]
    assert not psutil.pid_exists(pid)


async def stall_and_recover(service: Service) -> None:
    pid = service.worker.engine.pids[0]
    call = service.inference.Generate(generate(max_tokens=400, **ENDLESS))
    await started(call)
    os.kill(pid, signal.SIGSTOP)
    try:
        await eventually(lambda: is_serving(service, False))
        refusal = await refused(service.inference.Chat(chat(max_tokens=1)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "engine_stalled")
        assert await service.serving("rostra.v1.Control")
    finally:
        os.kill(pid, signal.SIGCONT)
    await eventually(lambda: is_serving(service, True))
    assert service.worker.engine.pids[0] == pid
    async for part in call:  # what ran before the stall goes on after it
        last = part
    assert last.usage.completion_tokens == 400


async def kill_and_recover(service: Service) -> None:
    pid = service.worker.engine.pids[0]
    before = await service.load()
    calls = [
        service.inference.Generate(generate(n=2, **ENDLESS)),
        service.inference.Chat(chat(**ENDLESS)),
    ]
    await asyncio.gather(*map(started, calls))
    os.kill(pid, signal.SIGKILL)
    for error in await asyncio.gather(*map(drain_stream, calls)):
        refusal = read_refusal(error)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "engine_failed")
    assert not await service.serving()
    refusal = await refused(service.inference.Chat(chat()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "engine_failed")
    await eventually(lambda: is_serving(service, True))
    assert service.worker.engine.pids[0] != pid
    got = await collect(service.inference.Generate(generate(max_tokens=3, **ENDLESS)))
    assert got.usage.completion_tokens == 3
    after = await service.load()
    assert after.generated_tokens >= before.generated_tokens + 3, "counters go on"
    assert after.running_requests == 0


async def is_serving(service: Service, expected: bool) -> bool:
    return await service.serving() is expected


REQUEST = EngineRequest(request_id="a", prompt_token_ids=[1], sampling=SamplingParams(max_tokens=4))
PRELUDE = """
from rostra.mesh.worker import wire
from rostra.mesh.worker.engine_process import main
from rostra.mesh.engine.messages import EngineLoad
from rostra.mesh.errors import RostraError
INFO = wire.EngineInfo(device="cpu", device_name="", dtype="", max_model_len=9, vocab_size=9)
class Engine:
    has_work = False
    def load(self): return EngineLoad()
    def cache_changes(self): return None
    adapters = None
    grammars = None
    def add_request(self, request): self.has_work = True
    def abort(self, name): return False
"""


def client(tmp_path: Path, script: str, **settings) -> EngineClient:
    """A client of a process that runs `script` instead of the real engine."""
    file = tmp_path / "engine.py"
    file.write_text(PRELUDE + script)
    config = tiny_config(tmp_path).engine
    return EngineClient(config, command=(sys.executable, str(file)), **settings)


async def test_an_exception_in_a_step_fails_the_streams_and_restarts(tmp_path: Path):
    health: list[bool] = []
    engine = client(
        tmp_path,
        "class Broken(Engine):\n"
        "    def step(self): raise ValueError('bad luck')\n"
        "main(lambda config, progress: (Broken(), INFO))\n",
        on_health=health.append,
    )
    try:
        await engine.start()
        stream = await taken_or_failed(engine)
        assert isinstance(stream, EngineUnavailableError)
        async with asyncio.timeout(30):
            while health != [True, False, True]:
                await asyncio.sleep(0.02)
    finally:
        await engine.close()


async def taken_or_failed(engine: EngineClient) -> Exception | None:
    try:
        async for _ in await engine.submit(REQUEST):
            pass
    except EngineUnavailableError as error:
        return error
    return None


async def test_a_step_that_never_ends_is_a_stall_and_its_process_is_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    engine = client(
        tmp_path,
        "import time\n"
        "class Stuck(Engine):\n"
        "    def step(self): time.sleep(1000)\n"
        "main(lambda config, progress: (Stuck(), INFO))\n",
        stall_timeout=1.5,
    )
    try:
        await engine.start()
        assert engine.able
        waiting = asyncio.create_task(engine.submit(REQUEST))
        async with asyncio.timeout(30):
            while engine.able:
                await asyncio.sleep(0.02)
        with pytest.raises(EngineUnavailableError, match="has not finished a step"):
            await engine.submit(REQUEST)
        stalled = engine.pids[0]
        with pytest.raises(EngineUnavailableError, match="engine process died"):
            await waiting
        async with asyncio.timeout(30):
            while not engine.able:
                await asyncio.sleep(0.02)
        assert engine.pids[0] != stalled
        assert "had not finished a step for" in caplog.text
        assert "--stall-timeout" in caplog.text
    finally:
        await engine.close()
    assert not psutil.pid_exists(stalled)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def build(*_): raise RostraError('buy more memory')", "^buy more memory$"),
        ("def build(*_): raise KeyError('x')", "did not start: KeyError: 'x'"),
        ("def build(*_): import os; os._exit(7)", "did not start: .* exit code 7"),
        ("def build(*_): import os; os.abort()", "did not start: .* SIGABRT"),
        ("raise SystemExit(3)", "did not start: .* exit code 3"),
    ],
)
async def test_an_engine_that_cannot_start_says_why(tmp_path: Path, script: str, message: str):
    engine = client(tmp_path, script + "\nmain(build)\n")
    try:
        with pytest.raises(RostraError, match=message):
            await engine.start()
    finally:
        await engine.close()


def test_a_process_can_be_ended_before_it_has_torch():
    """And sets what torch's threads read when it is loaded."""
    code = "import sys, rostra.mesh.worker.engine_process; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
