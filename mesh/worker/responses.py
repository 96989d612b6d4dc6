"""From what the engine made to messages on the wire."""

from __future__ import annotations

import secrets
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from rostra.mesh.engine.messages import OutputToken, TokenLogprobs
from rostra.mesh.parsers import Event, Kind
from rostra.mesh.text import ReleasedText, Tokenizer
from rostra.mesh.worker.parsed_output import ParsedText
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

Released = ReleasedText | ParsedText

_LETTERS = string.ascii_letters + string.digits


class Responder(Protocol):
    """Writes the messages of one kind of stream; the rules are those of `ChatResponse`."""

    def first(
        self, request_id: str, prompt_tokens: int
    ) -> chat_pb2.ChatResponse | inference_pb2.GenerateResponse: ...

    def part(
        self,
        index: int,
        released: Released,
        finish: tokens_pb2.Finish | None,
        usage: tokens_pb2.Usage | None,
    ) -> chat_pb2.ChatResponse | inference_pb2.GenerateResponse | None:
        """None where there is nothing to send."""
        ...


class ChatResponder:
    def __init__(self, tokenizer: Tokenizer, *, with_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._with_tokens = with_tokens
        self._num_calls: Counter[int] = Counter()
        """By the index of the output."""

    def first(self, request_id: str, prompt_tokens: int) -> chat_pb2.ChatResponse:
        return chat_pb2.ChatResponse(request_id=request_id, prompt_tokens=prompt_tokens)

    def part(
        self,
        index: int,
        released: Released,
        finish: tokens_pb2.Finish | None,
        usage: tokens_pb2.Usage | None,
    ) -> chat_pb2.ChatResponse | None:
        tokens = token_infos(self._tokenizer, released.tokens) if self._with_tokens else []
        delta = chat_pb2.ChatDelta(tokens=tokens)
        if isinstance(released, ReleasedText):
            delta.content = released.text
        else:
            self._fill(delta, index, released.events)
        if not delta.ByteSize():
            if finish is None:
                return None
            return chat_pb2.ChatResponse(index=index, finish=finish, usage=usage)
        return chat_pb2.ChatResponse(index=index, delta=delta, finish=finish, usage=usage)

    def _fill(self, delta: chat_pb2.ChatDelta, index: int, events: Iterable[Event]) -> None:
        for event in events:
            match event.kind:
                case Kind.CONTENT:
                    delta.content += event.text
                case Kind.REASONING:
                    delta.reasoning += event.text
                case Kind.CALL:
                    self._num_calls[index] += 1
                    delta.tool_calls.add(
                        index=self._num_calls[index] - 1, id=make_call_id(), name=event.text
                    )
                case Kind.ARGUMENTS:
                    # What a call begins with, and its arguments, in one delta where they can be.
                    if not delta.tool_calls:
                        delta.tool_calls.add(index=self._num_calls[index] - 1)
                    delta.tool_calls[-1].arguments += event.text


def make_call_id() -> str:
    return "call_" + "".join(secrets.choice(_LETTERS) for _ in range(24))


class GenerateResponder:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def first(self, request_id: str, prompt_tokens: int) -> inference_pb2.GenerateResponse:
        return inference_pb2.GenerateResponse(request_id=request_id, prompt_tokens=prompt_tokens)

    def part(
        self,
        index: int,
        released: Released,
        finish: tokens_pb2.Finish | None,
        usage: tokens_pb2.Usage | None,
    ) -> inference_pb2.GenerateResponse | None:
        assert isinstance(released, ReleasedText), "only chats are parsed"
        delta = None
        if released.text or released.tokens:
            delta = inference_pb2.GenerateDelta(
                text=released.text, tokens=token_infos(self._tokenizer, released.tokens)
            )
        if delta is None and finish is None:
            return None
        return inference_pb2.GenerateResponse(index=index, delta=delta, finish=finish, usage=usage)

    def prompt(
        self, token_ids: Sequence[int], logprobs: Sequence[TokenLogprobs | None]
    ) -> inference_pb2.GenerateResponse:
        tokens = [OutputToken(*pair) for pair in zip(token_ids, logprobs, strict=True)]
        return inference_pb2.GenerateResponse(prompt=token_infos(self._tokenizer, tokens))


def token_infos(tokenizer: Tokenizer, tokens: Iterable[OutputToken]) -> list[tokens_pb2.TokenInfo]:
    return [_token_info(tokenizer, token) for token in tokens]


def _token_info(tokenizer: Tokenizer, token: OutputToken) -> tokens_pb2.TokenInfo:
    logprobs = token.logprobs
    return tokens_pb2.TokenInfo(
        id=token.id,
        text=tokenizer.token_text(token.id),
        raw=tokenizer.token_bytes(token.id),
        logprob=None if logprobs is None else logprobs.logprob,
        candidates=[
            tokens_pb2.Candidate(
                id=token_id,
                text=tokenizer.token_text(token_id),
                raw=tokenizer.token_bytes(token_id),
                logprob=logprob,
            )
            for token_id, logprob in (logprobs.candidates if logprobs else ())
        ],
    )
