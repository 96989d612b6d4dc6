"""When the tokens of a call came."""

from __future__ import annotations

import time

from rostra.gateway.context import Exchange
from rostra.gateway.metrics import Metrics
from rostra.v1 import chat_pb2, inference_pb2

Response = (
    chat_pb2.ChatResponse
    | inference_pb2.GenerateResponse
    | inference_pb2.EmbedResponse
    | inference_pb2.TokenizeResponse
    | inference_pb2.DetokenizeResponse
)
_COUNTED = (chat_pb2.ChatResponse, inference_pb2.GenerateResponse, inference_pb2.EmbedResponse)


class TokenClock:
    """Measures the times between the tokens of one call, and counts what it used."""

    def __init__(self, metrics: Metrics, exchange: Exchange) -> None:
        self._exchange = exchange
        self._time_to_first_token = metrics.time_to_first_token.labels(exchange.model)
        self._inter_token_latency = metrics.inter_token_latency.of(exchange.model)
        self._last: dict[int, float] = {}
        self.started = False
        """Whether a token or a finish has come."""

    def observe(self, message: chat_pb2.ChatResponse | inference_pb2.GenerateResponse) -> None:
        if message.HasField("usage"):
            self.count(message)
        if not (message.HasField("delta") or message.HasField("finish")):
            return
        if message.HasField("delta"):
            self._exchange.streamed_tokens += max(1, len(message.delta.tokens))
        now, index = time.monotonic(), message.index
        last = self._last.get(index)
        self._last[index] = now
        if last is not None:
            self._inter_token_latency.observe(now - last)
        elif not self.started:
            self.started = True
            if self._exchange.first_token is None:
                self._exchange.first_token = now
            self._time_to_first_token.observe(now - self._exchange.started)

    def count(self, message: Response) -> None:
        """What is all to know of an answer that is one message."""
        if not isinstance(message, _COUNTED):
            return
        self._exchange.prompt_tokens += message.usage.prompt_tokens
        self._exchange.completion_tokens += message.usage.completion_tokens
