"""POST /v1/chat/completions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from rostra.gateway.schemas.fields import (
    HINT,
    Hint,
    JsonObject,
    PositiveUInt32,
    Refused,
    RequestFields,
    broken_rule,
    needs,
    only,
)
from rostra.gateway.schemas.messages import Message
from rostra.gateway.schemas.structured import StructuredFields
from rostra.gateway.schemas.tools import ToolFields


class ChatCompletionRequest(RequestFields, ToolFields, StructuredFields):
    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [needs("stream_options", stream=True), needs("top_logprobs", logprobs=True)]
        }
    )

    messages: Annotated[list[Message], Field(min_length=1)]
    """The conversation so far."""
    max_tokens: PositiveUInt32 | None = None
    """The older name of `max_completion_tokens`."""
    max_completion_tokens: PositiveUInt32 | None = None
    """The answer ends after this many tokens. Default: what is left of the context."""
    logprobs: bool | None = None
    """Gives the log-probability of each token of the answer."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    """Gives this many of the most likely tokens at each place; needs `logprobs`."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = (
        None
    )
    """For templates that know it."""

    # Beyond the OpenAI API.
    add_generation_prompt: bool | None = None
    """Ends the prompt with the header of the assistant's turn. Default true."""
    continue_final_message: bool | None = None
    """Goes on with the last message instead of answering it. Default false."""
    chat_template_kwargs: JsonObject | None = None
    """Variables for the chat template."""

    metadata: Annotated[dict[str, str] | None, HINT] = None
    safety_identifier: Annotated[str | None, HINT] = None
    prompt_cache_key: Annotated[str | None, HINT] = None
    prompt_cache_retention: Hint = None
    prompt_cache_options: Hint = None
    store: Annotated[bool | None, AfterValidator(only(False))] = None
    service_tier: Annotated[str | None, AfterValidator(only("auto", "default"))] = None
    modalities: Annotated[Any, AfterValidator(only(["text"], []))] = None
    verbosity: Annotated[str | None, AfterValidator(only("medium"))] = None

    audio: Refused = None
    prediction: Refused = None
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
        known = self.chat_template_kwargs or {}
        if self.reasoning_effort is not None and "reasoning_effort" in known:
            raise broken_rule(
                "reasoning_effort", "reasoning_effort is in chat_template_kwargs as well"
            )
        if self.continue_final_message and self.add_generation_prompt:
            raise broken_rule(
                "continue_final_message",
                "continue_final_message and add_generation_prompt exclude each other",
            )
        return self

    @property
    def template_variables(self) -> dict[str, Any]:
        """By name, for the chat template."""
        variables = dict(self.chat_template_kwargs or {})
        if self.reasoning_effort is not None:
            variables["reasoning_effort"] = self.reasoning_effort
        return variables
