"""POST /v1/embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rostra.gateway.schemas.fields import HINT, Int32, PositiveUInt32, Schema, broken_rule
from rostra.gateway.schemas.prompts import Prompt, each_prompt

MAX_INPUTS = 2048
"""Of the OpenAI API."""


class EmbeddingsRequest(Schema):
    model: Annotated[str, Field(min_length=1, max_length=256)]
    """A name or an alias that GET /v1/models lists."""
    input: Prompt
    """A text, token ids, or a list of either."""
    encoding_format: Literal["float", "base64"] | None = None
    """`base64` is of float32, lowest byte first. Default `float`."""
    dimensions: PositiveUInt32 | None = None
    """Cuts vectors to this length and normalises them again."""
    user: Annotated[str | None, HINT] = None
    priority: Int32 | None = None
    """Lower goes first where requests wait. Default 0."""

    @model_validator(mode="after")
    def _not_too_many(self) -> EmbeddingsRequest:
        count = len(self.inputs)
        if count > MAX_INPUTS:
            raise broken_rule(
                "input",
                f"input: {count} inputs in one request, at most {MAX_INPUTS} are taken",
            )
        return self

    @property
    def inputs(self) -> list[str | list[int]]:
        """Each input by itself."""
        return each_prompt(self.input)
