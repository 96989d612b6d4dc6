"""Formats that the output must follow, on both endpoints, and how a refusal of one is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, refuse
from grpc import StatusCode
from test_gateway_chat import HELLO, whole

from rostra.v1 import chat_pb2

SCHEMA = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}}
TEXT = orjson.dumps(SCHEMA).decode()
NAMED = {"name": "Answer-1", "description": "d", "strict": True, "schema": SCHEMA}
AS_SCHEMA = {"response_format": {"type": "json_schema", "json_schema": NAMED}}
FUNCTION = {"name": "f", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": {**FUNCTION, "name": name}} for name in "fgh"]
ENDPOINTS = {
    "chat/completions": HELLO,
    "completions": {"model": "tiny", "prompt": "Once"},
}
FORMS = [
    ({"response_format": {"type": "text"}}, None, None, ""),
    ({"response_format": {"type": "json_object"}}, "json_object", True, "response_format"),
    (AS_SCHEMA, "json_schema", TEXT, "response_format.json_schema.schema"),
    ({"guided_json": SCHEMA}, "json_schema", TEXT, "guided_json"),
    ({"guided_json": TEXT}, "json_schema", TEXT, "guided_json"),
    ({"guided_regex": "a+"}, "regex", "a+", "guided_regex"),
    ({"guided_choice": ["a", "b"]}, "choices", ["a", "b"], "guided_choice"),
    ({"guided_grammar": "start: /a/"}, "lark", "start: /a/", "guided_grammar"),
    *[
        ({"structured_outputs": {name: given}}, kind, value, f"structured_outputs.{name}")
        for name, given, kind, value in [
            ("json", SCHEMA, "json_schema", TEXT),
            ("json_object", True, "json_object", True),
            ("regex", "a+", "regex", "a+"),
            ("choice", ["a", "b"], "choices", ["a", "b"]),
            ("grammar", "start: /a/", "lark", "start: /a/"),
        ]
    ],
]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(("form", "kind", "value", "field"), FORMS)
async def test_each_form(
    client: TestClient,
    worker: ScriptedWorker,
    path: str,
    form: Any,
    kind: Any,
    value: Any,
    field: str,
) -> None:
    body = {**ENDPOINTS[path], **form}
    await whole(client, body, path)
    request = worker.requests[0]
    if kind is None:
        assert not request.HasField("structured_output")
        return
    wanted = request.structured_output
    assert wanted.WhichOneof("form") == kind
    assert (list(wanted.choices.values) if kind == "choices" else getattr(wanted, kind)) == value

    name = "structured_output" if kind == "json_object" else f"structured_output.{kind}"
    worker.script = refuses(name, "is no grammar: expected a comma")
    response = await client.post(f"/v1/{path}", json=body)
    assert response.status == 400
    assert (await response.json())["error"] == {
        "message": f"{field}: is no grammar: expected a comma",
        "type": "invalid_request_error",
        "param": field,
        "code": "invalid_value",
    }


def refuses(field: str, message: str = "is wrong") -> Any:
    async def script(request: Any, context: Any) -> Any:
        await refuse(
            context,
            StatusCode.INVALID_ARGUMENT,
            message,
            reason="invalid_value",
            field=field,
        )
        yield chat_pb2.ChatResponse()

    return script


OF_OLD = [
    {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "user", "content": "hi"},
]
PICKED = {
    "type": "allowed_tools",
    "allowed_tools": {
        "mode": "auto",
        "tools": [{"type": "function", "function": {"name": name}} for name in "gh"],
    },
}


@pytest.mark.parametrize(
    ("body", "field", "param"),
    [
        ({"tools": TOOLS}, "tools[1].parameters_schema", "tools[1].function.parameters"),
        ({"tools": TOOLS}, "tools[1].name", "tools[1].function.name"),
        ({"tools": TOOLS}, "tools[2]", "tools[2].function"),
        ({"tools": TOOLS}, "tools", "tools"),
        (
            {"tools": TOOLS, "tool_choice": PICKED},
            "tools[1].parameters_schema",
            "tools[2].function.parameters",
        ),
        ({"tools": TOOLS, "tool_choice": "required"}, "tool_choice", "tool_choice"),
        ({"functions": [FUNCTION]}, "tools[0].parameters_schema", "functions[0].parameters"),
        (
            {"functions": [FUNCTION], "function_call": {"name": "f"}},
            "tool_choice.name",
            "function_call",
        ),
        (
            {"guided_choice": ["a", "b"]},
            "structured_output.choices.values[1]",
            "guided_choice[1]",
        ),
        (
            {"reasoning_effort": "low"},
            "template_variables[reasoning_effort]",
            "reasoning_effort",
        ),
        (
            {"chat_template_kwargs": {"reasoning_effort": 1, "x": 1}},
            "template_variables[reasoning_effort]",
            "chat_template_kwargs.reasoning_effort",
        ),
        ({"chat_template_kwargs": {"x": 1}}, "template_variables", "chat_template_kwargs"),
        ({"max_tokens": 7}, "sampling.max_tokens", "max_tokens"),
        ({"max_completion_tokens": 7}, "sampling.max_tokens", "max_completion_tokens"),
        ({"logprobs": True}, "sampling.logprobs", "top_logprobs"),
        ({}, "messages[0].role", "messages[0].role"),
        ({}, "messages", "messages"),
        ({}, "messages[0].reasoning", "messages[0].reasoning_content"),
        (
            {},
            "messages[0].tool_calls[1].arguments",
            "messages[0].tool_calls[1].function.arguments",
        ),
        ({}, "messages[0].tool_calls[1].id", "messages[0].tool_calls[1].id"),
        ({"messages": OF_OLD}, "messages[0].tool_calls[0].name", "messages[0].function_call.name"),
    ],
)
async def test_a_refused_field_keeps_the_name_the_client_used(
    client: TestClient, worker: ScriptedWorker, body: Any, field: str, param: str
) -> None:
    worker.script = refuses(field)
    response = await client.post("/v1/chat/completions", json={**HELLO, **body})
    assert response.status == 400
    assert (await response.json())["error"]["param"] == param


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("text", "prompt"),
        ("tokens.ids[3]", "prompt"),
        ("sampling.prompt_logprobs", "logprobs"),
        ("sampling.n", "best_of"),
        ("sampling.logit_bias[3]", "logit_bias[3]"),
    ],
)
async def test_a_refused_field_of_a_completion(
    client: TestClient, worker: ScriptedWorker, field: str, param: str
) -> None:
    worker.script = refuses(field)
    body = {**ENDPOINTS["completions"], "best_of": 2}
    response = await client.post("/v1/completions", json=body)
    assert response.status == 400
    assert (await response.json())["error"]["param"] == param


async def test_effort_is_a_variable_of_the_template(
    client: TestClient, worker: ScriptedWorker
) -> None:
    body = {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": True}}
    await whole(client, {**HELLO, **body})
    variables = dict(worker.requests[0].template_variables)
    assert variables == {"reasoning_effort": '"high"', "enable_thinking": "true"}
