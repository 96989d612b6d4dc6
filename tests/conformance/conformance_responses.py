"""POST /v1/responses, and what can be done with a response that is stored."""

from __future__ import annotations

from typing import Any

from conformance_row import Row, hint, honoured, refused, told
from conformance_sampling import SCHEMA, sampling, scheduling

from rostra.v1 import chat_pb2

BASE = {"model": "tiny", "input": "hi"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
LOGPROBS = "message.output_text.logprobs"


def _text(seen: Any) -> str:
    return "".join(part.text for part in seen.sent.messages[-1].content)


ROWS: list[Row] = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    honoured("input", "else", lambda seen: _text(seen) == "else", "a text or a list of items"),
    honoured(
        "instructions",
        "be brief",
        lambda seen: seen.sent.messages[0].role == chat_pb2.ROLE_SYSTEM,
    ),
    honoured(
        "previous_response_id",
        "{previous}",
        lambda seen: len(seen.sent.messages) == 3,
        "of a response that this gateway has stored",
    ),
    honoured("store", False, lambda seen: seen.answer["store"] is False),
    honoured("metadata", {"a": "b"}, lambda seen: seen.answer["metadata"] == {"a": "b"}),
    honoured("tools", [TOOL], lambda seen: seen.sent.tools[0].name == "f", "functions"),
    refused("tools", [{"type": "web_search"}], "other tools than functions", param="tools[0]"),
    honoured(
        "tool_choice",
        "required",
        lambda seen: seen.sent.tool_choice.mode == chat_pb2.ToolChoice.MODE_REQUIRED,
        tools=[TOOL],
    ),
    honoured(
        "parallel_tool_calls",
        False,
        lambda seen: (
            seen.sent.HasField("parallel_tool_calls") and not seen.sent.parallel_tool_calls
        ),
        tools=[TOOL],
    ),
    honoured(
        "text",
        {"format": {"type": "json_object"}},
        lambda seen: seen.sent.structured_output.json_object,
    ),
    honoured(
        "text.format",
        {"type": "json_schema", "name": "n", "schema": SCHEMA},
        lambda seen: seen.sent.structured_output.json_schema,
    ),
    refused("text.verbosity", "low"),
    honoured(
        "reasoning",
        {"effort": "low"},
        lambda seen: seen.sent.template_variables["reasoning_effort"] == '"low"',
        "given to templates that know it",
    ),
    honoured(
        "reasoning.effort",
        "low",
        lambda seen: seen.sent.template_variables["reasoning_effort"] == '"low"',
    ),
    refused("reasoning.summary", "detailed", takes=("auto",)),
    refused("reasoning.generate_summary", "detailed", takes=("auto",)),
    refused("reasoning.context", "all_turns", takes=("auto",)),
    refused("reasoning.mode", "pro", takes=("standard",)),
    *sampling(n=False),
    *scheduling(),
    honoured("max_output_tokens", 9, lambda seen: seen.sent.sampling.max_tokens == 9),
    honoured(
        "include",
        [LOGPROBS],
        lambda seen: told("output", -1, "content", 0, "logprobs")(seen.answer),
        "log-probabilities; fields of items that are never made here are taken",
    ),
    refused(
        "include",
        ["reasoning.encrypted_content"],
        "encrypted reasoning; it is given as it is",
        param="include[0]",
    ),
    honoured("top_logprobs", 2, lambda seen: seen.sent.sampling.logprobs == 2, include=[LOGPROBS]),
    honoured("stream", True, lambda seen: isinstance(seen.answer, list)),
    hint("stream_options", {}, "has nothing but the next", stream=True),
    refused("stream_options.include_obfuscation", True, takes=(False,), stream=True),
    honoured(
        "chat_template_kwargs",
        {"a": 1},
        lambda seen: dict(seen.sent.template_variables) == {"a": "1"},
    ),
    refused("background", True, takes=(False,)),
    refused("truncation", "auto", takes=("disabled",)),
    refused("service_tier", "flex", takes=("auto", "default")),
    hint("max_tool_calls", 3, "counts calls of tools that the service runs; there are none"),
    hint("user", "somebody"),
    hint("safety_identifier", "somebody"),
    hint("prompt_cache_key", "k"),
    hint("prompt_cache_retention", "24h"),
    hint("prompt_cache_options", {"mode": "explicit"}),
    hint("prompt_cache_options.mode", "explicit"),
    hint("prompt_cache_options.ttl", "24h"),
    refused("prompt_cache_options.comparison_response_id", "resp_1"),
    refused("prompt_cache_options.prewarm", True, takes=(False,)),
    *(
        refused(name, value)
        for name, value in {
            "access_programs": ["p"],
            "background_options": {"a": 1},
            "context_management": [{"type": "compaction"}],
            "conversation": "conv_1",
            "image": {"a": 1},
            "moderation": {"model": "m"},
            "prompt": {"id": "p"},
        }.items()
    ),
]

RETRIEVE_ROWS: list[Row] = [
    hint("include", LOGPROBS, "what was asked for when the response was made is in it"),
    refused("stream", "true", takes=("false",)),
    refused("starting_after", "3"),
    refused("include_obfuscation", "true", takes=("false",)),
]

ITEMS_ROWS: list[Row] = [
    honoured("limit", "1", lambda seen: seen.answer["has_more"]),
    honoured(
        "order",
        "asc",
        lambda seen: told("data", 0, "content", 0, "text")(seen.answer) == "one",
    ),
    honoured("after", "{last}", lambda seen: len(seen.answer["data"]) == 1),
    hint("include", LOGPROBS, "items are given whole"),
]
