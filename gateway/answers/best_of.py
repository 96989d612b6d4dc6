"""The best of several outputs."""

from __future__ import annotations

from rostra.gateway.answers.logprobs import required_logprob
from rostra.v1 import inference_pb2


class Ranking:
    """Orders the outputs of one stream by the mean log-probability of their tokens, which is what
    `best_of` of the OpenAI API goes by.

    The numbers are those of the model, before temperature and filters. An output of no tokens comes
    last; among equals the first made comes first.
    """

    def __init__(self, num_outputs: int) -> None:
        self._sums = [0.0] * num_outputs
        self._counts = [0] * num_outputs

    def observe(self, message: inference_pb2.GenerateResponse) -> None:
        """Takes a message that keeps the rules of streams. Raises ApiError (502) where a token has
        no log-probability."""
        for token in message.delta.tokens:
            self._sums[message.index] += required_logprob(token)
            self._counts[message.index] += 1

    def best(self, count: int) -> list[int]:
        """The outputs' indices, best first."""
        return sorted(range(len(self._sums)), key=self._mean, reverse=True)[:count]

    def _mean(self, index: int) -> float:
        count = self._counts[index]
        return self._sums[index] / count if count else float("-inf")
