"""POST /v1/completions."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from rostra.gateway.schemas.fields import PositiveUInt32, RequestFields, broken_rule, only
from rostra.gateway.schemas.prompts import Prompt, each_prompt

DEFAULT_MAX_TOKENS = 16
"""Of this endpoint in the OpenAI API."""


class CompletionRequest(RequestFields):
    prompt: Prompt
    max_tokens: PositiveUInt32 | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    best_of: Annotated[int, Field(ge=1)] | None = None
    suffix: Annotated[str | None, AfterValidator(only(""))] = None

    @model_validator(mode="after")
    def _fields_agree(self) -> CompletionRequest:
        if self.stream_options is not None and not self.stream:
            raise broken_rule("stream_options", "stream_options needs stream to be true")
        if self.best_of is not None and self.best_of != self.num_outputs:
            raise broken_rule("best_of", "best_of can only equal n here; ask for n outputs instead")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt by itself."""
        return each_prompt(self.prompt)
