"""A worker that says what a test tells it to, over a real gRPC server, and a gateway before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self

import grpc
from aiohttp.test_utils import TestClient, TestServer
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from rostra.gateway.app import create_app
from rostra.gateway.keys import FLEET
from rostra.gateway.settings import GatewaySettings
from rostra.mesh.worker.bundles import NUM_BUNDLED, Bundles
from rostra.v1 import (
    chat_pb2,
    control_pb2,
    control_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    tokens_pb2,
)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

Script = Callable[[Any, grpc.aio.ServicerContext], AsyncIterator[Any]]


def token(text: str, logprob: float = -0.5, candidates: Iterable[tuple[str, float]] = ()) -> Any:
    return tokens_pb2.TokenInfo(
        id=len(text),
        text=text,
        logprob=logprob,
        raw=text.encode(),
        candidates=[
            tokens_pb2.Candidate(id=len(other), text=other, logprob=value, raw=other.encode())
            for other, value in candidates
        ],
    )


def usage(prompt: int = 3, completion: int = 2) -> tokens_pb2.Usage:
    return tokens_pb2.Usage(
        prompt_tokens=prompt, completion_tokens=completion, cached_prompt_tokens=1
    )


def finish(reason: int = tokens_pb2.FINISH_REASON_STOP) -> tokens_pb2.Finish:
    return tokens_pb2.Finish(reason=reason)


def says(words: Iterable[str], *, pause: float = 0.0) -> Script:
    """Answers every output with these words, one message each, by the rules of the contract."""
    words = list(words)

    async def script(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        chat = isinstance(request, chat_pb2.ChatRequest)
        response = chat_pb2.ChatResponse if chat else inference_pb2.GenerateResponse
        outputs = request.sampling.n or 1
        yield response(request_id=request.request_id, prompt_tokens=3)
        if not chat and request.sampling.HasField("prompt_logprobs"):
            prompt = [token("Once"), token(" upon")]
            prompt[0].ClearField("logprob")
            yield response(prompt=prompt)
        for word in words:
            for index in range(outputs):
                tokens = [token(word, candidates=[(word, -0.5), ("other", -1.5)])]
                if chat:
                    wanted = request.sampling.HasField("logprobs")
                    delta = chat_pb2.ChatDelta(content=word, tokens=tokens if wanted else ())
                else:
                    delta = inference_pb2.GenerateDelta(text=word, tokens=tokens)
                yield response(index=index, delta=delta)
            await asyncio.sleep(pause)
        for index in range(outputs):
            last = usage(3, len(words) * outputs) if index == outputs - 1 else None
            yield response(index=index, finish=finish(), usage=last)

    return script


def call(
    name: str, arguments: str, *, index: int = 0, call_id: str = "", pieces: int = 2
) -> list[chat_pb2.ToolCallDelta]:
    """One call as a worker streams it: its name, and then the arguments in pieces."""
    size = max(1, -(-len(arguments) // pieces))
    parts = [arguments[start : start + size] for start in range(0, len(arguments), size)]
    return [
        chat_pb2.ToolCallDelta(index=index, id=call_id or f"call_{index}_{name}", name=name),
        *(chat_pb2.ToolCallDelta(index=index, arguments=part) for part in parts),
    ]


def plays(*deltas: chat_pb2.ChatDelta | chat_pb2.ToolCallDelta) -> Script:
    """Answers every output with these; where one is a piece of a call, that is how it ends."""
    whole = [
        chat_pb2.ChatDelta(tool_calls=[delta])
        if isinstance(delta, chat_pb2.ToolCallDelta)
        else delta
        for delta in deltas
    ]
    called = any(delta.tool_calls for delta in whole)
    reason = tokens_pb2.FINISH_REASON_TOOL_CALLS if called else tokens_pb2.FINISH_REASON_STOP

    async def script(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        outputs = request.sampling.n or 1
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        for delta in whole:
            for index in range(outputs):
                yield chat_pb2.ChatResponse(index=index, delta=delta)
        for index in range(outputs):
            last = usage() if index == outputs - 1 else None
            yield chat_pb2.ChatResponse(index=index, finish=finish(reason), usage=last)

    return script


async def refuse(
    context: grpc.aio.ServicerContext,
    code: grpc.StatusCode,
    message: str = "no",
    *,
    reason: str = "",
    field: str = "",
    metadata: dict[str, str] | None = None,
    retry_after: float | None = None,
) -> None:
    """Ends the call with a status and google.rpc details."""
    details: list[Any] = []
    if reason:
        details.append(
            error_details_pb2.ErrorInfo(reason=reason, domain="rostra.dev", metadata=metadata)
        )
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=message, details=packed)
    made = rpc_status.to_status(status)
    trailing = (*(context.trailing_metadata() or ()), *made.trailing_metadata)
    await context.abort(made.code, made.details, trailing)


def refuses(*args: Any, **details: Any) -> Any:
    """A script of a chat that is refused so; see `refuse`."""

    async def script(request: Any, context: grpc.aio.ServicerContext) -> Any:
        await refuse(context, *args, **details)
        yield chat_pb2.ChatResponse()

    return script


class ScriptedWorker(inference_pb2_grpc.InferenceServicer, control_pb2_grpc.ControlServicer):
    """One worker; `script` may be replaced at any time."""

    def __init__(self, script: Script | None = None, *, model: str = "tiny") -> None:
        self.script = script or says(["Hello", " world"])
        self.model = control_pb2.ModelInfo(
            name=model, revision="abcdef0123456789", max_model_len=128, aliases=[f"{model}-latest"]
        )
        self.adapters: list[control_pb2.ModelInfo] = []
        self.load = control_pb2.GetLoadResponse()
        self.load_delay = 0.0
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.deadlines: list[float | None] = []
        self.running = 0
        self.bundling = True
        self.cache: asyncio.Queue[control_pb2.KvEvent] | None = None
        """What it tells of its cache, to one who follows it; None: nothing, as older workers."""
        self.bundles = Bundles()
        self.address = ""

    async def start(self, port: int = 0) -> Self:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._health = health.aio.HealthServicer()
        inference_pb2_grpc.add_InferenceServicer_to_server(self, self._server)
        control_pb2_grpc.add_ControlServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.port = self.listen(self._server, f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"
        await self.set_health(SERVING)
        await self._server.start()
        return self

    def listen(self, server: grpc.aio.Server, where: str) -> int:
        """Returns the port."""
        return server.add_insecure_port(where)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """As abruptly as a process that is killed: open streams end UNAVAILABLE or broken."""
        await self._server.stop(None)

    async def set_health(self, status: int) -> None:
        await self._health.set("rostra.v1.Inference", status)

    async def Bundle(self, requests: Any, context: grpc.aio.ServicerContext) -> None:
        if not self.bundling:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "an older worker")
        await self.bundles.serve(requests, context.write)

    async def Chat(self, request: Any, context: grpc.aio.ServicerContext) -> None:
        with self.bundles.writer(context) as write:
            async with aclosing(self._answer(request, context)) as messages:
                async for message in messages:
                    await write(message)
                    told = context.trailing_metadata() or ()
                    if write != context.write and not message.HasField("usage"):
                        number = 1 + int(dict(told).get(NUM_BUNDLED, 0))
                        context.set_trailing_metadata(((NUM_BUNDLED, str(number)),))

    Generate = Chat

    async def Embed(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        async with aclosing(self._answer(request, context)) as messages:
            return await anext(messages)

    async def Detokenize(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        return inference_pb2.DetokenizeResponse(text="".join(f"<{one}>" for one in request.ids))

    async def GetModelInfo(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        return control_pb2.GetModelInfoResponse(models=[self.model, *self.adapters])

    async def GetServerInfo(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "an older worker")

    async def GetLoad(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        await asyncio.sleep(self.load_delay)
        return self.load

    async def SubscribeKvEvents(self, request: Any, context: grpc.aio.ServicerContext) -> None:
        if self.cache is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "an older worker")
        await context.write(control_pb2.SubscribeKvEventsResponse())
        while True:
            event = await self.cache.get()
            await context.write(control_pb2.SubscribeKvEventsResponse(events=[event]))

    async def _answer(
        self, request: Any, context: grpc.aio.ServicerContext
    ) -> AsyncGenerator[Any, None]:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.deadlines.append(context.time_remaining())
        self.running += 1
        try:
            async for message in self.script(request, context):
                yield message
        finally:
            self.running -= 1


FAST = {
    "connect_interval": 0.02,
    "load_interval": 0.05,
    "load_timeout": 0.5,
    "worker_wait": 0.3,
    "request_timeout": 20.0,
}


@asynccontextmanager
async def gateway_before(
    addresses: Iterable[str], *, ready: bool = True, **settings: Any
) -> AsyncIterator[TestClient]:
    """A gateway before these workers; with `ready`, all of them are known to serve."""
    app = create_app(GatewaySettings(workers=tuple(addresses), **{**FAST, **settings}))
    async with TestClient(TestServer(app)) as client:
        if ready:
            await eventually(lambda: all(link.serving for link in app[FLEET]))
        yield client


async def eventually(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


def any_serving(client: TestClient) -> bool:
    assert client.app is not None
    return client.app[FLEET].any_serving()
