"""The Message of /v1/messages: as events, and whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json

from rostra.gateway.answers.rules import StreamRules, finish_reason
from rostra.gateway.errors import worker_fault
from rostra.v1 import chat_pb2, control_pb2, tokens_pb2

Event = dict[str, Any]

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_JOINED = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""The field of each kind of delta whose pieces are joined."""


class MessageEvents:
    """Turns the messages of one stream into the events of the API, one content block after the
    other.

    `tools`: whether the request offered any. Without `show_thinking`, blocks of thinking are there
    and empty. Raises ApiError (502) where the worker broke the contract.
    """

    def __init__(self, message_id: str, *, tools: bool, show_thinking: bool) -> None:
        self._id = message_id
        self._show_thinking = show_thinking
        self._rules = StreamRules(1, tools=tools)
        self._begun = False
        self._finish: tokens_pb2.Finish | None = None
        self._num_blocks = 0
        self._open: tuple[str, int] | None = None
        """The kind of the block that is being written, and which call it is."""
        self._arguments: list[str] = []

    def of(self, message: chat_pb2.ChatResponse, model: control_pb2.ModelInfo) -> list[Event]:
        self._rules.accept(message)
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            events.append(self._message_start(message.prompt_tokens, model))
        delta = message.delta
        if delta.reasoning:
            self._enter("thinking", 0, events)
            if self._show_thinking:
                events.append(self._delta({"type": "thinking_delta", "thinking": delta.reasoning}))
        if delta.content:
            self._enter("text", 0, events)
            events.append(self._delta({"type": "text_delta", "text": delta.content}))
        for call in delta.tool_calls:
            self._enter("tool_use", call.index, events, call)
            if call.arguments:
                self._arguments.append(call.arguments)
                piece = {"type": "input_json_delta", "partial_json": call.arguments}
                events.append(self._delta(piece))
        if message.HasField("finish"):
            self._finish = message.finish
            self._leave(events)
        return events

    def end(self) -> list[Event]:
        """To be called when the stream has ended without an error."""
        usage = self._rules.end()
        assert self._finish is not None
        reason, matched = finish_reason(self._finish), self._finish.WhichOneof("matched")
        stop_reason, stop_sequence = _STOP_REASONS[reason], None
        if matched == "stop_string":
            stop_reason, stop_sequence = "stop_sequence", self._finish.stop_string
        return [
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop_reason, "stop_sequence": stop_sequence},
                "usage": _usage(usage),
            },
            {"type": "message_stop"},
        ]

    def _message_start(self, prompt_tokens: int, model: control_pb2.ModelInfo) -> Event:
        # How much of the prompt was cached is known at the end only.
        known = tokens_pb2.Usage(prompt_tokens=prompt_tokens)
        return {
            "type": "message_start",
            "message": {
                "id": self._id,
                "type": "message",
                "role": "assistant",
                "model": model.name,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {**_usage(known), "service_tier": "standard"},
            },
        }

    def _enter(
        self,
        kind: str,
        number: int,
        events: list[Event],
        call: chat_pb2.ToolCallDelta | None = None,
    ) -> None:
        if self._open == (kind, number):
            return
        self._leave(events)
        block: dict[str, Any] = {"type": kind}
        match kind:
            case "thinking":
                block |= {"thinking": "", "signature": ""}
            case "text":
                block |= {"text": ""}
            case _:
                assert call is not None
                if not call.id:
                    raise worker_fault("The worker went back to a call that it had left")
                block |= {"id": call.id, "name": call.name, "input": {}}
        self._open = (kind, number)
        events.append(
            {"type": "content_block_start", "index": self._num_blocks, "content_block": block}
        )

    def _leave(self, events: list[Event]) -> None:
        if self._open is None:
            return
        if self._open[0] == "tool_use":
            call_input("".join(self._arguments))
            self._arguments.clear()
        self._open = None
        events.append({"type": "content_block_stop", "index": self._num_blocks})
        self._num_blocks += 1

    def _delta(self, delta: dict[str, str]) -> Event:
        return {"type": "content_block_delta", "index": self._num_blocks, "delta": delta}


def whole_message(events: Iterable[Event]) -> dict[str, Any]:
    """The Message that a client puts together from all events of a stream."""
    message: dict[str, Any] = {}
    pieces: list[list[str]] = []
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
                pieces.append([])
            case "content_block_delta":
                delta = event["delta"]
                pieces[event["index"]].append(delta[_JOINED[delta["type"]]])
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    for block, parts in zip(message["content"], pieces, strict=True):
        if block["type"] == "tool_use":
            block["input"] = call_input("".join(parts))
        else:
            block[block["type"]] = "".join(parts)
    return message


def call_input(arguments: str) -> dict[str, Any]:
    """As far as they go, where the answer ended in the middle of them.

    Raises ApiError (502): the model wrote what is no JSON object, which this API cannot say.
    """
    try:
        value = from_json(arguments, allow_partial=True) if arguments else {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise worker_fault("The model called a tool with arguments that are no JSON object")
    return value


def _usage(usage: tokens_pb2.Usage) -> dict[str, Any]:
    """The prompt is counted in two parts: what was read from the cache, and the rest."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }
