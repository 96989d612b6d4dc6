"""POST /v1/completions."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from rostra.gateway.schemas.fields import RequestFields, UInt32, broken_rule, needs, only
from rostra.gateway.schemas.prompts import Prompt, each_prompt
from rostra.gateway.schemas.structured import StructuredFields

DEFAULT_MAX_TOKENS = 16
"""Of this endpoint in the OpenAI API."""


class CompletionRequest(RequestFields, StructuredFields):
    model_config = ConfigDict(json_schema_extra={"allOf": [needs("stream_options", stream=True)]})

    prompt: Prompt
    """A text, token ids, or a list of either; each prompt is answered by itself."""
    max_tokens: Annotated[
        UInt32 | None, Field(description=f"0 goes with echo. Default {DEFAULT_MAX_TOKENS}.")
    ] = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    """Gives the log-probability of each token, and of this many others at each place."""
    echo: bool | None = None
    """Begins each answer with its prompt."""
    best_of: Annotated[int, Field(ge=1, le=128)] | None = None
    """Makes this many answers and gives the `n` of the highest mean log-probability."""
    suffix: Annotated[str | None, AfterValidator(only(""))] = None

    @model_validator(mode="after")
    def _fields_agree(self) -> CompletionRequest:
        if self.stream_options is not None and not self.stream:
            raise broken_rule("stream_options", "stream_options needs stream to be true")
        if self.max_tokens == 0 and not self.echo:
            raise broken_rule("max_tokens", "max_tokens can only be 0 together with echo")
        if self.max_tokens == 0 and self.min_tokens:
            raise broken_rule("min_tokens", "min_tokens is above max_tokens")
        if self.num_candidates < self.num_outputs:
            raise broken_rule("best_of", "best_of must be at least n")
        if self.stream and self.num_candidates > self.num_outputs:
            raise broken_rule("best_of", "a stream cannot wait for the best; leave best_of out")
        return self

    @property
    def num_candidates(self) -> int:
        """Outputs that are made for each prompt; `num_outputs` of them are answered."""
        return self.best_of or self.num_outputs

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt by itself."""
        return each_prompt(self.prompt)
