"""Vectors of members."""

from __future__ import annotations

import math

from rostra.gateway.members.answers import GarbageError, usage_of
from rostra.gateway.members.payloads import EmbeddingsAnswer
from rostra.v1 import inference_pb2


def embeddings_of(data: bytes, num_inputs: int) -> inference_pb2.EmbedResponse:
    """In the order of the inputs, and of unit length as all vectors of the mesh. Raises
    GarbageError, and pydantic's ValidationError."""
    answer = EmbeddingsAnswer.model_validate_json(data)
    vectors = {each.index: each.embedding for each in answer.data}
    if vectors.keys() != set(range(num_inputs)) or len(answer.data) != num_inputs:
        raise GarbageError("it has not one vector for each input")
    response = inference_pb2.EmbedResponse()
    for number in range(num_inputs):
        response.embeddings.add(values=_of_unit_length(vectors[number]))
    response.usage.SetInParent()
    if answer.usage is not None:
        response.usage.CopyFrom(usage_of(answer.usage))
    return response


def _of_unit_length(values: list[float]) -> list[float]:
    length = math.hypot(*values)
    if not length:
        raise GarbageError("it has a vector of no length")
    return [value / length for value in values]
