"""The whole table: every endpoint with a body or a query, and all its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import conformance_chat
import conformance_completions
import conformance_messages
import conformance_responses
import conformance_texts
from anthropic.types import (
    message_count_tokens_params,
    message_create_params,
    output_config_param,
    thinking_config_enabled_param,
)
from anthropic.types.beta import message_create_params as beta_message_create_params
from conformance_row import Row
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import (
    chat_completion_assistant_message_param,
    chat_completion_function_message_param,
    chat_completion_stream_options_param,
    chat_completion_tool_message_param,
    chat_completion_user_message_param,
)
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import (
    input_item_list_params,
    response_create_params,
    response_retrieve_params,
    response_text_config_param,
)
from openai.types.shared_params import reasoning


@dataclass(frozen=True)
class Table:
    method: str
    path: str
    rows: Iterable[Row]
    base: Mapping[str, Any] = field(default_factory=dict)
    """A request without any of the fields that may be left out."""
    documented: Mapping[str, Iterable[type]] = field(default_factory=dict)
    """The clients' own types, by the field that they are of; of the whole request under ""."""

    def fields_of_clients(self) -> set[str]:
        return {
            f"{name}.{key}" if name else key
            for name, types in self.documented.items()
            for one in types
            for key in one.__required_keys__ | one.__optional_keys__  # type: ignore[attr-defined]
        }


_MESSAGES = (
    chat_completion_assistant_message_param.ChatCompletionAssistantMessageParam,
    chat_completion_function_message_param.ChatCompletionFunctionMessageParam,
    chat_completion_tool_message_param.ChatCompletionToolMessageParam,
    chat_completion_user_message_param.ChatCompletionUserMessageParam,
)
_STREAM_OPTIONS = (chat_completion_stream_options_param.ChatCompletionStreamOptionsParam,)
_ANTHROPIC = {
    "output_config": (output_config_param.OutputConfigParam,),
    "thinking": (thinking_config_enabled_param.ThinkingConfigEnabledParam,),
}

TABLES = (
    Table(
        "POST",
        "/v1/chat/completions",
        conformance_chat.ROWS,
        conformance_chat.BASE,
        {
            "": (chat_create_params.CompletionCreateParamsStreaming,),
            "messages": _MESSAGES,
            "stream_options": _STREAM_OPTIONS,
        },
    ),
    Table(
        "POST",
        "/v1/completions",
        conformance_completions.ROWS,
        conformance_completions.BASE,
        {
            "": (completion_create_params.CompletionCreateParamsStreaming,),
            "stream_options": _STREAM_OPTIONS,
        },
    ),
    Table(
        "POST",
        "/v1/responses",
        conformance_responses.ROWS,
        conformance_responses.BASE,
        {
            "": (response_create_params.ResponseCreateParamsStreaming,),
            "text": (response_text_config_param.ResponseTextConfigParam,),
            "reasoning": (reasoning.Reasoning,),
            "stream_options": (response_create_params.StreamOptions,),
            "prompt_cache_options": (response_create_params.PromptCacheOptions,),
        },
    ),
    Table(
        "GET",
        "/v1/responses/{response_id}",
        conformance_responses.RETRIEVE_ROWS,
        documented={"": (response_retrieve_params.ResponseRetrieveParamsStreaming,)},
    ),
    Table(
        "GET",
        "/v1/responses/{response_id}/input_items",
        conformance_responses.ITEMS_ROWS,
        documented={"": (input_item_list_params.InputItemListParams,)},
    ),
    Table(
        "POST",
        "/v1/messages",
        conformance_messages.ROWS,
        conformance_messages.BASE,
        {
            "": (
                message_create_params.MessageCreateParamsStreaming,
                beta_message_create_params.MessageCreateParamsStreaming,
            ),
            **_ANTHROPIC,
        },
    ),
    Table(
        "POST",
        "/v1/messages/count_tokens",
        conformance_messages.COUNT_ROWS,
        conformance_messages.PROMPT,
        {"": (message_count_tokens_params.MessageCountTokensParams,), **_ANTHROPIC},
    ),
    Table(
        "POST",
        "/v1/embeddings",
        conformance_texts.EMBEDDINGS,
        conformance_texts.EMBEDDINGS_BASE,
        {"": (embedding_create_params.EmbeddingCreateParams,)},
    ),
    Table("POST", "/v1/tokenize", conformance_texts.TOKENIZE, conformance_texts.TOKENIZE_BASE),
    Table(
        "POST", "/v1/detokenize", conformance_texts.DETOKENIZE, conformance_texts.DETOKENIZE_BASE
    ),
    Table("POST", "/v1/score", conformance_texts.SCORE, conformance_texts.SCORE_BASE),
    Table("POST", "/v1/rerank", conformance_texts.RERANK, conformance_texts.RERANK_BASE),
)

NOT_SERVED = (
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/batches",
    "/v1/containers",
    "/v1/conversations",
    "/v1/evals",
    "/v1/files",
    "/v1/fine_tuning/jobs",
    "/v1/images/edits",
    "/v1/images/generations",
    "/v1/images/variations",
    "/v1/moderations",
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
    "/v1/uploads",
    "/v1/vector_stores",
    "/v1/videos",
)
"""Parts of the OpenAI API for which nothing here could answer: 404."""
