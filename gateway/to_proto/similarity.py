"""/v1/score and /v1/rerank."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.embeddings import MAX_INPUTS
from rostra.v1 import inference_pb2

_INPUT = re.compile(r"inputs\[(\d+)\].*")

FieldText = tuple[str, str]
"""A text, after the field that holds it: `documents[3]`."""


@dataclass(frozen=True)
class Pairs:
    """As many pairs of texts as fit into one request for vectors.

    There is one first text for all of the second ones, or one for each. The one for all is asked
    for with every request, so that both vectors of a pair are always made by the same worker.
    """

    firsts: Sequence[FieldText]
    seconds: Sequence[FieldText]

    def request(self, model: str, request_id: str) -> inference_pb2.EmbedRequest:
        """The first texts, and after them the second ones."""
        texts = (*self.firsts, *self.seconds)
        return inference_pb2.EmbedRequest(
            model=model,
            inputs=[inference_pb2.EmbedInput(text=text) for _, text in texts],
            request_id=request_id,
        )

    def names(self) -> RestNames:
        return _PairNames([field for field, _ in (*self.firsts, *self.seconds)])


class _PairNames(RestNames):
    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self.prompt = fields[-1].partition("[")[0]

    def of(self, field: str) -> str:
        if match := _INPUT.fullmatch(field):
            return self._fields[int(match[1])]
        return self.prompt if field == "inputs" else field

    def is_prompt(self, name: str) -> bool:
        return name in self._fields


def pairs(firsts: Sequence[FieldText], seconds: Sequence[FieldText]) -> Iterator[Pairs]:
    """All pairs, in order; `firsts` are one, or as many as `seconds`."""
    if len(firsts) == 1:
        for start in range(0, len(seconds), MAX_INPUTS - 1):
            yield Pairs(firsts, seconds[start : start + MAX_INPUTS - 1])
        return
    half = MAX_INPUTS // 2
    for start in range(0, len(seconds), half):
        yield Pairs(firsts[start : start + half], seconds[start : start + half])
