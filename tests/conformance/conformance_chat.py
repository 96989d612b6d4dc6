"""POST /v1/chat/completions."""

from __future__ import annotations

from typing import Any

from conformance_row import Proof, Row, hint, honoured, refused
from conformance_sampling import grammars, sampling, scheduling, streams

from rostra.v1 import chat_pb2

BASE = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlh"}}


def said(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "hi", **fields}]


def called(**fields: Any) -> list[dict[str, Any]]:
    return [*said(), {"role": "assistant", "content": "so", **fields}]


def tool_rows() -> list[Row]:
    """Also of /tokenize."""
    return [
        honoured("tools", [TOOL], lambda seen: chat(seen).tools[0].name == "f"),
        honoured(
            "tool_choice",
            "required",
            lambda seen: chat(seen).tool_choice.mode == chat_pb2.ToolChoice.MODE_REQUIRED,
            "`none`, `auto`, `required`, a function, or allowed functions",
            tools=[TOOL],
        ),
        honoured(
            "parallel_tool_calls",
            False,
            lambda seen: (
                chat(seen).HasField("parallel_tool_calls") and not chat(seen).parallel_tool_calls
            ),
            tools=[TOOL],
        ),
        honoured(
            "functions",
            [TOOL["function"]],
            lambda seen: chat(seen).tools[0].name == "f",
            "the old form of `tools`",
        ),
        honoured(
            "function_call",
            {"name": "f"},
            lambda seen: chat(seen).tool_choice.name == "f",
            "the old form of `tool_choice`",
            functions=[TOOL["function"]],
        ),
    ]


def template_rows() -> list[Row]:
    return [
        honoured(
            "add_generation_prompt",
            False,
            lambda seen: (
                chat(seen).HasField("add_generation_prompt")
                and not chat(seen).add_generation_prompt
            ),
        ),
        honoured("continue_final_message", True, lambda seen: chat(seen).continue_final_message),
        honoured(
            "chat_template_kwargs",
            {"a": 1},
            lambda seen: dict(chat(seen).template_variables) == {"a": "1"},
        ),
    ]


def chat(seen: Any) -> Any:
    """The request for a chat, be it one or inside one to be tokenized."""
    return seen.sent if isinstance(seen.sent, chat_pb2.ChatRequest) else seen.sent.chat


def text(seen: Any) -> str:
    """Of the last message."""
    return "".join(part.text for part in chat(seen).messages[-1].content)


def of_message(name: str, proof: Proof, messages: list[dict[str, Any]], without: Any = None) -> Row:
    return Row(
        f"messages.{name}",
        "honoured",
        body={"messages": messages},
        without={"messages": without} if without else {},
        proof=proof,
    )


def message_rows() -> list[Row]:
    result = {"role": "tool", "content": "4", "tool_call_id": "c"}
    old = {"role": "function", "content": "4", "name": "f"}
    return [
        of_message(
            "role",
            lambda seen: chat(seen).messages[0].role == chat_pb2.ROLE_DEVELOPER,
            said(role="developer"),
        ),
        of_message(
            "content",
            lambda seen: text(seen) == "ab",
            said(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        ),
        Row(
            "messages.content.image_url",
            "honoured",
            "`data:` addresses of png, jpeg, gif and webp, up to 5 MiB each, from the user, to "
            "models whose `input_modalities` hold `image`; other addresses are refused",
            body={"messages": said(content=[IMAGE])},
            proof=lambda seen: chat(seen).messages[-1].content[0].image.media_type == "image/gif",
        ),
        of_message("name", lambda seen: chat(seen).messages[0].name == "Ann", said(name="Ann")),
        of_message(
            "tool_calls",
            lambda seen: chat(seen).messages[1].tool_calls[0].name == "f",
            [*called(tool_calls=[CALL]), result],
            called(),
        ),
        of_message(
            "tool_call_id",
            lambda seen: chat(seen).messages[2].tool_call_id == "c",
            [*called(tool_calls=[CALL]), result],
            called() + said(),
        ),
        of_message(
            "function_call",
            lambda seen: chat(seen).messages[1].tool_calls[0].name == "f",
            [*called(function_call=CALL["function"]), old],
            called(),
        ),
        of_message(
            "reasoning_content",
            lambda seen: chat(seen).messages[1].reasoning == "why",
            called(reasoning_content="why"),
            called(),
        ),
        of_message(
            "refusal",
            lambda seen: text(seen) == "sono",
            called(refusal="no"),
            called(),
        ),
        *(
            Row(
                f"messages.{name}",
                "refused",
                body={"messages": called(**{name: value})},
                param=f"messages[1].{name}",
            )
            for name, value in (("audio", {"id": "a"}), ("annotations", [{"type": "x"}]))
        ),
    ]


ROWS = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    honoured("messages", said(content="else"), lambda seen: text(seen) == "else"),
    *message_rows(),
    *sampling(n=True),
    *grammars(),
    *tool_rows(),
    *template_rows(),
    *streams(),
    *scheduling(),
    honoured("max_tokens", 9, lambda seen: seen.sent.sampling.max_tokens == 9),
    honoured("max_completion_tokens", 9, lambda seen: seen.sent.sampling.max_tokens == 9),
    honoured("logprobs", True, lambda seen: seen.answer["choices"][0]["logprobs"]),
    honoured(
        "top_logprobs",
        2,
        lambda seen: seen.sent.sampling.logprobs == 2,
        logprobs=True,
    ),
    honoured(
        "reasoning_effort",
        "low",
        lambda seen: seen.sent.template_variables["reasoning_effort"] == '"low"',
        "given to templates that know it",
    ),
    hint("user", "somebody"),
    hint("metadata", {"a": "b"}),
    hint("safety_identifier", "somebody"),
    hint("prompt_cache_key", "k", "prefixes are found by their tokens"),
    hint("prompt_cache_retention", "24h"),
    hint("prompt_cache_options", {"mode": "explicit"}),
    refused("store", True, takes=(False,)),
    refused("service_tier", "flex", takes=("auto", "default")),
    refused("modalities", ["text", "audio"], takes=(["text"],)),
    refused("verbosity", "low", takes=("medium",)),
    refused("audio", {"voice": "v", "format": "wav"}),
    refused("prediction", {"type": "content", "content": "x"}),
    refused("web_search_options", {}),
    refused("moderation", {"model": "m"}),
]
