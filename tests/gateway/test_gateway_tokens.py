"""POST /tokenize, /detokenize and /v1/messages/count_tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anthropic
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, gateway_before, refuse
from grpc import StatusCode

from rostra.gateway.schemas.answers.tokens import Detokenized, Tokenized
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

USER: Any = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


async def words(request: Any, context: Any) -> AsyncIterator[Any]:
    """A token for each word of the last text; a text for each token."""
    if isinstance(request, inference_pb2.DetokenizeRequest):
        yield inference_pb2.DetokenizeResponse(text=" ".join(map(str, request.ids)))
        return
    text = request.text or request.chat.messages[-1].content[0].text
    tokens = [tokens_pb2.TokenInfo(id=len(word), text=word) for word in text.split()]
    yield inference_pb2.TokenizeResponse(tokens=tokens, max_model_len=128)


class TokenWorker(ScriptedWorker):
    """Its tokenizer follows the script, too."""

    async def Tokenize(self, request: Any, context: Any) -> Any:
        async with aclosing(self._answer(request, context)) as messages:
            return await anext(messages)

    async def Detokenize(self, request: Any, context: Any) -> Any:
        return await self.Tokenize(request, context)


@pytest.fixture
async def worker() -> AsyncIterator[ScriptedWorker]:
    async with TokenWorker(words) as started:
        yield started


@pytest.mark.parametrize("path", ["/tokenize", "/v1/tokenize"])
async def test_a_text(client: TestClient, worker: ScriptedWorker, path: str) -> None:
    body = {"model": "tiny-latest", "prompt": "once upon a", "return_token_strs": True}
    answer = await (await client.post(path, json=body)).json()
    Tokenized.model_validate(answer)
    assert answer == {
        "count": 3,
        "max_model_len": 128,
        "tokens": [4, 4, 1],
        "token_strs": ["once", "upon", "a"],
    }
    await client.post(path, json={"model": "tiny", "prompt": "a", "add_special_tokens": False})
    first, second = worker.requests
    assert not first.HasField("add_special_tokens")
    assert second.HasField("add_special_tokens")
    assert not second.add_special_tokens


async def test_a_conversation(client: TestClient, worker: ScriptedWorker) -> None:
    body = {
        "model": "tiny",
        "messages": [USER, {"role": "assistant", "content": "well then"}],
        "tools": [TOOL],
        "tool_choice": "required",
        "add_generation_prompt": False,
        "continue_final_message": True,
        "chat_template_kwargs": {"enable_thinking": False},
        "add_special_tokens": False,
    }
    answer = await (await client.post("/tokenize", json=body)).json()
    Tokenized.model_validate(answer)
    assert (answer["count"], answer["tokens"], answer["token_strs"]) == (2, [4, 4], None)
    [request] = worker.requests
    chat = request.chat
    assert request.model == chat.model == "tiny"
    assert [message.role for message in chat.messages] == [
        chat_pb2.ROLE_USER,
        chat_pb2.ROLE_ASSISTANT,
    ]
    assert chat.tools[0].name == "weather"
    assert chat.tool_choice.mode == chat_pb2.ToolChoice.MODE_REQUIRED
    assert chat.continue_final_message
    assert not chat.add_generation_prompt
    assert dict(chat.template_variables) == {"enable_thinking": "false"}
    assert not request.HasField("add_special_tokens")
    assert not chat.HasField("request_id")


@pytest.mark.parametrize("path", ["/detokenize", "/v1/detokenize"])
async def test_tokens(client: TestClient, worker: ScriptedWorker, path: str) -> None:
    answer = await (await client.post(path, json={"model": "tiny", "tokens": [3, 1, 2]})).json()
    Detokenized.model_validate(answer)
    assert answer == {"prompt": "3 1 2"}
    empty = await (await client.post(path, json={"model": "tiny", "tokens": []})).json()
    assert empty == {"prompt": ""}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": [USER]}, "prompt"),
        ("/tokenize", {"prompt": 3}, "prompt"),
        ("/tokenize", {"prompt": "a", "tools": [TOOL]}, "tools"),
        ("/tokenize", {"prompt": "a", "add_generation_prompt": True}, "add_generation_prompt"),
        ("/tokenize", {"messages": []}, "messages"),
        ("/tokenize", {"messages": [USER], "add_special_tokens": True}, "add_special_tokens"),
        ("/tokenize", {"messages": [USER], "tools": [TOOL, TOOL]}, "tools[1].function"),
        ("/tokenize", {"messages": [USER], "chat_template": "{{ x }}"}, "chat_template"),
        ("/tokenize", {"messages": [USER], "tool_choice": "required"}, "tool_choice"),
        (
            "/tokenize",
            {
                "messages": [USER],
                "add_generation_prompt": True,
                "continue_final_message": True,
            },
            "continue_final_message",
        ),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("/detokenize", {"tokens": "a"}, "tokens"),
    ],
)
async def test_mistakes_are_named(
    client: TestClient, worker: ScriptedWorker, path: str, body: dict[str, Any], param: str
) -> None:
    response = await client.post(path, json={"model": "tiny", **body})
    error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, param), error
    assert not worker.requests


@pytest.mark.parametrize(
    ("path", "body", "field", "param"),
    [
        ("/tokenize", {"prompt": "a"}, "text", "prompt"),
        ("/tokenize", {"messages": [USER]}, "chat.messages[0].content", "messages[0].content"),
        (
            "/tokenize",
            {"messages": [USER], "chat_template_kwargs": {"a": 1}},
            "chat.template_variables[a]",
            "chat_template_kwargs.a",
        ),
        ("/detokenize", {"tokens": [1, 99]}, "ids[1]", "tokens[1]"),
    ],
)
async def test_the_worker_names_fields_of_the_request(
    client: TestClient,
    worker: ScriptedWorker,
    path: str,
    body: dict[str, Any],
    field: str,
    param: str,
) -> None:
    async def refuses(request: Any, context: Any) -> AsyncIterator[Any]:
        await refuse(context, StatusCode.INVALID_ARGUMENT, "is wrong", reason="x", field=field)
        yield inference_pb2.TokenizeResponse()

    worker.script = refuses
    response = await client.post(path, json={"model": "tiny", **body})
    error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, param)
    assert error["message"] == f"{param}: is wrong"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/tokenize", {"prompt": "a b"}), ("/detokenize", {"tokens": [1]})],
)
async def test_another_worker_answers_for_a_lost_one(path: str, body: dict[str, Any]) -> None:
    async def lost(request: Any, context: Any) -> AsyncIterator[Any]:
        await refuse(context, StatusCode.UNAVAILABLE)
        yield inference_pb2.TokenizeResponse()

    async with (
        TokenWorker(words) as first,
        TokenWorker(words) as second,
        gateway_before([first.address, second.address]) as client,
    ):
        for broken in (first, second):
            first.script, second.script = words, words
            broken.script = lost
            for _ in range(4):
                response = await client.post(path, json={"model": "tiny", **body})
                assert response.status == 200


async def test_counting(client: TestClient, worker: ScriptedWorker) -> None:
    base_url = str(client.make_url("/"))
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key="x", max_retries=0) as official:
        count = await official.messages.count_tokens(
            model="tiny",
            system="Be brief.",
            messages=[{"role": "user", "content": "once upon a time"}],
            tools=[{"name": "weather", "input_schema": {"type": "object"}}],
            thinking={"type": "disabled"},
        )
        assert count.input_tokens == 4
        with pytest.raises(anthropic.NotFoundError):
            await official.messages.count_tokens(model="huge", messages=[USER])
        with pytest.raises(anthropic.BadRequestError):
            await official.messages.count_tokens(
                model="tiny", messages=[USER], extra_body={"max_tokens": 3}
            )
    [request] = worker.requests
    assert [message.role for message in request.chat.messages] == [
        chat_pb2.ROLE_SYSTEM,
        chat_pb2.ROLE_USER,
    ]
    assert request.chat.tools[0].name == "weather"
    assert dict(request.chat.template_variables) == {"enable_thinking": "false"}
