"""A client's mistakes: what is changed in a good request, the field that is wrong, and the code;
without a code the field is missing."""

from __future__ import annotations

from typing import Any

USER = {"role": "user", "content": "hi"}
TEXT = {"type": "text", "text": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}

FORMAT = {"name": "f", "schema": {}}
TOOL = {"type": "function", "function": {"name": "f"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "f"}}
REFUSAL = {"type": "refusal", "refusal": "no"}


def only(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


NESTED: list[Any] = []
for _ in range(300):
    NESTED = [NESTED]


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [{**USER, **fields}]}


BOTH = [
    ({"model": None}, "model", "invalid_type"),
    ({"model": ""}, "model", "invalid_value"),
    ({"model": 7}, "model", "invalid_type"),
    ({"temperature": "1"}, "temperature", "invalid_type"),
    ({"temperature": True}, "temperature", "invalid_type"),
    ({"temperature": 2.1}, "temperature", "invalid_value"),
    ({"temperature": -0.1}, "temperature", "invalid_value"),
    ({"top_p": 0}, "top_p", "invalid_value"),
    ({"top_p": 1.1}, "top_p", "invalid_value"),
    ({"presence_penalty": 3}, "presence_penalty", "invalid_value"),
    ({"frequency_penalty": -3}, "frequency_penalty", "invalid_value"),
    ({"repetition_penalty": 0}, "repetition_penalty", "invalid_value"),
    ({"top_k": -2}, "top_k", "invalid_value"),
    ({"min_p": 2}, "min_p", "invalid_value"),
    ({"n": 0}, "n", "invalid_value"),
    ({"n": 129}, "n", "invalid_value"),
    ({"n": 1.5}, "n", "invalid_type"),
    ({"seed": 2**64}, "seed", "invalid_type"),
    ({"seed": "x"}, "seed", "invalid_type"),
    ({"max_tokens": 0}, "max_tokens", "invalid_value"),
    ({"max_tokens": 2**32}, "max_tokens", "invalid_value"),
    ({"min_tokens": -1}, "min_tokens", "invalid_value"),
    ({"stop": 3}, "stop", "invalid_type"),
    ({"stop": ""}, "stop", "invalid_value"),
    ({"stop": ["a", 3]}, "stop[1]", "invalid_type"),
    ({"stop": ["a"] * 17}, "stop", "invalid_value"),
    ({"stop_token_ids": [-1]}, "stop_token_ids[0]", "invalid_value"),
    ({"logit_bias": {"x": 1}}, "logit_bias.x", "invalid_value"),
    ({"logit_bias": {"1": 101}}, "logit_bias.1", "invalid_value"),
    ({"logit_bias": []}, "logit_bias", "invalid_type"),
    ({"ignore_eos": "yes"}, "ignore_eos", "invalid_type"),
    ({"priority": 2**31}, "priority", "invalid_value"),
    ({"stream": "true"}, "stream", "invalid_type"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    (
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        "stream_options.include_obfuscation",
        "unsupported_parameter",
    ),
    ({"frobnicate": 1}, "frobnicate", "unknown_parameter"),
    ({"response_format": "json"}, "response_format", "invalid_type"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "invalid_value"),
    (
        {"response_format": {"type": "text", "json_schema": FORMAT}},
        "response_format.json_schema",
        "invalid_value",
    ),
    *[
        ({"response_format": {"type": "json_schema", "json_schema": {**FORMAT, **change}}}, *error)
        for change, *error in [
            ({"name": "a b"}, "response_format.json_schema.name", "invalid_value"),
            ({"name": "a" * 65}, "response_format.json_schema.name", "invalid_value"),
            ({"schema": None}, "response_format.json_schema.schema", "invalid_type"),
            ({"schema": {"a": NESTED}}, "response_format.json_schema.schema", "invalid_value"),
            ({"strict": 1}, "response_format.json_schema.strict", "invalid_type"),
        ]
    ],
    ({"guided_json": "{"}, "guided_json", "invalid_value"),
    ({"guided_json": "3"}, "guided_json", "invalid_type"),
    ({"guided_regex": ""}, "guided_regex", "invalid_value"),
    ({"guided_choice": []}, "guided_choice", "invalid_value"),
    ({"guided_choice": ["a", 1]}, "guided_choice[1]", "invalid_type"),
    ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_choice", "invalid_value"),
    (
        {"response_format": {"type": "json_object"}, "guided_grammar": "start: /a/"},
        "guided_grammar",
        "invalid_value",
    ),
    ({"structured_outputs": {"json": 3}}, "structured_outputs.json", "invalid_type"),
    (
        {"structured_outputs": {"regex": "a", "choice": ["a"]}},
        "structured_outputs.choice",
        "invalid_value",
    ),
    (
        {"structured_outputs": {"regex": "a", "structural_tag": "x"}},
        "structured_outputs.structural_tag",
        "unsupported_parameter",
    ),
]
CHAT = [
    ({"messages": None}, "messages", "invalid_type"),
    ({"messages": []}, "messages", "invalid_value"),
    ({"messages": "hi"}, "messages", "invalid_type"),
    ({"messages": ["hi"]}, "messages[0]", "invalid_type"),
    (message(role="alien"), "messages[0].role", "invalid_value"),
    (message(content=None), "messages[0].content", "invalid_value"),
    (message(content=3), "messages[0].content", "invalid_type"),
    (message(content=[]), "messages[0].content", "invalid_value"),
    (message(content=[{"type": "text"}]), "messages[0].content[0].text", None),
    (message(content=[IMAGE]), "messages[0].content[0].image_url.url", "unsupported_parameter"),
    (message(content=[AUDIO]), "messages[0].content[0]", "unsupported_parameter"),
    (message(content=[TEXT, FILE]), "messages[0].content[1]", "unsupported_parameter"),
    (message(content=[TEXT, REFUSAL]), "messages[0].content[1]", "invalid_value"),
    (message(refusal="no"), "messages[0].refusal", "invalid_value"),
    (message(role="function"), "messages[0].name", "invalid_value"),
    (message(function_call=CALL["function"]), "messages[0].function_call", "invalid_value"),
    (
        message(role="assistant", tool_calls=[CALL], function_call=CALL["function"]),
        "messages[0].function_call",
        "invalid_value",
    ),
    (
        message(role="assistant", tool_calls=[{**CALL, "type": "custom"}]),
        "messages[0].tool_calls[0]",
        "unsupported_parameter",
    ),
    (
        message(role="assistant", audio={"id": "a"}),
        "messages[0].audio",
        "unsupported_parameter",
    ),
    (message(extra=1), "messages[0].extra", "unknown_parameter"),
    (message(tool_calls=[CALL]), "messages[0].tool_calls", "invalid_value"),
    (message(role="tool"), "messages[0].tool_call_id", "invalid_value"),
    (message(tool_call_id="c"), "messages[0].tool_call_id", "invalid_value"),
    ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
    ({"logprobs": 1}, "logprobs", "invalid_type"),
    ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens", "invalid_value"),
    (
        {"continue_final_message": True, "add_generation_prompt": True},
        "continue_final_message",
        "invalid_value",
    ),
    ({"chat_template_kwargs": []}, "chat_template_kwargs", "invalid_type"),
    ({"chat_template_kwargs": {"a": NESTED}}, "chat_template_kwargs", "invalid_value"),
    ({"reasoning_effort": "extreme"}, "reasoning_effort", "invalid_value"),
    (
        {"reasoning_effort": "low", "chat_template_kwargs": {"reasoning_effort": "low"}},
        "reasoning_effort",
        "invalid_value",
    ),
    ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0]", "unsupported_parameter"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", None),
    ({"tools": [only("a b")]}, "tools[0].function.name", "invalid_value"),
    ({"tools": [TOOL, TOOL]}, "tools[1].function", "invalid_value"),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
        "tools[0].function.parameters",
        "invalid_type",
    ),
    ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
    ({"tool_choice": only("f")}, "tool_choice", "invalid_value"),
    ({"tools": [TOOL], "tool_choice": only("g")}, "tool_choice", "invalid_value"),
    ({"tools": [TOOL], "tool_choice": "always"}, "tool_choice", "invalid_value"),
    ({"tools": [TOOL], "tool_choice": 1}, "tool_choice", "invalid_type"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
        "tool_choice",
        "unsupported_parameter",
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function"}},
        "tool_choice.function",
        "invalid_value",
    ),
    ({"tools": [TOOL], "functions": [{"name": "g"}]}, "functions", "invalid_value"),
    ({"tools": [TOOL], "function_call": "auto"}, "function_call", "invalid_value"),
    ({"function_call": {"name": "g"}}, "function_call", "invalid_value"),
    (
        {"functions": [{"name": "f"}], "function_call": {"name": "g"}},
        "function_call",
        "invalid_value",
    ),
    ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
    ({"user": 3}, "user", "invalid_type"),
    *[
        ({name: value}, name, "unsupported_parameter")
        for name, value in {
            "modalities": ["text", "audio"],
            "audio": {"voice": "x", "format": "wav"},
            "prediction": {"type": "content", "content": "x"},
            "verbosity": "low",
            "web_search_options": {},
            "moderation": {"model": "m"},
            "store": True,
            "service_tier": "flex",
        }.items()
    ],
]
COMPLETIONS = [
    ({"prompt": None}, "prompt", "invalid_type"),
    ({"prompt": ""}, "prompt", "invalid_value"),
    ({"prompt": []}, "prompt", "invalid_value"),
    ({"prompt": {}}, "prompt", "invalid_type"),
    ({"prompt": ["a", 1]}, "prompt[1]", "invalid_type"),
    ({"prompt": [1, "a"]}, "prompt[1]", "invalid_type"),
    ({"prompt": [1, -1]}, "prompt[1]", "invalid_value"),
    ({"prompt": [[1], []]}, "prompt[1]", "invalid_value"),
    ({"prompt": [[1], [True]]}, "prompt[1][0]", "invalid_type"),
    ({"prompt": ["a"] * 129}, "prompt", "invalid_value"),
    ({"logprobs": 21}, "logprobs", "invalid_value"),
    ({"logprobs": True}, "logprobs", "invalid_type"),
    ({"best_of": 2, "n": 3}, "best_of", "invalid_value"),
    ({"best_of": 2, "stream": True}, "best_of", "invalid_value"),
    ({"best_of": 129}, "best_of", "invalid_value"),
    ({"max_tokens": 0, "echo": True, "min_tokens": 1}, "min_tokens", "invalid_value"),
    ({"suffix": "end"}, "suffix", "unsupported_parameter"),
    ({"messages": [USER]}, "messages", "unknown_parameter"),
]
