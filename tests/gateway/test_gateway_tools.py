"""Tools in conversations: what the worker is offered, and calls in the answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, call, finish, plays, token, usage
from test_gateway_chat import HELLO, events, whole

from rostra.v1 import chat_pb2, tokens_pb2

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "Of a city", "parameters": SCHEMA}
TOOLS = [
    {"type": "function", "function": {**WEATHER, "strict": True}},
    {"type": "function", "function": {"name": "time"}},
]
ASKS = {**HELLO, "tools": TOOLS}
CALLED = tokens_pb2.FINISH_REASON_TOOL_CALLS
TWO_CALLS = (
    *call("weather", '{"city": "Rome"}', call_id="a"),
    *call("time", "{}", index=1, call_id="b", pieces=1),
)


def reads(content: str = "", reasoning: str = "") -> chat_pb2.ChatDelta:
    return chat_pb2.ChatDelta(content=content, reasoning=reasoning)


async def test_tools_reach_the_worker(client: TestClient, worker: ScriptedWorker) -> None:
    await whole(client, {**ASKS, "parallel_tool_calls": False})
    request = worker.requests[0]
    weather, time = request.tools
    assert (weather.name, weather.description, weather.strict) == ("weather", "Of a city", True)
    assert orjson.loads(weather.parameters_schema) == SCHEMA
    assert time.name == "time"
    assert not any(map(time.HasField, ("description", "parameters_schema", "strict")))
    assert not request.HasField("tool_choice")
    assert request.HasField("parallel_tool_calls")
    assert not request.parallel_tool_calls


CHOICES = chat_pb2.ToolChoice
TIME = {"type": "function", "function": {"name": "time"}}


@pytest.mark.parametrize(
    ("choice", "mode", "name", "shown"),
    [
        ("none", CHOICES.MODE_NONE, None, ["weather", "time"]),
        ("auto", CHOICES.MODE_AUTO, None, ["weather", "time"]),
        ("required", CHOICES.MODE_REQUIRED, None, ["weather", "time"]),
        (TIME, CHOICES.MODE_NAMED, "time", ["weather", "time"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TIME]}},
            CHOICES.MODE_AUTO,
            None,
            ["time"],
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TIME]}},
            CHOICES.MODE_REQUIRED,
            None,
            ["time"],
        ),
    ],
)
async def test_choices_reach_the_worker(
    client: TestClient, worker: ScriptedWorker, choice: Any, mode: int, name: Any, shown: Any
) -> None:
    await whole(client, {**ASKS, "tool_choice": choice})
    request = worker.requests[0]
    assert request.tool_choice.mode == mode
    assert request.tool_choice.HasField("name") == (name is not None)
    assert request.tool_choice.name == (name or "")
    assert [tool.name for tool in request.tools] == shown


async def test_a_choice_without_tools_says_nothing(
    client: TestClient, worker: ScriptedWorker
) -> None:
    await whole(client, {**HELLO, "tools": [], "tool_choice": "auto", "functions": []})
    assert not worker.requests[0].HasField("tool_choice")
    assert not worker.requests[0].tools


async def test_calls_whole(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = plays(*TWO_CALLS)
    choice = (await whole(client, ASKS))["choices"][0]
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
            },
            {"id": "b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
        ],
    }
    assert choice["finish_reason"] == "tool_calls"


async def test_calls_streamed(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = plays(*TWO_CALLS)
    choices = [chunk["choices"][0] for chunk in await events(client, ASKS)]
    assert choices[0]["delta"] == {"role": "assistant", "content": None, "refusal": None}
    pieces = [piece for c in choices[1:-1] for piece in c["delta"].pop("tool_calls")]
    assert [choice["delta"] for choice in choices[1:-1]] == [{}] * 5
    named = {"type": "function"}
    assert pieces == [
        {"index": 0, "id": "a", **named, "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city":'}},
        {"index": 0, "function": {"arguments": ' "Rome"}'}},
        {"index": 1, "id": "b", **named, "function": {"name": "time", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]
    assert (choices[-1]["delta"], choices[-1]["finish_reason"]) == ({}, "tool_calls")


async def test_reasoning_and_text_before_a_call(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = plays(reads(reasoning="Hm. "), reads("Let me see."), *call("time", "{}"))
    answer = await whole(client, {**ASKS, "n": 2})
    for choice in answer["choices"]:
        assert choice["message"]["reasoning_content"] == "Hm. "
        assert choice["message"]["content"] == "Let me see."
        assert choice["message"]["tool_calls"][0]["function"]["name"] == "time"
    chunks = [chunk["choices"][0] for chunk in await events(client, {**ASKS, "n": 2})]
    for index in range(2):
        deltas = [c["delta"] for c in chunks if c["index"] == index]
        assert [next(iter(delta)) for delta in deltas if delta] == [
            "role",
            "reasoning_content",
            "content",
            *["tool_calls"] * 3,
        ]


async def test_reasoning_counts(client: TestClient, worker: ScriptedWorker) -> None:
    async def script(request: Any, context: Any) -> Any:
        counted = usage(3, 9)
        counted.reasoning_tokens = 7
        yield chat_pb2.ChatResponse(delta=reads("4", "2+2"), finish=finish(), usage=counted)

    worker.script = script
    details = (await whole(client, HELLO))["usage"]["completion_tokens_details"]
    assert details["reasoning_tokens"] == 7


async def test_tokens_of_calls_come_with_their_logprobs(
    client: TestClient, worker: ScriptedWorker
) -> None:
    first, *rest = call("time", "{}")
    held = chat_pb2.ChatDelta(tokens=[token("<call>")])
    worker.script = plays(
        held, chat_pb2.ChatDelta(tool_calls=[first], tokens=[token("time")]), *rest
    )
    body = {**ASKS, "logprobs": True}
    choice = (await whole(client, body))["choices"][0]
    assert choice["message"]["content"] is None
    assert [one["token"] for one in choice["logprobs"]["content"]] == ["<call>", "time"]
    chunks = [chunk["choices"][0] for chunk in await events(client, body)]
    assert [c["delta"] for c in chunks[:2]] == [
        {"role": "assistant", "content": None, "refusal": None},
        {},
    ]
    streamed = [one for c in chunks if c["logprobs"] for one in c["logprobs"]["content"]]
    assert streamed == choice["logprobs"]["content"]


async def broken(request: Any, context: Any, *deltas: Any, reason: int = CALLED) -> Any:
    for delta in deltas:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(tool_calls=[delta]))
    yield chat_pb2.ChatResponse(finish=finish(reason), usage=usage())


@pytest.mark.parametrize(
    ("deltas", "offer", "message"),
    [
        (call("f", "{}"), {}, "nobody offered"),
        (call("f", "{}"), {"tools": TOOLS, "tool_choice": "none"}, "nobody offered"),
        ([], {"tools": TOOLS}, "did not make"),
        (call("f", "{}")[1:], {"tools": TOOLS}, "had not begun"),
        (call("f", "{}", index=1), {"tools": TOOLS}, "had not begun"),
        (
            [*call("f", "{}"), *call("g", "{}", index=1)],
            {"functions": [WEATHER]},
            "several calls",
        ),
    ],
)
async def test_a_worker_that_breaks_the_rules_of_calls(
    client: TestClient, worker: ScriptedWorker, deltas: Any, offer: Any, message: str
) -> None:
    worker.script = lambda request, context: broken(request, context, *deltas)
    response = await client.post("/v1/chat/completions", json={**HELLO, **offer})
    assert response.status == 502
    assert message in (await response.json())["error"]["message"]


async def test_functions_are_tools_of_old(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = plays(*call("weather", '{"city": "Rome"}'))
    body = {
        **HELLO,
        "messages": [
            *HELLO["messages"],
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "weather", "arguments": "{}"},
            },
            {"role": "function", "name": "weather", "content": "no city"},
        ],
        "functions": [WEATHER, {"name": "time"}],
        "function_call": {"name": "weather"},
    }
    choice = (await whole(client, body))["choices"][0]
    arguments = '{"city": "Rome"}'
    assert choice["message"]["function_call"] == {"name": "weather", "arguments": arguments}
    assert choice["message"]["content"] is None
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"
    request = worker.requests[0]
    assert [tool.name for tool in request.tools] == ["weather", "time"]
    assert (request.tool_choice.mode, request.tool_choice.name) == (CHOICES.MODE_NAMED, "weather")
    assert request.HasField("parallel_tool_calls")
    assert not request.parallel_tool_calls
    made, answered = request.messages[1:]
    assert made.tool_calls[0].name == "weather"
    assert answered.role == chat_pb2.ROLE_TOOL
    assert answered.tool_call_id == made.tool_calls[0].id
    chunks = [chunk["choices"][0] for chunk in await events(client, body)]
    pieces = [c["delta"]["function_call"] for c in chunks if "function_call" in c["delta"]]
    assert pieces[0] == {"name": "weather", "arguments": ""}
    assert "".join(piece["arguments"] for piece in pieces) == arguments
    assert chunks[-1]["finish_reason"] == "function_call"


async def test_refusals_in_the_history_are_what_was_said(
    client: TestClient, worker: ScriptedWorker
) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    history = [
        {"role": "assistant", "content": parts},
        {"role": "assistant", "content": None, "refusal": "c"},
    ]
    await whole(client, {**HELLO, "messages": [*history, *HELLO["messages"]]})
    sent = [[part.text for part in one.content] for one in worker.requests[0].messages]
    assert sent == [["a", "b"], ["c"], ["hi"]]
