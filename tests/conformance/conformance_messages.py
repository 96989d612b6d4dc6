"""POST /v1/messages and /v1/messages/count_tokens, of Anthropic's API."""

from __future__ import annotations

from typing import Any

from conformance_chat import chat
from conformance_row import Row, hint, honoured, not_applicable, refused
from conformance_sampling import SCHEMA

from rostra.v1 import chat_pb2

PROMPT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
BASE = {**PROMPT, "max_tokens": 8}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FORMAT = {"type": "json_schema", "schema": SCHEMA}


def _text(seen: Any) -> str:
    return "".join(part.text for part in chat(seen).messages[-1].content)


PROMPT_ROWS: list[Row] = [
    honoured("model", "tiny-latest", lambda seen: seen.sent.model == "tiny-latest"),
    honoured("messages", [{"role": "user", "content": "else"}], lambda seen: _text(seen) == "else"),
    honoured(
        "system", "be brief", lambda seen: chat(seen).messages[0].role == chat_pb2.ROLE_SYSTEM
    ),
    honoured("tools", [TOOL], lambda seen: chat(seen).tools[0].name == "f", "the client's own"),
    refused(
        "tools",
        [{"type": "web_search_20250305", "name": "web_search"}],
        "those of the service",
        param="tools[0]",
    ),
    honoured(
        "tool_choice",
        {"type": "any"},
        lambda seen: chat(seen).tool_choice.mode == chat_pb2.ToolChoice.MODE_REQUIRED,
        tools=[TOOL],
    ),
    honoured(
        "tool_choice.disable_parallel_tool_use",
        True,
        lambda seen: (
            chat(seen).HasField("parallel_tool_calls") and not chat(seen).parallel_tool_calls
        ),
        tools=[TOOL],
        tool_choice={"type": "auto"},
    ),
    honoured(
        "thinking",
        {"type": "enabled"},
        lambda seen: chat(seen).template_variables["enable_thinking"] == "true",
        "given to templates that know it",
    ),
    refused("thinking.budget_tokens", 1024, "leave it out", thinking={"type": "enabled"}),
    honoured(
        "output_config",
        {"format": FORMAT},
        lambda seen: chat(seen).structured_output.json_schema,
    ),
    honoured(
        "thinking.type",
        "disabled",
        lambda seen: chat(seen).template_variables["enable_thinking"] == "false",
    ),
    honoured(
        "output_config.format",
        FORMAT,
        lambda seen: chat(seen).structured_output.json_schema,
    ),
    honoured(
        "output_config.effort",
        "low",
        lambda seen: chat(seen).template_variables["reasoning_effort"] == '"low"',
        "given to templates that know it",
    ),
    honoured(
        "output_format",
        FORMAT,
        lambda seen: chat(seen).structured_output.json_schema,
        "the older name of `output_config.format`",
    ),
    hint("cache_control", {"type": "ephemeral"}, "prefixes are found by their tokens"),
    refused("speed", "fast", takes=("standard",)),
    refused("context_management", {"edits": []}),
    refused("mcp_servers", [{"name": "s", "type": "url", "url": "u"}]),
    not_applicable(
        "user_profile_id",
        {"anthropic-user-profile-id": "u"},
        "a header; it names a user of the service",
    ),
    not_applicable(
        "workspace_id",
        {"anthropic-workspace-id": "w"},
        "a header; it names an account of the service",
    ),
    not_applicable(
        "betas", {"anthropic-beta": "b"}, "a header; it switches on fields, which are listed here"
    ),
]

ROWS: list[Row] = [
    *PROMPT_ROWS,
    honoured("max_tokens", 9, lambda seen: seen.sent.sampling.max_tokens == 9),
    honoured("stop_sequences", ["x"], lambda seen: list(seen.sent.sampling.stop) == ["x"]),
    honoured("stream", True, lambda seen: isinstance(seen.answer, list)),
    honoured("temperature", 0.5, lambda seen: seen.sent.sampling.temperature == 0.5),
    honoured("top_p", 0.5, lambda seen: seen.sent.sampling.top_p == 0.5),
    honoured("top_k", 5, lambda seen: seen.sent.sampling.top_k == 5),
    hint("metadata", {"user_id": "u"}),
    refused("service_tier", "priority", takes=("auto", "standard_only")),
    honoured(
        "thinking.display",
        "omitted",
        lambda seen: not [block for block in seen.answer["content"] if block.get("thinking")],
        thinking={"type": "enabled"},
    ),
    *(
        refused(name, value)
        for name, value in {
            "billing_policy": "b",
            "compaction": {"type": "c"},
            "container": "c",
            "diagnostics": {"a": 1},
            "fallback_credit_token": "t",
            "fallbacks": ["m"],
            "inference_geo": "us",
            "thread": "t",
        }.items()
    ),
]

COUNT_ROWS: list[Row] = [
    *PROMPT_ROWS,
    hint("thinking.display", "omitted", "nothing is answered", thinking={"type": "enabled"}),
]
