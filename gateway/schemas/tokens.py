"""POST /tokenize and /detokenize, with the fields that vLLM has for them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, model_validator

from rostra.gateway.schemas.chat import ChatCompletionRequest
from rostra.gateway.schemas.fields import JsonObject, Refused, Schema, UInt32, broken_rule
from rostra.gateway.schemas.messages import Message
from rostra.gateway.schemas.tools import ToolFields

ModelName = Annotated[str, Field(min_length=1, max_length=256)]

_OF_A_TEXT = ("add_special_tokens",)
_OF_A_CHAT = (
    "add_generation_prompt",
    "continue_final_message",
    "chat_template_kwargs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
)


class TokenizeRequest(ToolFields):
    """A text, or a conversation as /v1/chat/completions takes it."""

    queued: ClassVar[bool] = False

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"properties": {field: {"type": kind}}, "required": [field]}
                for field, kind in (("prompt", "string"), ("messages", "array"))
            ]
        }
    )

    model: ModelName
    prompt: str | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    add_special_tokens: bool | None = None
    """Of a text, and true unless said otherwise; a chat template writes its own."""
    return_token_strs: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: JsonObject | None = None

    chat_template: Refused = None
    media_io_kwargs: Refused = None
    mm_processor_kwargs: Refused = None

    @model_validator(mode="after")
    def _has_one_form(self) -> TokenizeRequest:
        if (self.prompt is None) == (self.messages is None):
            raise broken_rule("prompt", "write either a prompt or messages")
        form, foreign = (
            ("messages", _OF_A_CHAT) if self.messages is None else ("a prompt", _OF_A_TEXT)
        )
        for field in foreign:
            if getattr(self, field):
                raise broken_rule(field, f"{field} goes with {form} only")
        if self.continue_final_message and self.add_generation_prompt:
            raise broken_rule(
                "continue_final_message",
                "continue_final_message and add_generation_prompt exclude each other",
            )
        return self

    @property
    def chat(self) -> ChatCompletionRequest | None:
        """The conversation, where it is one."""
        if self.messages is None:
            return None
        return ChatCompletionRequest(
            model=self.model,
            messages=self.messages,
            tools=self.tools,
            tool_choice=self.tool_choice,
            parallel_tool_calls=self.parallel_tool_calls,
            functions=self.functions,
            function_call=self.function_call,
            add_generation_prompt=self.add_generation_prompt,
            continue_final_message=self.continue_final_message,
            chat_template_kwargs=self.chat_template_kwargs,
        )


class DetokenizeRequest(Schema):
    queued: ClassVar[bool] = False

    model: ModelName
    tokens: list[UInt32]
