"""How many tokens a request may take, before a worker has counted them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from rostra.gateway.schemas.images import Image

CHARACTERS_OF_TOKEN = 4
"""Of English prose and of code, with vocabularies of 32,000 entries and more."""
TOKENS_OF_IMAGE = 256
TOKENS_OF_ANSWER = 256
"""Where the request does not say how many it may have."""
_PROMPT = (
    *("messages", "prompt", "input", "instructions", "system", "tools", "functions"),
    *("query", "documents", "text_1", "text_2"),
)
_ANSWER = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def prompt_tokens(body: BaseModel) -> int:
    """About how many are computed for its prompts; 1 at least."""
    return max(1, sum(_tokens(getattr(body, name, None)) for name in _PROMPT))


def answer_tokens(body: BaseModel) -> int:
    """About how many are made: what it allows, where that is less than is usual, of each output."""
    if not any(name in type(body).model_fields for name in _ANSWER):
        return 0
    allowed = [value for name in _ANSWER if (value := getattr(body, name, None)) is not None]
    outputs = max(getattr(body, "n", None) or 1, getattr(body, "best_of", None) or 1)
    return min([TOKENS_OF_ANSWER, *allowed]) * outputs * num_prompts(body)


def num_prompts(body: BaseModel) -> int:
    """That run by themselves."""
    prompts = getattr(body, "prompts", None)
    return max(1, len(prompts)) if isinstance(prompts, list) else 1


def _tokens(value: Any) -> int:
    """Of everything that is written in it."""
    total, open_values = 0, [value]
    while open_values:
        each = open_values.pop()
        if isinstance(each, str):
            total += -(-len(each) // CHARACTERS_OF_TOKEN)
        elif isinstance(each, Image):
            total += TOKENS_OF_IMAGE
        elif isinstance(each, int) and not isinstance(each, bool):
            # A prompt may be token ids.
            total += 1
        elif isinstance(each, BaseModel):
            open_values.extend(each.__dict__.values())
        elif isinstance(each, Mapping):
            open_values.extend(each.keys())
            open_values.extend(each.values())
        elif isinstance(each, list | tuple):
            open_values.extend(each)
    return total
