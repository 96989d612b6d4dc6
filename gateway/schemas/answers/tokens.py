"""Answers of /tokenize and /detokenize."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rostra.gateway.schemas.answers.base import Answer, Count


class Tokenized(Answer):
    count: Count
    max_model_len: Count
    tokens: list[Count]
    token_strs: Annotated[
        list[str] | None,
        Field(description="The text of each token, if asked for; U+FFFD where it is no text."),
    ]


class Detokenized(Answer):
    prompt: str
