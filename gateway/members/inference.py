"""What a worker's stub has, made of calls to a member's API.

Requests and answers are those of rostra.v1, errors its statuses: what asks need not know whom.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Generic, NoReturn

from rostra.gateway.large_work import beside_the_loop
from rostra.gateway.members.answers import ChatReader, GenerateReader, MessageT, Reader
from rostra.gateway.members.call import MemberCall, Metadata
from rostra.gateway.members.embeddings import embeddings_of
from rostra.gateway.members.errors import unavailable
from rostra.gateway.members.events import DONE, EventReader
from rostra.gateway.members.http import MemberError
from rostra.gateway.members.refusals import no_tokenizer
from rostra.gateway.members.requests import chat_body, completion_body, embeddings_body
from rostra.v1 import chat_pb2, inference_pb2

if TYPE_CHECKING:
    from rostra.gateway.members.link import MemberLink


class MemberInference:
    """`stream`: whether answers come piece by piece."""

    def __init__(self, link: MemberLink, *, stream: bool) -> None:
        self._link = link
        self._stream = stream

    def Chat(
        self, request: chat_pb2.ChatRequest, *, timeout: float | None, metadata: Metadata
    ) -> MemberStream[chat_pb2.ChatResponse]:
        model = self._link.model(request.model)
        call = MemberCall(
            self._link,
            model,
            "/chat/completions",
            lambda: chat_body(request, model, stream=self._stream),
            request.ByteSize(),
            timeout,
            metadata,
            streamed=self._stream,
        )
        return MemberStream(call, ChatReader(request))

    def Generate(
        self, request: inference_pb2.GenerateRequest, *, timeout: float | None, metadata: Metadata
    ) -> MemberStream[inference_pb2.GenerateResponse]:
        model = self._link.model(request.model)
        call = MemberCall(
            self._link,
            model,
            "/completions",
            lambda: completion_body(request, model, stream=self._stream),
            request.ByteSize(),
            timeout,
            metadata,
            streamed=self._stream,
        )
        return MemberStream(call, GenerateReader(request))

    def Embed(
        self, request: inference_pb2.EmbedRequest, *, timeout: float | None, metadata: Metadata
    ) -> MemberEmbedding:
        model = self._link.model(request.model)
        call = MemberCall(
            self._link,
            model,
            "/embeddings",
            lambda: embeddings_body(request, model),
            request.ByteSize(),
            timeout,
            metadata,
        )
        return MemberEmbedding(call, len(request.inputs))

    def Tokenize(
        self, request: inference_pb2.TokenizeRequest, *, timeout: float | None, metadata: Metadata
    ) -> NoReturn:
        raise no_tokenizer()

    def Detokenize(
        self, request: inference_pb2.DetokenizeRequest, *, timeout: float | None, metadata: Metadata
    ) -> NoReturn:
        raise no_tokenizer()


class MemberStream(Generic[MessageT]):
    """The messages of one answer, be it streamed or whole over there."""

    def __init__(self, call: MemberCall, reader: Reader[MessageT]) -> None:
        self._call = call
        self._reader: Reader[MessageT] = reader
        self._events = EventReader()
        self._pending: deque[bytes] = deque()
        """Events that were not read yet: what came before one that is wrong is passed on."""
        self._ready: deque[MessageT] = deque()
        self._complete = False

    def cancel(self) -> bool:
        return self._call.cancel()

    def __aiter__(self) -> MemberStream[MessageT]:
        return self

    async def __anext__(self) -> MessageT:
        with self._call.running():
            while not self._ready and not self._complete:
                if self._pending:
                    self._take(self._pending.popleft())
                else:
                    await self._read()
            if not self._ready:
                await self._call.finish()
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    async def _read(self) -> None:
        response = await self._call.response()
        if response.content_type == "application/json":
            data = await self._call.whole()
            self._ready += await beside_the_loop(len(data), lambda: self._reader.read(data))
            self._end()
            return
        if piece := await self._call.piece():
            self._pending += self._events.feed(piece)
        elif self._reader.complete:
            self._end()
        else:
            raise MemberError(unavailable("it broke off an answer"))

    def _take(self, event: bytes) -> None:
        if event == DONE and not self._reader.complete:
            raise MemberError(unavailable("it broke off an answer"))
        if event == DONE:
            self._end()
        else:
            self._ready += self._reader.read(event)

    def _end(self) -> None:
        self._ready.append(self._reader.end())
        self._complete = True
        self._call.answered(self._reader.usage)


class MemberEmbedding:
    """The vectors of one request, when they are awaited."""

    def __init__(self, call: MemberCall, num_inputs: int) -> None:
        self._call = call
        self._num_inputs = num_inputs

    def cancel(self) -> bool:
        return self._call.cancel()

    def __await__(self) -> Generator[None, None, inference_pb2.EmbedResponse]:
        return self._run().__await__()

    async def _run(self) -> inference_pb2.EmbedResponse:
        with self._call.running():
            await self._call.response()
            data = await self._call.whole()
            response = await beside_the_loop(
                len(data), lambda: embeddings_of(data, self._num_inputs)
            )
            self._call.answered(response.usage if response.usage.prompt_tokens else None)
        return response
