"""`rostra.v1.Inference` over one engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from rostra.mesh.engine.messages import OutputToken
from rostra.mesh.grammar import GrammarError
from rostra.mesh.worker.bundles import Bundles
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.embedding import embed, engine_request, read_inputs
from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.generation import Generation
from rostra.mesh.worker.grammar_checker import GrammarChecker
from rostra.mesh.worker.jobs import (
    Job,
    check_token_ids,
    encode_chat,
    read_chat,
    read_deadline,
    read_generate,
)
from rostra.mesh.worker.model import ServedModel, beside_the_loop
from rostra.mesh.worker.request_log import Caller, Observers, RequestRecord
from rostra.mesh.worker.responses import (
    ChatResponder,
    GenerateResponder,
    Responder,
    token_infos,
)
from rostra.mesh.worker.running import RunningRequests
from rostra.mesh.worker.status import Context, Violation, invalid_argument, with_status
from rostra.mesh.worker.structured import Grammar
from rostra.mesh.worker.wire import EngineInfo
from rostra.v1 import chat_pb2, inference_pb2, inference_pb2_grpc

RequestT = TypeVar("RequestT", chat_pb2.ChatRequest, inference_pb2.GenerateRequest)


class InferenceServicer(inference_pb2_grpc.InferenceServicer):
    def __init__(
        self,
        model: ServedModel,
        engine: EngineClient,
        running: RunningRequests,
        checker: GrammarChecker,
        bundles: Bundles,
        observers: Observers | None = None,
    ) -> None:
        self._model = model
        self._engine = engine
        self._running = running
        self._checker = checker
        self._bundles = bundles
        self._observers = observers

    # The streaming handlers write to the context and do not yield: a generator that waits at its
    # `yield` when the caller goes away is not told of it, and the engine must be.

    @with_status
    async def Chat(  # type: ignore[override] # the stubs know no generators
        self, request: chat_pb2.ChatRequest, context: Context
    ) -> None:
        with_tokens = request.sampling.HasField("logprobs")
        responder = ChatResponder(self._model.tokenizer, with_tokens=with_tokens)
        await self._stream(request, context, "Chat", responder, read_chat)

    @with_status
    async def Generate(  # type: ignore[override] # the stubs know no generators
        self, request: inference_pb2.GenerateRequest, context: Context
    ) -> None:
        responder = GenerateResponder(self._model.tokenizer)
        await self._stream(request, context, "Generate", responder, read_generate)

    async def _stream(
        self,
        request: RequestT,
        context: Context,
        method: str,
        responder: Responder,
        read: Callable[[RequestT, ServedModel, EngineInfo], Awaitable[Job]],
    ) -> None:
        deadline = read_deadline(context)
        request_id = request.request_id if request.HasField("request_id") else None
        with (
            RequestRecord(method, Caller.of(context), self._observers) as record,
            self._running.enter(request_id) as running,
        ):
            record.request_id = running.request_id
            adapter = self._adapter_of(request.model)
            record.answered_by(adapter or self._model.name)
            info = self._engine.require_info()
            self._model.check_task(info, embeds=False)
            job = replace(await read(request, self._model, info), adapter=adapter)
            if job.grammar is not None:
                await self._check(job.grammar, info)
            with self._bundles.writer(context) as write:
                generation = Generation(job, self._model.tokenizer, responder, write, record)
                await generation.run(self._engine, running, deadline)

    async def _check(self, grammar: Grammar, info: EngineInfo) -> None:
        try:
            await self._checker.check(grammar.text, info.vocab_size)
        except GrammarError as error:
            raise invalid_argument([Violation(grammar.field, str(error))]) from error

    async def Bundle(  # type: ignore[override] # the stubs know no generators
        self, requests: AsyncIterator[inference_pb2.BundleRequest], context: Context
    ) -> None:
        await self._bundles.serve(requests, context.write)

    @with_status
    async def Embed(
        self, request: inference_pb2.EmbedRequest, context: Context
    ) -> inference_pb2.EmbedResponse:
        deadline = read_deadline(context)
        request_id = request.request_id if request.HasField("request_id") else None
        with (
            RequestRecord("Embed", Caller.of(context), self._observers) as record,
            self._running.enter(request_id) as running,
        ):
            record.request_id = running.request_id
            record.answered_by(self._adapter_of(request.model) or self._model.name)
            info = self._engine.require_info()
            self._model.check_task(info, embeds=True)
            inputs = await read_inputs(request, self._model, info)
            asked = engine_request(request, inputs, running.request_id, deadline)
            return await embed(asked, self._engine, running, record)

    def _adapter_of(self, name: str) -> str:
        return self._model.adapter_of(name, self._engine.adapters.resident)

    @with_status
    async def Tokenize(
        self, request: inference_pb2.TokenizeRequest, context: Context
    ) -> inference_pb2.TokenizeResponse:
        self._adapter_of(request.model)
        info = self._engine.require_info()
        ids = await self._tokenize(request)
        tokenizer = self._model.tokenizer
        tokens = await beside_the_loop(
            len(ids), lambda: token_infos(tokenizer, map(OutputToken, ids))
        )
        return inference_pb2.TokenizeResponse(tokens=tokens, max_model_len=info.max_model_len)

    async def _tokenize(self, request: inference_pb2.TokenizeRequest) -> list[int]:
        checks = Checks()
        form = request.WhichOneof("input")
        if form == "chat":
            self._adapter_of(request.chat.model)
            if request.HasField("add_special_tokens"):
                checks.invalid("add_special_tokens", "is for text only")
            return await encode_chat(request.chat, self._model, checks, prefix="chat.")
        if form is None:
            checks.invalid("input", "must be a text or a chat")
        checks.finish()
        special = request.add_special_tokens if request.HasField("add_special_tokens") else True
        text = request.text
        return await beside_the_loop(len(text), lambda: self._model.tokenizer.encode(text, special))

    @with_status
    async def Detokenize(
        self, request: inference_pb2.DetokenizeRequest, context: Context
    ) -> inference_pb2.DetokenizeResponse:
        self._adapter_of(request.model)
        checks = Checks()
        check_token_ids(checks, "ids", request.ids, self._engine.require_info().vocab_size)
        checks.finish()
        tokenizer, skip = self._model.tokenizer, request.skip_special_tokens
        text = await beside_the_loop(len(request.ids), lambda: tokenizer.decode(request.ids, skip))
        return inference_pb2.DetokenizeResponse(text=text)
