"""What a Responses request makes of its fields: a chat for the worker, or a refusal by name."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker
from openai.types.responses import response_create_params
from responses_harness import SCHEMA, TIME, WEATHER, ask, refusal

from rostra.gateway.schemas.responses import ResponseRequest
from rostra.v1 import chat_pb2, sampling_pb2

ROLE = chat_pb2.Role.Name
USER = {"role": "user", "content": "hi"}


async def chat_of(client: TestClient, worker: ScriptedWorker, **body: Any) -> Any:
    await ask(client, **body)
    return worker.requests[-1]


def turns(request: Any) -> list[tuple[str, str]]:
    return [
        (ROLE(message.role).removeprefix("ROLE_"), "|".join(part.text for part in message.content))
        for message in request.messages
    ]


async def test_a_string_and_instructions(client: TestClient, worker: ScriptedWorker) -> None:
    request = await chat_of(client, worker, instructions="Be kind.", input="hi")
    assert turns(request) == [("SYSTEM", "Be kind."), ("USER", "hi")]


async def test_messages_of_every_role(client: TestClient, worker: ScriptedWorker) -> None:
    request = await chat_of(
        client,
        worker,
        input=[
            {"role": "system", "content": "s"},
            {"role": "developer", "content": [{"type": "input_text", "text": "d"}]},
            {"type": "message", "role": "user", "content": "u"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
            {"role": "assistant", "content": "b"},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": t} for t in ("x", "y")],
            },
        ],
    )
    assert turns(request) == [
        ("SYSTEM", "s"),
        ("DEVELOPER", "d"),
        ("USER", "u"),
        ("ASSISTANT", "a"),
        ("ASSISTANT", "b"),
        ("USER", "x|y"),
    ]


async def test_reasoning_text_and_calls_are_one_turn(
    client: TestClient, worker: ScriptedWorker
) -> None:
    def called(call_id: str) -> dict[str, Any]:
        return {"type": "function_call", "call_id": call_id, "name": "time", "arguments": "{}"}

    def returned(call_id: str, output: Any) -> dict[str, Any]:
        return {"type": "function_call_output", "call_id": call_id, "output": output}

    request = await chat_of(
        client,
        worker,
        input=[
            USER,
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "left out"}],
                "content": [{"type": "reasoning_text", "text": "hm"}],
            },
            {"role": "assistant", "content": "I will ask."},
            called("a"),
            called("b"),
            returned("a", "noon"),
            returned("b", [{"type": "input_text", "text": "night"}]),
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]},
            {"role": "assistant", "content": "Noon or night."},
            USER,
        ],
    )
    _, turn, noon, night, answer, _ = request.messages
    assert (turn.reasoning, turn.content[0].text) == ("hm", "I will ask.")
    assert [(one.id, one.name, one.arguments) for one in turn.tool_calls] == [
        ("a", "time", "{}"),
        ("b", "time", "{}"),
    ]
    assert [(one.role, one.tool_call_id) for one in (noon, night)] == [
        (chat_pb2.ROLE_TOOL, "a"),
        (chat_pb2.ROLE_TOOL, "b"),
    ]
    assert night.content[0].text == "night"
    assert (answer.reasoning, answer.content[0].text) == ("so", "Noon or night.")


async def test_sampling(client: TestClient, worker: ScriptedWorker) -> None:
    request = await chat_of(
        client,
        worker,
        temperature=0,
        top_p=0.5,
        max_output_tokens=7,
        include=["message.output_text.logprobs"],
        top_logprobs=3,
        top_k=4,
        seed=5,
        stop="END",
        reasoning={"effort": "low"},
        chat_template_kwargs={"enable_thinking": False},
        cache_salt="s",
        priority=2,
    )
    assert request.sampling == sampling_pb2.SamplingParams(
        temperature=0, top_p=0.5, max_tokens=7, logprobs=3, top_k=4, seed=5, stop=["END"]
    )
    assert request.template_variables == {"reasoning_effort": '"low"', "enable_thinking": "false"}
    assert (request.cache_salt, request.priority) == ("s", 2)
    request = await chat_of(client, worker)
    assert request.sampling == sampling_pb2.SamplingParams()
    assert not request.HasField("parallel_tool_calls")


async def test_tools(client: TestClient, worker: ScriptedWorker) -> None:
    request = await chat_of(client, worker, tools=[WEATHER, TIME], parallel_tool_calls=False)
    weather, time = request.tools
    assert (weather.name, weather.description, weather.strict) == ("weather", "Of a city", True)
    assert orjson.loads(weather.parameters_schema) == SCHEMA
    assert (time.strict, time.HasField("parameters_schema")) == (False, False)
    assert request.HasField("parallel_tool_calls")
    assert not request.parallel_tool_calls
    assert not request.HasField("tool_choice")


MODES = chat_pb2.ToolChoice
THE_TIME = {"type": "function", "name": "time"}


@pytest.mark.parametrize(
    ("choice", "mode", "named", "offered"),
    [
        ("none", MODES.MODE_NONE, "", ["weather", "time"]),
        ("auto", MODES.MODE_AUTO, "", ["weather", "time"]),
        ("required", MODES.MODE_REQUIRED, "", ["weather", "time"]),
        (THE_TIME, MODES.MODE_NAMED, "time", ["weather", "time"]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [THE_TIME]},
            MODES.MODE_REQUIRED,
            "",
            ["time"],
        ),
    ],
)
async def test_tool_choice(
    client: TestClient, worker: ScriptedWorker, choice: Any, mode: int, named: str, offered: Any
) -> None:
    request = await chat_of(client, worker, tools=[WEATHER, TIME], tool_choice=choice)
    assert (request.tool_choice.mode, request.tool_choice.name) == (mode, named)
    assert [tool.name for tool in request.tools] == offered


async def test_formats(client: TestClient, worker: ScriptedWorker) -> None:
    form = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}
    request = await chat_of(client, worker, text={"format": form})
    assert orjson.loads(request.structured_output.json_schema) == SCHEMA
    request = await chat_of(client, worker, text={"format": {"type": "json_object"}})
    assert request.structured_output.json_object
    request = await chat_of(client, worker, text={"format": {"type": "text"}})
    assert not request.HasField("structured_output")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"truncation": "auto"}, "truncation"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"background_options": {}}, "background_options"),
        ({"access_programs": {}}, "access_programs"),
        ({"image": {}}, "image"),
        ({"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
        ({"include": ["reasoning.encrypted_content"]}, "include[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [WEATHER], "tool_choice": {"type": "mcp"}}, "tool_choice"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}}, None),
        ({"input": [{"type": "computer_call"}]}, "input[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_image", "image_url": "http://a.example/b"}],
                    }
                ]
            },
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
            "input[0].content[0]",
        ),
        ({"n": 2}, "n"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    client: TestClient, worker: ScriptedWorker, body: dict[str, Any], param: str | None
) -> None:
    error = await refusal(client, **body)
    assert error["param"] == (param or "stream_options.include_obfuscation")
    assert error["code"] == "unsupported_parameter"
    assert not worker.requests


CALL = {"type": "function_call", "call_id": "a", "name": "time", "arguments": "{}"}
RETURN = {"type": "function_call_output", "call_id": "a", "output": "noon"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": ["message"]}]}, "input[0]"),
        ({"input": [USER, RETURN]}, "input"),
        ({"input": [USER, CALL]}, "input"),
        ({"input": [USER, RETURN, CALL]}, "input"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [USER] * 10_001}, "input"),
        ({"tools": [TIME] * 1025}, "tools"),
        ({"frobnicate": 1}, "frobnicate"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": "1"}, "temperature"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": THE_TIME}, "tool_choice"),
        ({"tools": [TIME, TIME]}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"stream_options": {}}, "stream_options"),
    ],
)
async def test_what_is_wrong_is_named(
    client: TestClient, worker: ScriptedWorker, body: dict[str, Any], param: str
) -> None:
    assert (await refusal(client, **body))["param"] == param
    assert not worker.requests


async def test_hints_are_taken(client: TestClient, worker: ScriptedWorker) -> None:
    plain = await chat_of(client, worker)
    hinted = await chat_of(
        client,
        worker,
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        prompt_cache_options={"mode": "explicit", "ttl": "30m"},
        max_tool_calls=1,
        service_tier="auto",
        truncation="disabled",
        metadata={"a": "b"},
        background=False,
        include=["file_search_call.results"],
    )
    plain.request_id = hinted.request_id = ""
    assert plain == hinted


def test_every_field_of_the_api_has_its_place() -> None:
    kinds = get_args(response_create_params.ResponseCreateParams)
    documented = {name for kind in kinds for name in kind.__annotations__}
    base = response_create_params.ResponseCreateParamsBase.__annotations__
    assert {"model", "input", "tools"} <= base.keys()
    assert (documented | base.keys()) <= ResponseRequest.model_fields.keys()
