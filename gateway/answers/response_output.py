"""From the messages of a worker to the items of one response."""

from __future__ import annotations

from typing import Any

from rostra.gateway.answers.logprobs import chat_logprobs
from rostra.gateway.answers.response_items import (
    CallOutput,
    Event,
    MessageOutput,
    OutputItem,
    ReasoningOutput,
)
from rostra.gateway.answers.rules import StreamRules, finish_reason
from rostra.gateway.errors import worker_fault
from rostra.v1 import chat_pb2, tokens_pb2

_CUT_OFF = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponseOutput:
    """Holds the items, of which the last one grows until another begins.

    A message of the worker may hold several kinds of text at once. What goes on with the item that
    is open comes first then, and after it reasoning, text and calls, as models write them.
    """

    def __init__(self, *, tools: bool, logprobs: bool) -> None:
        self.items: list[dict[str, Any]] = []
        """Those that have ended."""
        self._rules = StreamRules(1, tools=tools)
        self._logprobs = logprobs
        self._open: OutputItem | None = None
        self._call = -1
        """Which call is open, or was the last one to be."""
        self._early_tokens: list[tokens_pb2.TokenInfo] = []
        """Without any text so far."""
        self.cut_off = ""
        """Why the output ended before it was complete, where it did."""

    def of(self, message: chat_pb2.ChatResponse) -> list[Event]:
        self._rules.accept(message)
        events: list[Event] = []
        if message.HasField("delta"):
            events += self._delta(message.delta)
        if message.HasField("finish"):
            self.cut_off = _CUT_OFF.get(finish_reason(message.finish), "")
            if self._open is None:
                # Every turn says something, so that roles take turns in the next request.
                events += self._say("", [])
            events += self._close("incomplete" if self.cut_off else "completed")
        return events

    def end(self) -> tokens_pb2.Usage:
        return self._rules.end()

    def unfinished(self) -> list[dict[str, Any]]:
        """All items, if the output breaks off here."""
        return self.items + ([self._open.whole("incomplete")] if self._open else [])

    def _delta(self, delta: chat_pb2.ChatDelta) -> list[Event]:
        calls = list(delta.tool_calls)
        events: list[Event] = []
        if isinstance(self._open, CallOutput):
            while calls and calls[0].index == self._call:
                events += self._more_of_call(calls.pop(0))
        kinds = [self._reasoning, self._text]
        if isinstance(self._open, MessageOutput):
            kinds.reverse()
        for kind in kinds:
            events += kind(delta)
        for call in calls:
            events += self._new_or_open_call(call)
        return events

    def _reasoning(self, delta: chat_pb2.ChatDelta) -> list[Event]:
        if not delta.reasoning:
            return []
        events: list[Event] = []
        if not isinstance(self._open, ReasoningOutput):
            events += self._begin(ReasoningOutput(self._next_index()))
        assert isinstance(self._open, ReasoningOutput)
        return [*events, self._open.more(delta.reasoning)]

    def _text(self, delta: chat_pb2.ChatDelta) -> list[Event]:
        tokens = list(delta.tokens) if self._logprobs else []
        if not delta.content:
            if delta.reasoning or delta.tool_calls or not tokens:
                return []
            if self._open is None and not self.items:
                self._early_tokens += tokens
                return []
            if not isinstance(self._open, MessageOutput):
                return []
        return self._say(delta.content, tokens)

    def _say(self, text: str, tokens: list[tokens_pb2.TokenInfo]) -> list[Event]:
        events: list[Event] = []
        if not isinstance(self._open, MessageOutput):
            tokens = self._early_tokens + tokens
            events += self._begin(MessageOutput(self._next_index()))
        assert isinstance(self._open, MessageOutput)
        if text or tokens:
            events.append(self._open.say(text, chat_logprobs(tokens)["content"]))
        return events

    def _more_of_call(self, delta: chat_pb2.ToolCallDelta) -> list[Event]:
        assert isinstance(self._open, CallOutput)
        return [self._open.more(delta.arguments)] if delta.arguments else []

    def _new_or_open_call(self, delta: chat_pb2.ToolCallDelta) -> list[Event]:
        if delta.index < self._call or (
            delta.index == self._call and not isinstance(self._open, CallOutput)
        ):
            raise worker_fault("The worker went on with a call that it had left")
        events: list[Event] = []
        if delta.index > self._call:
            self._call = delta.index
            events += self._begin(CallOutput(self._next_index(), delta.id, delta.name))
        return events + self._more_of_call(delta)

    def _begin(self, item: OutputItem) -> list[Event]:
        ended = self._close("completed")
        self._early_tokens = []
        self._open = item
        return ended + item.begin()

    def _close(self, status: str) -> list[Event]:
        if self._open is None:
            return []
        item, self._open = self._open, None
        self.items.append(item.whole(status))
        return item.end(status)

    def _next_index(self) -> int:
        return len(self.items) + (self._open is not None)
