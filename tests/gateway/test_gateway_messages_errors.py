"""Errors of /v1/messages: their envelope, and what the official client makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, gateway_before, refuse
from grpc import StatusCode

from rostra.gateway.schemas.answers.anthropic import MessagesError
from rostra.v1 import chat_pb2

MESSAGES = "/v1/messages"
USER: Any = {"role": "user", "content": "hi"}
HELLO: dict[str, Any] = {"model": "tiny", "max_tokens": 9, "messages": [USER]}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}


def refuses(code: StatusCode, **details: Any) -> Any:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        await refuse(context, code, **details)
        yield chat_pb2.ChatResponse()

    return script


async def told(response: Any) -> dict[str, Any]:
    """The error object, held to its model."""
    body = await response.json()
    MessagesError.model_validate(body)
    assert body["request_id"] == response.headers["request-id"]
    assert response.headers["x-request-id"] == response.headers["request-id"]
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize(
    ("script", "raised", "kind"),
    [
        (
            refuses(StatusCode.RESOURCE_EXHAUSTED, retry_after=1),
            anthropic.RateLimitError,
            "rate_limit_error",
        ),
        (refuses(StatusCode.INTERNAL), anthropic.InternalServerError, "api_error"),
        (refuses(StatusCode.UNAVAILABLE), anthropic.InternalServerError, "overloaded_error"),
        (refuses(StatusCode.DEADLINE_EXCEEDED), anthropic.InternalServerError, "timeout_error"),
        (refuses(StatusCode.NOT_FOUND), anthropic.NotFoundError, "not_found_error"),
        (
            refuses(StatusCode.INVALID_ARGUMENT, field="sampling.temperature"),
            anthropic.BadRequestError,
            "invalid_request_error",
        ),
    ],
)
async def test_a_workers_errors_have_their_classes(
    anthropic_client: anthropic.AsyncAnthropic,
    worker: ScriptedWorker,
    script: Any,
    raised: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    worker.script = script
    with pytest.raises(raised) as caught:
        await anthropic_client.messages.create(**HELLO)
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert caught.value.request_id == body["request_id"]


async def test_an_unknown_model(anthropic_client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        await anthropic_client.messages.create(**{**HELLO, "model": "huge"})
    assert "huge" in str(caught.value)


async def test_no_worker_says_when_to_come_back(client: TestClient, worker: ScriptedWorker) -> None:
    await worker.stop()
    async with gateway_before([worker.address], ready=False, worker_wait=0.0) as lonely:
        response = await lonely.post(MESSAGES, json=HELLO)
        assert response.status == 503
        assert int(response.headers["Retry-After"]) >= 1
        assert (await told(response))["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status", "kind"),
    [
        ("POST", "/v1/messages/batches", b"{}", "application/json", 404, "not_found_error"),
        ("GET", MESSAGES, None, None, 405, "invalid_request_error"),
        ("POST", MESSAGES, b"{}", "text/plain", 415, "invalid_request_error"),
        ("POST", MESSAGES, b"{", "application/json", 400, "invalid_request_error"),
        ("POST", MESSAGES, b'"' + b"x" * 3000 + b'"', "application/json", 413, "request_too_large"),
    ],
)
async def test_what_no_handler_sees_is_in_the_same_envelope(
    worker: ScriptedWorker,
    method: str,
    path: str,
    body: bytes | None,
    content_type: str | None,
    status: int,
    kind: str,
) -> None:
    async with gateway_before([worker.address], max_body_bytes=2000) as client:
        headers = {"Content-Type": content_type} if content_type else {}
        response = await client.request(method, path, data=body, headers=headers)
        assert response.status == status
        assert (await told(response))["type"] == kind


async def test_other_routes_keep_their_envelope(client: TestClient) -> None:
    response = await client.post("/v1/messagesx", json={})
    assert set(await response.json()) == {"error"}
    assert "request-id" not in response.headers


def with_block(block: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"messages": [USER, {"role": role, "content": [block]}]}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        (with_block({"type": "image", "source": {}}), "messages[1].content[0].source: images are"),
        (
            with_block({"type": "image", "source": {"type": "url", "url": "http://a.example/b"}}),
            "messages[1].content[0].source: images are not fetched here (source of type 'url')",
        ),
        (
            with_block({"type": "image", "source": {"type": "base64", "media_type": "image/bmp"}}),
            "media_type of an image is one of image/png, image/jpeg, image/gif, image/webp",
        ),
        (
            with_block({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}),
            "data of an image should be a base64 string",
        ),
        (
            with_block(
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "eA=="},
                }
            ),
            "messages[1].content[0].source: the image is no image/png",
        ),
        (
            with_block({"type": "image", "source": {}}, "assistant"),
            "messages[1].content[0]: blocks of type 'image'",
        ),
        (with_block({"type": "document", "source": {}}), "'document'"),
        (with_block({"type": "search_result"}), "'search_result'"),
        (with_block({"type": "tool_use", "id": "a", "name": "b", "input": {}}), "'tool_use'"),
        (with_block({"type": "tool_result", "tool_use_id": "a"}, "assistant"), "'tool_result'"),
        (with_block({"type": "server_tool_use"}, "assistant"), "'server_tool_use'"),
        (
            with_block({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}),
            "messages[1].content[0].content[0]: blocks of type 'image'",
        ),
        (with_block({"type": "tool_result"}), "messages[1].content[0].tool_use_id"),
        (
            with_block({"type": "tool_use", "id": "a", "name": "b", "input": {}}, "assistant"),
            "results must follow",
        ),
        ({"system": [{"type": "image"}]}, "system[0]: blocks of type 'image'"),
        ({"stop_sequences": [""]}, "stop_sequences[0]"),
        ({"stop_sequences": "end"}, "stop_sequences"),
        ({"stop_sequences": ["a"] * 17}, "stop_sequences"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
        ({"tools": [TOOL, TOOL]}, "two tools"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "defer_loading"),
        ({"tools": [{**TOOL, "input_examples": [{}]}]}, "input_examples"),
        ({"tool_choice": {"type": "any"}}, "needs tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "not among the tools"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "between_tools"}}, "between_tools"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        (
            {
                "output_format": {"type": "json_schema", "schema": {}},
                "output_config": {"format": {"type": "json_schema", "schema": {}}},
            },
            "exclude each other",
        ),
        ({"service_tier": "priority"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"context_management": {"edits": [{}]}}, "context_management"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
    ],
)
async def test_what_is_not_supported_is_named(
    client: TestClient, worker: ScriptedWorker, change: dict[str, Any], named: str
) -> None:
    body = {name: value for name, value in {**HELLO, **change}.items() if value is not None}
    response = await client.post(MESSAGES, json=body)
    error = await told(response)
    assert response.status == 400, error
    assert error["type"] == "invalid_request_error"
    assert named in error["message"]
    assert not worker.requests


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("messages[3].content[0]", "messages"),
        ("continue_final_message", "messages"),
        ("sampling.stop[1]", "stop_sequences[1]"),
        ("sampling.max_tokens", "max_tokens"),
        ("tools[2].parameters_schema", "tools[2].input_schema"),
        ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
        ("structured_output.json_schema", "output_config.format.schema"),
        ("template_variables[reasoning_effort]", "output_config.effort"),
        ("template_variables[enable_thinking]", "thinking"),
    ],
)
async def test_the_worker_names_fields_of_the_request(
    client: TestClient, worker: ScriptedWorker, field: str, name: str
) -> None:
    worker.script = refuses(
        StatusCode.INVALID_ARGUMENT, message="is wrong", reason="invalid_value", field=field
    )
    error = await told(await client.post(MESSAGES, json=HELLO))
    assert error["message"] == f"{name}: is wrong"
    assert error["details"] == {"error_code": "invalid_value"}


async def test_too_long(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = refuses(
        StatusCode.INVALID_ARGUMENT,
        reason="context_length_exceeded",
        metadata={"max_model_len": "128", "prompt_tokens": "120", "max_tokens": "9"},
    )
    error = await told(await client.post(MESSAGES, json=HELLO))
    assert "128 tokens; the request has 120 in the messages and asks for 9" in error["message"]
    assert error["details"] == {"error_code": "context_length_exceeded"}
