"""What members answer, as far as it is read. Whatever else there is in it is left out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, le=2**32 - 1)]
_Byte = Annotated[int, Field(ge=0, le=255)]


class Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class PromptDetails(Payload):
    cached_tokens: Count | None = None


class CompletionDetails(Payload):
    reasoning_tokens: Count | None = None


class UsagePayload(Payload):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class FunctionPayload(Payload):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """An object where a server does not write it as text."""


class CallPayload(Payload):
    index: int | None = None
    id: str | None = None
    function: FunctionPayload = Field(default_factory=FunctionPayload)


class MessagePayload(Payload):
    """A whole message, or a piece of one."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """The same, under the other name that servers have for it."""
    refusal: str | None = None
    tool_calls: list[CallPayload] | None = None


class TopLogprob(Payload):
    token: str
    logprob: float
    bytes: list[_Byte] | None = None


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob] | None = None


class ChatLogprobs(Payload):
    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class CompletionLogprobs(Payload):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None = None


class Choice(Payload):
    index: Count = 0
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """What was matched, from vLLM."""
    matched_stop: str | int | None = None
    """The same from SGLang."""

    @property
    def matched(self) -> str | int | None:
        return self.matched_stop if self.stop_reason is None else self.stop_reason


class ChatChoice(Choice):
    delta: MessagePayload | None = None
    message: MessagePayload | None = None
    logprobs: ChatLogprobs | None = None


class CompletionChoice(Choice):
    text: str = ""
    logprobs: CompletionLogprobs | None = None


class ErrorPayload(Payload):
    message: str = ""
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class Answer(Payload):
    usage: UsagePayload | None = None
    error: ErrorPayload | str | None = None
    """In a stream: why it ends here."""


class ChatAnswer(Answer):
    """Of /chat/completions: the whole of it, or one chunk."""

    choices: list[ChatChoice] = []


class CompletionAnswer(Answer):
    """Of /completions: the whole of it, or one chunk."""

    choices: list[CompletionChoice] = []


class EmbeddingPayload(Payload):
    index: Count
    embedding: list[float]


class EmbeddingsAnswer(Answer):
    data: list[EmbeddingPayload]


class ListedModel(Payload):
    id: str
    max_model_len: Count | None = None
    revision: str | None = None


class ModelList(Payload):
    data: list[ListedModel]
