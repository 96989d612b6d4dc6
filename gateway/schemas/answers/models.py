"""Answers of /v1/models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count, UnixTime


class Model(Answer):
    id: str
    object: Literal["model"]
    created: Annotated[UnixTime, Field(description="When this gateway met the model first.")]
    owned_by: Annotated[
        str, Field(description="`rostra`, or the name of another server that is a member.")
    ]
    aliases: Annotated[list[str], Field(description="Other names that requests may use.")]
    max_model_len: Annotated[
        Count | None,
        Field(description="Tokens of prompt and output together; null: another server's secret."),
    ]
    revision: Annotated[str, Field(description="Of the weights.")]
    targets: Annotated[
        list[str] | None,
        Field(description="Of a name that stands for other models: those that are served now."),
    ]
    input_modalities: Annotated[
        list[Literal["text", "image"]], Field(description="What messages may hold.")
    ]
    embedding_size: Annotated[
        int | None, Field(description="Of an embedding model: numbers in a vector.")
    ]
    base_model: Annotated[str | None, Field(description="Of an adapter: what it adapts.")]
    tool_parser: Annotated[
        str | None, Field(description="How its calls are read; null: tools are refused.")
    ]
    reasoning_parser: Annotated[
        str | None, Field(description="How its reasoning is told from the answer; null: it is not.")
    ]


class Models(Answer):
    object: Literal["list"]
    data: list[Model]
