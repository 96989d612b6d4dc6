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
    """Turns the messages of one stream into the choices of chunks, one choice to a chunk.

    `tools`: whether the model may call any; `as_function`: a call is answered as `function_call`,
    the form from before there were tools.
    """

    def __init__(
        self, num_outputs: int, *, logprobs: bool, tools: bool = False, as_function: bool = False
    ) -> None:
        self._rules = StreamRules(num_outputs, tools=tools)
        self._logprobs = logprobs
        self._as_function = as_function
        self._begun: set[int] = set()

    def of(self, message: chat_pb2.ChatResponse) -> list[Choice]:
        self._rules.accept(message)
        index = message.index
        choices: list[Choice] = []
        if message.HasField("delta"):
            choices += self._delta(index, message.delta)
        if message.HasField("finish"):
            reason = finish_reason(message.finish)
            if self._as_function and reason == "tool_calls":
                reason = "function_call"
            choices.append(_choice(index, {}, finish_reason=reason))
        if choices and index not in self._begun:
            self._begun.add(index)
            # Null until there is some: an answer that only calls tools has no content.
            first = choices[0]
            content = "" if "content" in first["delta"] or first["finish_reason"] else None
            role = {"role": "assistant", "content": content, "refusal": None}
            choices.insert(0, _choice(index, role))
        return choices

    def end(self) -> tokens_pb2.Usage:
        return self._rules.end()

    def _delta(self, index: int, delta: chat_pb2.ChatDelta) -> list[Choice]:
        fields: dict[str, Any] = {}
        if delta.reasoning:
            fields["reasoning_content"] = delta.reasoning
        if delta.content:
            fields["content"] = delta.content
        if delta.tool_calls:
            if self._as_function:
                fields["function_call"] = _function_call(delta.tool_calls)
            else:
                fields["tool_calls"] = [_tool_call(call) for call in delta.tool_calls]
        logprobs = chat_logprobs(delta.tokens) if self._logprobs and delta.tokens else None
        return [_choice(index, fields, logprobs=logprobs)] if fields or logprobs else []


def whole_choices(chunks: Iterable[Choice], num_outputs: int) -> list[Choice]:
    """The choices of the whole answer, from those of all its chunks."""
    wholes = [_Whole(index) for index in range(num_outputs)]
    for chunk in chunks:
        wholes[chunk["index"]].add(chunk)
    return [whole.choice() for whole in wholes]


class _Whole:
    """One output, put together."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._function = _Call()
        self._logprobs: list[dict[str, Any]] = []
        self._finish_reason: str | None = None

    def add(self, chunk: Choice) -> None:
        delta = chunk["delta"]
        self._content.append(delta.get("content") or "")
        self._reasoning.append(delta.get("reasoning_content", ""))
        for piece in delta.get("tool_calls", ()):
            if piece["index"] == len(self._calls):
                self._calls.append(_Call(piece["id"]))
            self._calls[piece["index"]].add(piece["function"])
        if "function_call" in delta:
            self._function.add(delta["function_call"])
        if chunk["logprobs"]:
            self._logprobs += chunk["logprobs"]["content"]
        self._finish_reason = chunk["finish_reason"] or self._finish_reason

    def choice(self) -> Choice:
        content, reasoning = "".join(self._content), "".join(self._reasoning)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": content or (None if self._calls or self._function.name else ""),
            "refusal": None,
            "annotations": [],
        }
        if reasoning:
            message["reasoning_content"] = reasoning
        if self._calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": call.function()}
                for call in self._calls
            ]
        if self._function.name:
            message["function_call"] = self._function.function()
        return {
            "index": self._index,
            "message": message,
            "logprobs": {"content": self._logprobs, "refusal": None} if self._logprobs else None,
            "finish_reason": self._finish_reason,
        }


class _Call:
    """One call, put together."""

    def __init__(self, call_id: str = "") -> None:
        self.id = call_id
        self.name = ""
        self._arguments: list[str] = []

    def add(self, piece: dict[str, str]) -> None:
        self.name = self.name or piece.get("name", "")
        self._arguments.append(piece["arguments"])

    def function(self) -> dict[str, str]:
        return {"name": self.name, "arguments": "".join(self._arguments)}


def _tool_call(delta: chat_pb2.ToolCallDelta) -> dict[str, Any]:
    if not delta.HasField("id"):
        return {"index": delta.index, "function": {"arguments": delta.arguments}}
    return {
        "index": delta.index,
        "id": delta.id,
        "type": "function",
        "function": {"name": delta.name, "arguments": delta.arguments},
    }


def _function_call(deltas: Iterable[chat_pb2.ToolCallDelta]) -> dict[str, str]:
    piece: dict[str, str] = {"arguments": ""}
    for delta in deltas:
        if delta.index:
            raise worker_fault("The worker made several calls where one was asked for")
        if delta.HasField("name"):
            piece["name"] = delta.name
        piece["arguments"] += delta.arguments
    return piece


def _choice(
    index: int,
    delta: dict[str, Any],
    *,
    logprobs: dict[str, Any] | None = None,
    finish_reason: str | None = None,
) -> Choice:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
