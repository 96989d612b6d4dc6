"""Processes die, clients leave, people press Ctrl-C: nothing hangs and nothing stays behind."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request

import openai
import psutil
import pytest

from benchmarks.local import READY, rostra_up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
LONG = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Count."}],
    "max_tokens": 2000,
    "ignore_eos": True,
}


@pytest.fixture
def own(home, tmp_path):
    """A `rostra up` that the test may break."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    with rostra_up("--home", str(home), "--no-arena", environment={"TMPDIR": str(scratch)}) as up:
        up.wait_for(READY)
        up.scratch = scratch
        yield up


def workers(up):
    """The worker's process, not its engine."""
    children = psutil.Process(up.process.pid).children()
    return [child for child in children if "worker" in child.cmdline()]


def engines(up):
    return [engine for worker in workers(up) for engine in worker.children(recursive=True)]


def stream(up, body):
    request = urllib.request.Request(
        f"{up.api}/v1/chat/completions",
        data=json.dumps(body | {"stream": True}).encode(),
        headers={"content-type": "application/json"},
    )
    return urllib.request.urlopen(request, timeout=120)


def ask_until_answered(up, seconds=120):
    """Retries as the server tells it to, as a client would."""
    request = urllib.request.Request(
        f"{up.api}/v1/chat/completions",
        data=json.dumps(LONG | {"max_tokens": 4}).encode(),
        headers={"content-type": "application/json"},
    )
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            refusal = error
        assert refusal.code == 503, refusal.read()
        assert int(refusal.headers["Retry-After"]) >= 1
        assert json.loads(refusal.read())["error"]["message"]
        time.sleep(0.5)
    raise AssertionError("no answer after the restart")


@pytest.mark.parametrize("victims", [workers, engines], ids=["worker", "engine"])
def test_a_killed_process_ends_its_streams_and_comes_back(own, victims):
    with stream(own, LONG) as response:
        for _ in range(20):
            assert response.readline()
        for process in victims(own):
            process.send_signal(signal.SIGKILL)
        rest = response.read().decode()
    events = [line.removeprefix("data: ") for line in rest.splitlines() if line.startswith("data:")]
    last = [event for event in events if event != "[DONE]"][-1]
    assert json.loads(last)["error"]["message"]
    assert ask_until_answered(own)["usage"]["completion_tokens"] == 4


def test_a_client_that_leaves_frees_the_engine(own):
    with stream(own, LONG) as response:
        for _ in range(10):
            assert response.readline()
    with openai.OpenAI(base_url=f"{own.api}/v1", api_key="none") as client:
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=1
        )
    end = time.monotonic() + 30
    while _running(own) != 0:
        assert time.monotonic() < end, "the abandoned request still runs"
        time.sleep(0.1)


def test_ctrl_c_leaves_nothing_behind(own):
    everything = psutil.Process(own.process.pid).children(recursive=True)
    assert len(everything) >= 3
    ports = [own.api.rpartition(":")[2], own.worker.rpartition(":")[2]]
    with stream(own, LONG | {"max_tokens": 30}) as response:
        assert response.readline()
        own.process.send_signal(signal.SIGINT)
        rest = response.read().decode()
    assert '"finish_reason":"length"' in rest, "a running answer was not finished"
    assert own.wait() == 0
    assert not [child for child in everything if child.is_running()]
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(port)))
    assert list(own.scratch.iterdir()) == []


def test_a_killed_supervisor_takes_everything_with_it(own):
    everything = psutil.Process(own.process.pid).children(recursive=True)
    own.process.kill()
    own.process.wait()
    _gone, alive = psutil.wait_procs(everything, timeout=60)
    assert not alive


def _running(up):
    import grpc

    from rostra.v1 import control_pb2, control_pb2_grpc

    with grpc.insecure_channel(up.worker) as channel:
        load = control_pb2_grpc.ControlStub(channel).GetLoad(control_pb2.GetLoadRequest())
        return load.running_requests + load.waiting_requests
