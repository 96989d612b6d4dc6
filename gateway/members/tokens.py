"""Log-probabilities of members, in both shapes of the OpenAI API, as tokens of rostra.v1. Their
ids are not told."""

from __future__ import annotations

import codecs

from rostra.gateway.members.payloads import ChatLogprobs, CompletionLogprobs, TopLogprob
from rostra.v1 import tokens_pb2

_BYTES = "bytes:"


def chat_tokens(logprobs: ChatLogprobs | None) -> list[tokens_pb2.TokenInfo]:
    if logprobs is None:
        return []
    return [
        tokens_pb2.TokenInfo(
            text=token.token,
            logprob=token.logprob,
            raw=_raw(token),
            candidates=[
                tokens_pb2.Candidate(text=other.token, logprob=other.logprob, raw=_raw(other))
                for other in token.top_logprobs or ()
            ],
        )
        for token in (*(logprobs.content or ()), *(logprobs.refusal or ()))
    ]


def completion_tokens(logprobs: CompletionLogprobs | None) -> list[tokens_pb2.TokenInfo]:
    if logprobs is None:
        return []
    tokens = []
    tops = logprobs.top_logprobs or [None] * len(logprobs.tokens)
    for label, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, tops, strict=True):
        raw = _unlabelled(label)
        ranked = sorted((top or {}).items(), key=lambda item: -item[1])
        tokens.append(
            tokens_pb2.TokenInfo(
                text=raw.decode(errors="replace"),
                logprob=logprob,
                raw=raw,
                candidates=[_candidate(other, value) for other, value in ranked],
            )
        )
    return tokens


def _candidate(label: str, logprob: float) -> tokens_pb2.Candidate:
    raw = _unlabelled(label)
    return tokens_pb2.Candidate(text=raw.decode(errors="replace"), logprob=logprob, raw=raw)


def _raw(token: TopLogprob) -> bytes:
    return bytes(token.bytes) if token.bytes is not None else token.token.encode()


def _unlabelled(label: str) -> bytes:
    r"""`bytes:\xe2\x82` stands for bytes that are no text."""
    if label.startswith(_BYTES):
        try:
            raw, _ = codecs.escape_decode(label.removeprefix(_BYTES).encode())
        except ValueError:
            return label.encode()
        assert isinstance(raw, bytes)
        return raw
    return label.encode()
