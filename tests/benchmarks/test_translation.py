"""The emitter, judged by a real gRPC client and over HTTP, and what is made of the streams."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks import raw_streams
from benchmarks.emitter_text import MODEL, pieces
from benchmarks.loops import PeerError
from benchmarks.translation import with_ratios
from rostra.v1 import chat_pb2, control_pb2, control_pb2_grpc, inference_pb2, inference_pb2_grpc


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "benchmarks.emitter", "--tokens-per-message", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture(scope="module")
def channel(addresses: dict[str, str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(addresses["grpc"]) as channel:
        yield channel


def test_a_chat_keeps_the_rules_of_the_contract(channel):
    stub = inference_pb2_grpc.InferenceStub(channel)
    # More bytes than a stream's first window of flow control.
    request = chat_pb2.ChatRequest(model=MODEL, sampling={"max_tokens": 40_000})
    first, *deltas, last = stub.Chat(request, timeout=60)
    assert (first.request_id, first.prompt_tokens) == ("emitted", 1)
    assert [message.delta.content for message in deltas] == pieces(40_000, 3)
    assert last.HasField("finish")
    assert last.usage.completion_tokens == 40_000


def test_many_chats_at_once_are_each_whole(channel):
    stub = inference_pb2_grpc.InferenceStub(channel)
    calls = [
        stub.Chat(chat_pb2.ChatRequest(sampling={"max_tokens": tokens}), timeout=60)
        for tokens in range(1, 60)
    ]
    for tokens, call in enumerate(calls, start=1):
        assert "".join(each.delta.content for each in call) == "".join(pieces(tokens, 1))


def test_bundled_chats_are_each_whole(channel):
    stub = inference_pb2_grpc.InferenceStub(channel)
    open_until = threading.Event()
    bundle = stub.Bundle(iter(lambda: open_until.wait() or None, None), timeout=60)
    name = next(bundle).bundle_id
    calls = [
        stub.Chat(
            chat_pb2.ChatRequest(sampling={"max_tokens": 1000 * number}),
            timeout=60,
            metadata=(("rostra-bundle", f"{name}/{number}"),),
        )
        for number in range(1, 40)
    ]
    came: dict[int, list[str]] = {number: [] for number in range(1, 40)}
    whole = {number: ["", *pieces(1000 * number, 3)] for number in came}
    while any(len(came[number]) < len(whole[number]) for number in came):
        for message in next(bundle).messages:
            came[message.call].append(message.chat.delta.content)
    assert came == whole
    for number, call in enumerate(calls, start=1):
        (last,) = call
        assert last.num_bundled == len(whole[number])
        assert last.usage.completion_tokens == 1000 * number
    bundle.cancel()
    open_until.set()


def test_one_that_is_cancelled_disturbs_no_other(channel):
    stub = inference_pb2_grpc.InferenceStub(channel)
    request = chat_pb2.ChatRequest(sampling={"max_tokens": 20_000})
    ended, other = stub.Chat(request, timeout=60), stub.Chat(request, timeout=60)
    next(ended)
    ended.cancel()
    assert "".join(each.delta.content for each in other) == "".join(pieces(20_000, 3))


def test_what_a_gateway_asks_first(channel):
    control = control_pb2_grpc.ControlStub(channel)
    (model,) = control.GetModelInfo(control_pb2.GetModelInfoRequest(), timeout=10).models
    assert model.name == MODEL
    assert not control.GetLoad(control_pb2.GetLoadRequest(), timeout=10).draining
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    with pytest.raises(grpc.RpcError) as raised:
        inference_pb2_grpc.InferenceStub(channel).Embed(inference_pb2.EmbedRequest(), timeout=10)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_same_over_http_and_the_reader_tells_what_is_not_whole(addresses):
    for stream in raw_streams.read(addresses["http"], 5, 31, timeout=30):
        assert raw_streams.check(stream, 31) == 11
        assert stream.first_token is not None
        assert stream.sent < stream.first_token <= stream.ended
        with pytest.raises(PeerError, match="not what was emitted"):
            raw_streams.check(stream, 32)
        whole = b"".join(stream.parts)
        stream.parts = [whole.replace(b'"length"', b"null    ")]
        with pytest.raises(PeerError, match="finish"):
            raw_streams.check(stream, 31)
        stream.parts = [whole[: len(whole) // 2]]
        with pytest.raises(PeerError, match="whole"):
            raw_streams.check(stream, 31)


def test_a_server_that_refuses_is_quoted(addresses):
    (stream,) = raw_streams.read(f"{addresses['http']}", 1, 0, timeout=30)
    stream.parts = [b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nfull"]
    with pytest.raises(PeerError, match="503: b'full'"):
        raw_streams.check(stream, 1)


def test_ratios_are_of_streams_of_one_length():
    rows = [
        {"gateway": "rostra", "tokens": 500, "tok_per_s": 9.0, "tok_per_cpu_s": 9.0},
        {"gateway": "rostra", "tokens": 100, "tok_per_s": 6.0, "tok_per_cpu_s": 8.0},
        {"gateway": "litellm", "tokens": 100, "tok_per_s": 2.0, "tok_per_cpu_s": 4.0},
    ]
    long, short, peer = with_ratios(rows)
    assert (short["tok_per_s_ratio"], short["tok_per_cpu_s_ratio"]) == (3.0, 2.0)
    assert not {"tok_per_s_ratio"} & {*long, *peer}
