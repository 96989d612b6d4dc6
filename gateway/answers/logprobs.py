"""Log-probabilities in the two shapes that the OpenAI API has for them."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Any

from rostra.gateway.errors import worker_fault
from rostra.v1 import tokens_pb2

_FLOOR = -9999.0
"""Stands for minus infinity, which JSON cannot say; the OpenAI API uses the same number."""


def chat_logprobs(tokens: Iterable[tokens_pb2.TokenInfo]) -> dict[str, Any]:
    return {
        "content": [
            {
                "token": token.text,
                "logprob": required_logprob(token),
                "bytes": list(token.raw),
                "top_logprobs": [
                    {
                        "token": candidate.text,
                        "logprob": max(candidate.logprob, _FLOOR),
                        "bytes": list(candidate.raw),
                    }
                    for candidate in token.candidates
                ],
            }
            for token in tokens
        ],
        "refusal": None,
    }


class CompletionLogprobs:
    """Turns the tokens of one output, in order, into parallel lists.

    `text_offset` counts characters of the tokens before; a token that begins inside a character has
    the offset of that character.
    """

    def __init__(self, num_candidates: int) -> None:
        self._num_candidates = num_candidates
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._offset = 0

    def lists(
        self, tokens: Iterable[tokens_pb2.TokenInfo], *, prompt: bool = False
    ) -> dict[str, list[Any]]:
        """With `prompt`, the first token may have no log-probability: nothing comes before it."""
        result: dict[str, list[Any]] = empty_lists()
        for position, token in enumerate(tokens):
            unknown = prompt and position == 0 and not token.HasField("logprob")
            logprob = None if unknown else required_logprob(token)
            result["tokens"].append(_label(token))
            result["token_logprobs"].append(logprob)
            result["top_logprobs"].append(None if unknown else self._top(token))
            result["text_offset"].append(self._offset)
            self._offset += len(self._decoder.decode(token.raw))
        return result

    def _top(self, token: tokens_pb2.TokenInfo) -> dict[str, float] | None:
        """The candidates and the token itself, as the OpenAI API has it: one more than asked for
        when the token is not among the best."""
        if not self._num_candidates:
            return None
        top = {_label(one): max(one.logprob, _FLOOR) for one in reversed(token.candidates)}
        top.setdefault(_label(token), required_logprob(token))
        return dict(sorted(top.items(), key=lambda item: -item[1]))


def required_logprob(token: tokens_pb2.TokenInfo) -> float:
    if not token.HasField("logprob"):
        raise worker_fault("The worker left out a log-probability that was asked for")
    return max(token.logprob, _FLOOR)


def empty_lists() -> dict[str, list[Any]]:
    return {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}


def _label(token: tokens_pb2.TokenInfo | tokens_pb2.Candidate) -> str:
    """The token's text, or its bytes in the notation of the OpenAI API when they are no text."""
    try:
        return token.raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.raw)
