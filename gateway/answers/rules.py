"""The rules of a worker's stream, as the gateway relies on them."""

from __future__ import annotations

from collections.abc import Iterable

from rostra.gateway.errors import request_aborted, worker_fault
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

Response = chat_pb2.ChatResponse | inference_pb2.GenerateResponse

_FINISH_REASONS = {
    tokens_pb2.FINISH_REASON_STOP: "stop",
    tokens_pb2.FINISH_REASON_LENGTH: "length",
    tokens_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
    tokens_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
}


class StreamRules:
    """Holds one stream to the contract, so that a truncated answer never passes for a whole one.

    `tools`: whether the request offered any. Raises ApiError (502) where the worker broke a rule.
    """

    def __init__(self, num_outputs: int, *, tools: bool = False) -> None:
        self._num_outputs = num_outputs
        self._tools = tools
        self._finished: set[int] = set()
        self._num_calls: dict[int, int] = {}
        self.usage: tokens_pb2.Usage | None = None

    def accept(self, message: Response) -> None:
        index = message.index
        if message.HasField("delta") or message.HasField("finish"):
            if index >= self._num_outputs:
                raise worker_fault(f"The worker sent an output {index} nobody asked for")
            if index in self._finished:
                raise worker_fault(f"The worker went on after the end of output {index}")
        if isinstance(message, chat_pb2.ChatResponse) and message.delta.tool_calls:
            self._accept_calls(index, message.delta.tool_calls)
        if message.HasField("finish"):
            self._finished.add(index)
            called = message.finish.reason == tokens_pb2.FINISH_REASON_TOOL_CALLS
            if called and not self._num_calls.get(index):
                raise worker_fault("The worker ended an output for calls that it did not make")
        if message.HasField("usage"):
            self.usage = message.usage

    def _accept_calls(self, index: int, deltas: Iterable[chat_pb2.ToolCallDelta]) -> None:
        if not self._tools:
            raise worker_fault("The worker called a tool that nobody offered")
        for delta in deltas:
            begun = self._num_calls.get(index, 0)
            if delta.index < begun:
                continue
            if delta.index > begun or not (delta.id and delta.name):
                raise worker_fault("The worker went on with a call that it had not begun")
            self._num_calls[index] = begun + 1

    def end(self) -> tokens_pb2.Usage:
        """To be called when the stream has ended without an error."""
        if len(self._finished) < self._num_outputs or self.usage is None:
            raise worker_fault("The worker's answer ended before it was complete")
        return self.usage


def finish_reason(finish: tokens_pb2.Finish) -> str:
    """As the OpenAI API calls it."""
    if finish.reason == tokens_pb2.FINISH_REASON_ABORT:
        raise request_aborted()
    name = _FINISH_REASONS.get(finish.reason)
    if name is None:
        raise worker_fault("The worker ended an output for a reason this gateway does not know")
    return name
