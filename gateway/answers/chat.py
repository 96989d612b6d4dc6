"""Choices of /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rostra.gateway.answers.logprobs import chat_logprobs
from rostra.gateway.answers.rules import StreamRules, finish_reason
from rostra.gateway.errors import worker_fault
from rostra.v1 import chat_pb2, tokens_pb2

Choice = dict[str, Any]


class ChatChoices:
    """Turns the messages of one stream into the choices of chunks, one choice to a chunk."""

    def __init__(self, num_outputs: int, *, logprobs: bool) -> None:
        self._rules = StreamRules(num_outputs)
        self._num_outputs = num_outputs
        self._logprobs = logprobs
        self._begun = False

    def of(self, message: chat_pb2.ChatResponse) -> list[Choice]:
        self._rules.accept(message)
        choices: list[Choice] = []
        if not self._begun:
            self._begun = True
            role = {"role": "assistant", "content": "", "refusal": None}
            choices += [_choice(index, dict(role)) for index in range(self._num_outputs)]
        if message.HasField("delta"):
            choices += self._delta(message.index, message.delta)
        if message.HasField("finish"):
            reason = finish_reason(message.finish)
            choices.append(_choice(message.index, {}, finish_reason=reason))
        return choices

    def end(self) -> tokens_pb2.Usage:
        return self._rules.end()

    def _delta(self, index: int, delta: chat_pb2.ChatDelta) -> list[Choice]:
        if delta.tool_calls:
            raise worker_fault("The worker called a tool that nobody offered")
        fields = {}
        if delta.reasoning:
            fields["reasoning_content"] = delta.reasoning
        if delta.content or (self._logprobs and delta.tokens):
            fields["content"] = delta.content
        if not fields:
            return []
        logprobs = chat_logprobs(delta.tokens) if self._logprobs else None
        return [_choice(index, fields, logprobs=logprobs)]


def whole_choices(chunks: Iterable[Choice], num_outputs: int) -> list[Choice]:
    """The choices of the whole answer, from those of all its chunks."""
    texts: list[list[str]] = [[] for _ in range(num_outputs)]
    reasonings: list[list[str]] = [[] for _ in range(num_outputs)]
    wholes: list[Choice] = [
        {"index": index, "message": {}, "logprobs": None, "finish_reason": None}
        for index in range(num_outputs)
    ]
    for chunk in chunks:
        index, delta, whole = chunk["index"], chunk["delta"], wholes[chunk["index"]]
        texts[index].append(delta.get("content", ""))
        reasonings[index].append(delta.get("reasoning_content", ""))
        whole["finish_reason"] = chunk["finish_reason"] or whole["finish_reason"]
        if chunk["logprobs"]:
            whole["logprobs"] = whole["logprobs"] or {"content": [], "refusal": None}
            whole["logprobs"]["content"] += chunk["logprobs"]["content"]
    for whole, text, reasoning in zip(wholes, texts, reasonings, strict=True):
        whole["message"] = {
            "role": "assistant",
            "content": "".join(text),
            "refusal": None,
            "annotations": [],
        }
        if any(reasoning):
            whole["message"]["reasoning_content"] = "".join(reasoning)
    return wholes


def _choice(
    index: int,
    delta: dict[str, Any],
    *,
    logprobs: dict[str, Any] | None = None,
    finish_reason: str | None = None,
) -> Choice:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
