"""Starts workers for tests, calls them, and holds what they send to the rules of the stream."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.worker.server import Worker, WorkerConfig
from rostra.v1 import (
    chat_pb2,
    control_pb2,
    control_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    sampling_pb2,
    tokens_pb2,
)

ENDLESS = {"ignore_eos": True, "temperature": 1.0, "seed": 1}


def tiny_config(path: Path, **engine: Any) -> WorkerConfig:
    settings = {"num_threads": 1, "num_blocks": 1024, "max_num_seqs": 4, "max_waiting_requests": 8}
    return WorkerConfig(
        listen="127.0.0.1:0",
        model_name="tiny",
        aliases=("small", "smaller"),
        revision="0123abcd",
        engine=EngineConfig(model_path=str(path), **(settings | engine)),
        stall_timeout=5.0,
    )


@dataclass
class Service:
    """A worker in this process, and stubs to call it through a real socket."""

    worker: Worker
    address: str
    channel: grpc.aio.Channel
    progress: list[tuple[int, int]]
    """Done and total, as the worker told it."""

    def __post_init__(self) -> None:
        self.inference: Any = inference_pb2_grpc.InferenceStub(self.channel)
        self.control: Any = control_pb2_grpc.ControlStub(self.channel)
        self.health: Any = health_pb2_grpc.HealthStub(self.channel)

    async def load(self) -> control_pb2.GetLoadResponse:
        return await self.control.GetLoad(control_pb2.GetLoadRequest())

    async def serving(self, service: str = "") -> bool:
        reply = await self.health.Check(health_pb2.HealthCheckRequest(service=service))
        return reply.status == health_pb2.HealthCheckResponse.SERVING

    async def idle(self) -> bool:
        load = await self.load()
        return load.running_requests == load.waiting_requests == load.kv_blocks_used == 0


@contextlib.asynccontextmanager
async def running(config: WorkerConfig) -> AsyncIterator[Service]:
    progress: list[tuple[int, int]] = []
    worker = Worker(config, lambda done, total: progress.append((done, total)))
    try:
        address = await worker.start()
        # The smallest windows, so that a reader that waits is felt by the worker.
        options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            yield Service(worker, address, channel, progress)
    finally:
        await worker.stop()


async def eventually(condition: Callable[[], Awaitable[bool]], timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while not await condition():
            await asyncio.sleep(0.02)


async def started(call: AsyncIterable[Any]) -> None:
    """Reads up to the first delta; the rest can be read on."""
    async for part in call:
        if part.HasField("delta"):
            return


def sampling(**settings: Any) -> sampling_pb2.SamplingParams:
    return sampling_pb2.SamplingParams(**settings)


def generate(text: str = "the fox", **fields: Any) -> inference_pb2.GenerateRequest:
    """Sampling settings among the fields go where they belong."""
    names = sampling_pb2.SamplingParams.DESCRIPTOR.fields_by_name
    settings = {name: fields.pop(name) for name in list(fields) if name in names}
    if "tokens" not in fields:
        fields["text"] = text
    return inference_pb2.GenerateRequest(sampling=sampling(**settings), **fields)


def message(text: str, role: int = chat_pb2.ROLE_USER, **fields: Any) -> chat_pb2.ChatMessage:
    return chat_pb2.ChatMessage(role=role, content=[chat_pb2.ContentPart(text=text)], **fields)


def chat(*messages: chat_pb2.ChatMessage, **fields: Any) -> chat_pb2.ChatRequest:
    names = sampling_pb2.SamplingParams.DESCRIPTOR.fields_by_name
    settings = {name: fields.pop(name) for name in list(fields) if name in names}
    return chat_pb2.ChatRequest(
        messages=messages or [message("the fox")], sampling=sampling(**settings), **fields
    )


@dataclass
class Collected:
    """A whole stream."""

    request_id: str = ""
    prompt_tokens: int = 0
    prompt: list[tokens_pb2.TokenInfo] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    reasonings: dict[int, str] = field(default_factory=dict)
    calls: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    """Names and arguments."""
    tokens: dict[int, list[tokens_pb2.TokenInfo]] = field(default_factory=dict)
    finishes: dict[int, tokens_pb2.Finish] = field(default_factory=dict)
    usage: tokens_pb2.Usage | None = None
    num_messages: int = 0

    def ids(self, index: int = 0) -> list[int]:
        return [token.id for token in self.tokens[index]]

    def reason(self, index: int = 0) -> str:
        name = tokens_pb2.FinishReason.Name(self.finishes[index].reason)
        return name.removeprefix("FINISH_REASON_")


async def collect(call: AsyncIterable[Any], n: int = 1) -> Collected:
    """Reads a stream to its end and asserts every rule that chat.proto has for it."""
    got = Collected(
        texts=dict.fromkeys(range(n), ""),
        reasonings=dict.fromkeys(range(n), ""),
        calls={index: [] for index in range(n)},
        tokens={index: [] for index in range(n)},
    )
    async for part in call:
        first = got.num_messages == 0
        got.num_messages += 1
        assert got.usage is None, "a message after the one with usage"
        assert part.HasField("request_id") == first
        assert part.HasField("prompt_tokens") == first
        if first:
            got.request_id, got.prompt_tokens = part.request_id, part.prompt_tokens
        if prompt := getattr(part, "prompt", ()):
            assert not got.prompt, "the prompt came twice"
            assert not any(got.tokens.values()), "the prompt came after a delta"
            got.prompt = list(prompt)
        if part.HasField("delta") or part.HasField("finish"):
            assert part.index in range(n)
            assert part.index not in got.finishes, "a message after the finish of its index"
        if part.HasField("delta"):
            text = part.delta.text if hasattr(part.delta, "text") else part.delta.content
            reasoning = getattr(part.delta, "reasoning", "")
            deltas = getattr(part.delta, "tool_calls", ())
            assert text or part.delta.tokens or reasoning or deltas, "an empty delta"
            got.reasonings[part.index] += reasoning
            for delta in deltas:
                _add_call(got.calls[part.index], delta)
            got.texts[part.index] += text
            got.tokens[part.index] += part.delta.tokens
        if part.HasField("finish"):
            got.finishes[part.index] = part.finish
        if part.HasField("usage"):
            got.usage = part.usage
    assert set(got.finishes) == set(range(n))
    assert got.usage is not None
    assert got.usage.prompt_tokens == got.prompt_tokens
    return got


def _add_call(calls: list[tuple[str, str]], delta: chat_pb2.ToolCallDelta) -> None:
    first = delta.index == len(calls)
    assert delta.HasField("id") == delta.HasField("name") == first
    if first:
        assert re.fullmatch("call_[A-Za-z0-9]{24}", delta.id)
        calls.append((delta.name, ""))
    assert delta.index == len(calls) - 1
    calls[-1] = (calls[-1][0], calls[-1][1] + delta.arguments)


@dataclass
class Refusal:
    """A status and its details."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: dict[str, str] = field(default_factory=dict)
    """Reason by field."""
    retry_seconds: int | None = None


async def refused(call: AsyncIterable[Any] | Awaitable[Any]) -> Refusal:
    """The status of a call that must fail before it sends anything."""
    try:
        if isinstance(call, AsyncIterable):
            async for part in call:
                raise AssertionError(f"not refused: {MessageToDict(part)}")
            raise AssertionError("not refused")
        raise AssertionError(f"not refused: {await call}")
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)


def read_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    found = Refusal(error.code(), error.details() or "")
    status = rpc_status.from_call(error)
    for packed in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            assert info.domain == "rostra.dev"
            found.reason, found.metadata = info.reason, dict(info.metadata)
        elif packed.Unpack(bad_request):
            found.violations = {each.field: each.reason for each in bad_request.field_violations}
            assert all(each.description for each in bad_request.field_violations)
        elif packed.Unpack(retry):
            found.retry_seconds = retry.retry_delay.seconds
    return found
