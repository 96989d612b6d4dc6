"""/v1/embeddings."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.embeddings import EmbeddingsRequest
from rostra.v1 import inference_pb2

_INPUT = re.compile(r"inputs(\[\d+\])?.*")


class EmbeddingNames(RestNames):
    prompt = "input"

    def of(self, field: str) -> str:
        return _INPUT.sub(r"input\1", field)


def embed_request(
    body: EmbeddingsRequest, inputs: Iterable[str | list[int]], request_id: str
) -> inference_pb2.EmbedRequest:
    return inference_pb2.EmbedRequest(
        model=body.model,
        inputs=[
            inference_pb2.EmbedInput(text=each)
            if isinstance(each, str)
            else inference_pb2.EmbedInput(tokens=inference_pb2.TokenIds(ids=each))
            for each in inputs
        ],
        dimensions=body.dimensions,
        request_id=request_id,
    )
