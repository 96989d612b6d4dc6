"""The four ways in which the OpenAI API takes texts to work on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from rostra.gateway.schemas.fields import UInt32


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


def each_prompt(prompt: Prompt) -> list[str | list[int]]:
    """Each text, or list of token ids, by itself."""
    match prompt:
        case str() as text:
            return [text]
        case [int(), *_] as tokens:
            return [tokens]  # type: ignore[list-item] # not narrowed by the pattern
        case several:
            return list(several)  # type: ignore[arg-type]
