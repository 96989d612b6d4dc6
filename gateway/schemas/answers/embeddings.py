"""The answer of /v1/embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count


class Embedding(Answer):
    object: Literal["embedding"]
    index: Count
    embedding: Annotated[
        list[float] | str,
        Field(description="Of unit length; as base64 of float32, lowest byte first, if asked."),
    ]


class EmbeddingsUsage(Answer):
    prompt_tokens: Count
    total_tokens: Count


class Embeddings(Answer):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage
