"""Answers of /v1/score and /v1/rerank."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count, UnixTime
from rostra.gateway.schemas.answers.embeddings import EmbeddingsUsage

Cosine = Annotated[float, Field(ge=-1, le=1, description="The cosine of the two vectors.")]


class Score(Answer):
    object: Literal["score"]
    index: Count
    score: Cosine


class Scores(Answer):
    id: str
    object: Literal["list"]
    created: UnixTime
    model: str
    data: list[Score]
    usage: EmbeddingsUsage


class RankedDocument(Answer):
    text: str


class RankedResult(Answer):
    index: Annotated[Count, Field(description="Of the document, as it was given.")]
    relevance_score: Cosine
    document: RankedDocument | None = None


class Ranking(Answer):
    id: str
    object: Literal["list"]
    model: str
    results: Annotated[list[RankedResult], Field(description="The best first.")]
    usage: EmbeddingsUsage
