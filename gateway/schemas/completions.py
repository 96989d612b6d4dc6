"""POST /v1/completions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from rostra.gateway.schemas.fields import (
    PositiveUInt32,
    RequestFields,
    UInt32,
    broken_rule,
    only,
)

DEFAULT_MAX_TOKENS = 16
"""Of this endpoint in the OpenAI API."""


def _prompt_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    if not isinstance(value, list):
        return None
    match value:
        case [str(), *_]:
            return "<texts>"
        case [list(), *_]:
            return "<token lists>"
        case _:
            return "<tokens>"


Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[UInt32], Field(min_length=1)]
Prompt = Annotated[
    Annotated[Text, Tag("<text>")]
    | Annotated[list[Text], Tag("<texts>")]
    | Annotated[Tokens, Tag("<tokens>")]
    | Annotated[list[Tokens], Tag("<token lists>")],
    Discriminator(
        _prompt_kind,
        custom_error_type="prompt_type",
        custom_error_message="Input should be a string, a list of strings, a list of token ids or "
        "a list of lists of token ids",
    ),
]


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
        match self.prompt:
            case str() as text:
                return [text]
            case [int(), *_] as tokens:
                return [tokens]  # type: ignore[list-item]
            case several:
                return list(several)  # type: ignore[arg-type]
