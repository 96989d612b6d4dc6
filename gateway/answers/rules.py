"""The rules of a worker's stream, as the gateway relies on them."""

from __future__ import annotations

from rostra.gateway.errors import request_aborted, worker_fault
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

Response = chat_pb2.ChatResponse | inference_pb2.GenerateResponse

_FINISH_REASONS = {
    tokens_pb2.FINISH_REASON_STOP: "stop",
    tokens_pb2.FINISH_REASON_LENGTH: "length",
}


class StreamRules:
    """Holds one stream to the contract, so that a truncated answer never passes for a whole one.

    Raises ApiError (502) where the worker broke a rule.
    """

    def __init__(self, num_outputs: int) -> None:
        self._num_outputs = num_outputs
        self._finished: set[int] = set()
        self.usage: tokens_pb2.Usage | None = None

    def accept(self, message: Response) -> None:
        if message.HasField("delta") or message.HasField("finish"):
            if message.index >= self._num_outputs:
                raise worker_fault(f"The worker sent an output {message.index} nobody asked for")
            if message.index in self._finished:
                raise worker_fault(f"The worker went on after the end of output {message.index}")
        if message.HasField("finish"):
            self._finished.add(message.index)
        if message.HasField("usage"):
            self.usage = message.usage

    def end(self) -> tokens_pb2.Usage:
        """To be called when the stream has ended without an error."""
        if len(self._finished) < self._num_outputs or self.usage is None:
            raise worker_fault("The worker's answer ended before it was complete")
        return self.usage


def finish_reason(finish: tokens_pb2.Finish) -> str:
    if finish.reason == tokens_pb2.FINISH_REASON_ABORT:
        raise request_aborted()
    name = _FINISH_REASONS.get(finish.reason)
    if name is None:
        raise worker_fault("The worker ended an output for a reason this gateway does not know")
    return name
