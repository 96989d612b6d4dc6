"""The answer of /v1/embeddings."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from rostra.gateway.errors import worker_fault
from rostra.v1 import control_pb2, inference_pb2


def embedding_list(
    response: inference_pb2.EmbedResponse,
    model: control_pb2.ModelInfo,
    num_inputs: int,
    *,
    as_base64: bool,
) -> dict[str, Any]:
    """Raises ApiError (502) where the worker's answer is not one vector for each input."""
    if len(response.embeddings) != num_inputs or not response.HasField("usage"):
        raise worker_fault("The worker's answer is not complete")
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _base64(each.values) if as_base64 else list(each.values),
            }
            for index, each in enumerate(response.embeddings)
        ],
        "model": model.name,
        "usage": {
            "prompt_tokens": response.usage.prompt_tokens,
            "total_tokens": response.usage.prompt_tokens,
        },
    }


def _base64(values: Sequence[float]) -> str:
    """Of the numbers as float32, lowest byte first."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
