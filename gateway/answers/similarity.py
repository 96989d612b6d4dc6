"""Similarities of texts, and what is answered with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rostra.gateway.errors import worker_fault
from rostra.v1 import inference_pb2


def cosines(
    response: inference_pb2.EmbedResponse, num_firsts: int, num_seconds: int
) -> list[float]:
    """Of the vectors of each pair, -1 to 1: their product, as vectors have unit length.

    Raises ApiError (502) where the worker's answer is not one such vector for each text.
    """
    # 20 MiB, and of use to gateways alone that are asked for similarities.
    import numpy as np

    if len(response.embeddings) != num_firsts + num_seconds or not response.HasField("usage"):
        raise worker_fault("The worker's answer is not complete")
    try:
        vectors = np.array([each.values for each in response.embeddings], dtype=np.float64)
    except ValueError:
        raise worker_fault("The worker's vectors differ in length") from None
    products = (vectors[:num_firsts] * vectors[num_firsts:]).sum(axis=1)
    if not np.isfinite(products).all():
        raise worker_fault("The worker's vectors hold what is no number")
    similarities: list[float] = products.clip(-1.0, 1.0).tolist()
    return similarities


def score_list(
    answer_id: str, model: str, scores: Sequence[float], prompt_tokens: int
) -> dict[str, Any]:
    return {
        "id": answer_id,
        "object": "list",
        "created": int(time.time()),
        "model": model,
        "data": [
            {"index": index, "object": "score", "score": score}
            for index, score in enumerate(scores)
        ],
        "usage": _usage(prompt_tokens),
    }


def ranking(
    answer_id: str,
    model: str,
    scores: Sequence[float],
    documents: Sequence[str] | None,
    top_n: int | None,
    prompt_tokens: int,
) -> dict[str, Any]:
    """The best first; of equals, the one that was given first. `documents` are None where they are
    not to be returned."""
    best = sorted(range(len(scores)), key=lambda index: -scores[index])[:top_n]
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": scores[index]} for index in best
    ]
    if documents is not None:
        for result in results:
            result["document"] = {"text": documents[result["index"]]}
    return {
        "id": answer_id,
        "object": "list",
        "model": model,
        "results": results,
        "usage": _usage(prompt_tokens),
    }


def _usage(prompt_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
