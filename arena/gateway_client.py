"""Streams answers from the gateway's chat completions."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypedDict

import aiohttp
import msgspec

from rostra.arena.contestant import Contestant
from rostra.arena.errors import (
    AnswerBrokenError,
    AnswerTimeoutError,
    GatewayRefusedError,
    GatewayUnreachableError,
)
from rostra.arena.sse import EventParser

CONNECT_TIMEOUT = 10.0
_LONGEST_DETAIL = 300


class Message(TypedDict):
    role: str
    content: str | list[dict[str, Any]]
    """A text, or parts of chat completions: `text` and `image_url`."""


@dataclass(frozen=True)
class Delta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True)
class End:
    """The answer is complete. Fields are `None` where the server did not say."""

    finish_reason: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    revision: str | None = None
    """`system_fingerprint`: which weights and server answered."""


class GatewayClient:
    """One HTTP session to the gateway; an async context manager."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        answer_timeout: float,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        """`tls`: how an `https` gateway is checked; True: by the system's certificates."""
        self._tls = tls
        self._base = url
        self._url = f"{url}/v1/chat/completions"
        self._answer_timeout = answer_timeout
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> GatewayClient:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            # The default of 100 connections would silently queue the 51st round.
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=self._answer_timeout, sock_connect=CONNECT_TIMEOUT),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def models(self, timeout: float = 5.0) -> Mapping[str, frozenset[str]]:
        """What the gateway serves now: by name, what its messages may hold, as `text` and `image`;
        text alone where the gateway does not say. Raises `AnswerError`."""
        if self._session is None:
            raise RuntimeError("GatewayClient is used outside its context")
        try:
            async with self._session.get(
                f"{self._base}/v1/models", timeout=aiohttp.ClientTimeout(total=timeout)
            ) as response:
                body = await response.read()
                if response.status != 200:
                    raise GatewayRefusedError(
                        f"the gateway refused its models with HTTP {response.status}: "
                        f"{_detail(body)}",
                        response.status,
                    )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GatewayUnreachableError(
                f"no list of models from {self._base} ({str(error) or type(error).__name__}); "
                "check that the gateway runs and gateway_url is right"
            ) from None
        try:
            models = msgspec.json.decode(body, type=_Models).data
            return {model.id: frozenset(model.input_modalities) for model in models}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AnswerBrokenError(f"the gateway's list of models is none: {error}") from None

    async def answer(
        self, contestant: Contestant, conversation: Sequence[Message]
    ) -> AsyncGenerator[Delta | End, None]:
        """Deltas, then exactly one `End`. Closing the iterator cancels the request.

        `conversation` alternates user and assistant and ends with the question; the contestant's
        system prompt is put before it. Raises a subclass of `AnswerError`.
        """
        if self._session is None:
            raise RuntimeError("GatewayClient is used outside its context")
        try:
            async with self._session.post(
                self._url,
                data=msgspec.json.encode(request_body(contestant, conversation)),
                headers={"Content-Type": "application/json"},
            ) as response:
                if response.status != 200:
                    body = await response.content.read(65536)
                    raise GatewayRefusedError(
                        f"the gateway refused {contestant.served_name} with HTTP "
                        f"{response.status}: {_detail(body)}",
                        response.status,
                    )
                async with aclosing(_answer_of(response, contestant.served_name)) as parts:
                    async for part in parts:
                        yield part
        except aiohttp.ConnectionTimeoutError:
            raise GatewayUnreachableError(
                f"no connection to {self._url} within {CONNECT_TIMEOUT:g} s; "
                "check that the gateway runs and gateway_url is right"
            ) from None
        except TimeoutError:
            raise AnswerTimeoutError(
                f"{contestant.served_name} did not finish within {self._answer_timeout:g} s; "
                "raise answer_timeout or lower its max_tokens"
            ) from None
        except aiohttp.ClientError as error:
            raise GatewayUnreachableError(
                f"connection to {self._url} failed ({str(error) or type(error).__name__}); "
                "check that the gateway runs and gateway_url is right"
            ) from None


def request_body(contestant: Contestant, conversation: Sequence[Message]) -> dict[str, Any]:
    messages = list(conversation)
    if contestant.system_prompt:
        messages.insert(0, Message(role="system", content=contestant.system_prompt))
    return {
        "model": contestant.served_name,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        **contestant.sampling.model_dump(exclude_none=True),
    }


class _Model(msgspec.Struct):
    id: str
    input_modalities: tuple[str, ...] = ("text",)


class _Models(msgspec.Struct):
    data: list[_Model]


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    """What is read of a chat completion chunk; fields beside these are ignored."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    system_fingerprint: str | None = None
    error: Any = None


async def _answer_of(
    response: aiohttp.ClientResponse, served_name: str
) -> AsyncGenerator[Delta | End, None]:
    parser = EventParser()
    finish_reason: str | None = None
    usage = _Usage()
    revision: str | None = None
    async for piece in response.content.iter_any():
        for event in parser.feed(piece):
            if event.data == "[DONE]":
                if finish_reason is None:
                    raise AnswerBrokenError(
                        f"the answer of {served_name} ended without a finish reason"
                    )
                yield End(finish_reason, usage.prompt_tokens, usage.completion_tokens, revision)
                return
            chunk = _chunk(event.data, served_name)
            usage = chunk.usage or usage
            revision = chunk.system_fingerprint or revision
            for choice in chunk.choices:
                finish_reason = choice.finish_reason or finish_reason
                if choice.delta is not None and choice.delta.content:
                    yield Delta(choice.delta.content)
    raise AnswerBrokenError(f"the stream of {served_name} was cut off before its end")


def _chunk(data: str, served_name: str) -> _Chunk:
    try:
        chunk = msgspec.json.decode(data, type=_Chunk)
    except msgspec.DecodeError as error:
        raise AnswerBrokenError(
            f"{served_name} sent an event that is no completion chunk: {error}"
        ) from None
    if chunk.error is not None:
        raise GatewayRefusedError(
            f"the gateway broke off the answer of {served_name}: {_detail(data.encode())}"
        )
    return chunk


def _detail(body: bytes) -> str:
    """The message of an OpenAI error envelope, or the body itself, on one line."""
    try:
        message = msgspec.json.decode(body)["error"]["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        message = body.decode(errors="replace")
    return " ".join(str(message).split())[:_LONGEST_DETAIL]
