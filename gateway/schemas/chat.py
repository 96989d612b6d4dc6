"""POST /v1/chat/completions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from rostra.gateway.schemas.fields import (
    Hint,
    JsonObject,
    PositiveUInt32,
    Refused,
    RequestFields,
    broken_rule,
    only,
)
from rostra.gateway.schemas.messages import Message


class ChatCompletionRequest(RequestFields):
    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: PositiveUInt32 | None = None
    max_completion_tokens: PositiveUInt32 | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    # Beyond the OpenAI API.
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: JsonObject | None = None

    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Hint = None
    prompt_cache_options: Hint = None
    parallel_tool_calls: bool | None = None
    """Without tools it says nothing."""
    store: Annotated[bool | None, AfterValidator(only(False))] = None
    service_tier: Annotated[str | None, AfterValidator(only("auto", "default"))] = None
    response_format: Annotated[Any, AfterValidator(only({"type": "text"}))] = None
    modalities: Annotated[Any, AfterValidator(only(["text"], []))] = None
    tool_choice: Annotated[Any, AfterValidator(only("none", "auto"))] = None
    function_call: Annotated[Any, AfterValidator(only("none", "auto"))] = None

    tools: Refused = None
    functions: Refused = None
    audio: Refused = None
    prediction: Refused = None
    reasoning_effort: Refused = None
    verbosity: Refused = None
    web_search_options: Refused = None
    moderation: Refused = None

    @model_validator(mode="after")
    def _fields_agree(self) -> ChatCompletionRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise broken_rule("top_logprobs", "top_logprobs needs logprobs to be true")
        if self.stream_options is not None and not self.stream:
            raise broken_rule("stream_options", "stream_options needs stream to be true")
        if (
            self.max_tokens is not None
            and self.max_completion_tokens is not None
            and self.max_tokens != self.max_completion_tokens
        ):
            raise broken_rule("max_tokens", "max_tokens and max_completion_tokens disagree")
        if self.continue_final_message and self.add_generation_prompt:
            raise broken_rule(
                "continue_final_message",
                "continue_final_message and add_generation_prompt exclude each other",
            )
        return self
