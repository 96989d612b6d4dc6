"""Tools over gRPC, with a model that writes noise wherever nothing holds it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
import pytest_asyncio
from worker_harness import Service, chat, collect, message, refused, running, tiny_config

from rostra.v1 import chat_pb2, control_pb2, inference_pb2, sampling_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

Mode = chat_pb2.ToolChoice
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 8},
        "unit": {"$ref": "#/$defs/unit"},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
    "$defs": {"unit": {"enum": ["celsius", "fahrenheit"]}},
}
WEATHER = chat_pb2.Tool(
    name="get_weather", description="The weather.", parameters_schema=json.dumps(SCHEMA)
)
TIME = chat_pb2.Tool(name="get-time")


def choice(mode: int, name: str | None = None) -> chat_pb2.ToolChoice:
    return chat_pb2.ToolChoice(mode=mode, name=name)


def asked(**fields: Any) -> chat_pb2.ChatRequest:
    fields = {"tools": [WEATHER, TIME], "max_tokens": 300} | fields
    return chat(message("How is the weather?"), **fields)


def check_calls(got, *, names=("get_weather", "get-time")) -> None:
    for name, arguments in got.calls[0]:
        assert name in names
        jsonschema.validate(json.loads(arguments), SCHEMA if name == "get_weather" else {})


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["json", "hermes", "pythonic"])
async def caller(request, tiny_model):
    config = msgspec.structs.replace(tiny_config(tiny_model), tool_parser=request.param)
    async with running(config) as service:
        yield service


@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
async def test_a_named_tool_is_called_once_by_its_schema(caller: Service, temperature: float):
    request = asked(
        tool_choice=choice(Mode.MODE_NAMED, "get_weather"), temperature=temperature, n=2, seed=5
    )
    got = await collect(caller.inference.Chat(request), 2)
    for index in range(2):
        assert got.reason(index) == "TOOL_CALLS"
        assert got.texts[index] == ""
        ((name, arguments),) = got.calls[index]
        assert name == "get_weather"
        jsonschema.validate(json.loads(arguments), SCHEMA)


@pytest.mark.parametrize("seed", range(3))
async def test_a_required_call_is_made(caller: Service, seed: int):
    request = asked(tool_choice=choice(Mode.MODE_REQUIRED), temperature=2.0, seed=seed)
    request.parallel_tool_calls = seed == 0
    got = await collect(caller.inference.Chat(request))
    check_calls(got)
    assert len(got.calls[0]) >= 1
    if seed:
        assert len(got.calls[0]) == 1
        assert got.reason() == "TOOL_CALLS"


async def test_left_to_itself_it_writes_text(caller: Service):
    got = await collect(caller.inference.Chat(asked(temperature=1.0, seed=1, max_tokens=30)))
    assert got.texts[0]
    assert got.calls[0] == []
    assert got.reason() in ("STOP", "LENGTH")


async def test_strict_tools_are_held_to_their_schema_when_called(caller: Service):
    strict = chat_pb2.Tool(name="get_weather", parameters_schema=WEATHER.parameters_schema)
    strict.strict = True
    for seed in range(3):
        got = await collect(
            caller.inference.Chat(asked(tools=[strict, TIME], temperature=1.5, seed=seed))
        )
        check_calls(got)


async def test_a_format_of_the_answer_excludes_no_calls(caller: Service):
    schema = sampling_pb2.StructuredOutput(json_schema='{"type": "object", "maxProperties": 0}')
    for seed in range(3):
        request = asked(structured_output=schema, temperature=1.5, seed=seed)
        got = await collect(caller.inference.Chat(request))
        check_calls(got)
        if got.reason() == "STOP":
            assert json.loads(got.texts[0]) == {}


async def test_with_the_choice_none_nothing_is_told_of_tools(caller: Service):
    plain = await collect(caller.inference.Chat(asked(tools=[], max_tokens=1)))
    none = await collect(
        caller.inference.Chat(asked(tool_choice=choice(Mode.MODE_NONE), max_tokens=1))
    )
    offered = await collect(caller.inference.Chat(asked(max_tokens=1)))
    assert none.prompt_tokens == plain.prompt_tokens < offered.prompt_tokens


async def test_log_probabilities_of_calls_lose_no_token(caller: Service):
    request = asked(
        tool_choice=choice(Mode.MODE_NAMED, "get-time"), temperature=1.0, seed=2, logprobs=0
    )
    got = await collect(caller.inference.Chat(request))
    assert len(got.tokens[0]) == got.usage.completion_tokens
    assert "get-time" in b"".join(token.raw for token in got.tokens[0]).decode()


async def test_calls_and_results_of_the_history_are_told(caller: Service):
    call = chat_pb2.ToolCall(id="call_1", name="get_weather", arguments='{"city": "Paris"}')
    history = [
        message("How is the weather?"),
        message("", chat_pb2.ROLE_ASSISTANT, tool_calls=[call]),
        message("rain", chat_pb2.ROLE_TOOL, tool_call_id="call_1"),
    ]
    request = inference_pb2.TokenizeRequest(chat=chat(*history, tools=[WEATHER]))
    tokens = (await caller.inference.Tokenize(request)).tokens
    prompt = b"".join(token.raw for token in tokens).decode()
    assert "The weather." in prompt
    assert "Paris" in prompt.split("<|im_start|>assistant")[1]
    assert "Result of get_weather:\nrain" in prompt.split("<|im_start|>user")[-1]


REFUSED = {
    "tools[0].name": asked(tools=[chat_pb2.Tool(name="two words")]),
    "tools[1].name": asked(tools=[TIME, TIME]),
    "tools": asked(tools=[chat_pb2.Tool(name=f"f{index}") for index in range(129)]),
    "tools[0].parameters_schema": asked(tools=[chat_pb2.Tool(name="f", parameters_schema="[]")]),
    "tool_choice": asked(tools=[], tool_choice=choice(Mode.MODE_REQUIRED)),
    "tool_choice.name": asked(tool_choice=choice(Mode.MODE_NAMED, "other")),
    "messages[1].tool_calls[0].arguments": chat(
        message("hi"),
        message(
            "",
            chat_pb2.ROLE_ASSISTANT,
            tool_calls=[chat_pb2.ToolCall(id="1", name="f", arguments="{")],
        ),
    ),
    "sampling.ignore_eos": asked(tool_choice=choice(Mode.MODE_REQUIRED), ignore_eos=True),
}
MORE_BAD_SCHEMAS = ['{"type": "string"}', "{", '{"x-guidance": {}}', '{"properties": []}']


@pytest.mark.parametrize("field", REFUSED)
async def test_bad_tools_are_refused_by_name(service: Service, field: str):
    refusal = await refused(service.inference.Chat(REFUSED[field]))
    assert refusal.violations == {field: "invalid_value"}


@pytest.mark.parametrize("schema", MORE_BAD_SCHEMAS)
async def test_bad_schemas_are_refused_also_where_nothing_is_forced(service: Service, schema: str):
    request = asked(tools=[chat_pb2.Tool(name="f", parameters_schema=schema)])
    refusal = await refused(service.inference.Chat(request))
    assert refusal.violations == {"tools[0].parameters_schema": "invalid_value"}


async def test_a_schema_that_no_grammar_can_follow_is_refused_with_the_reason(service: Service):
    schema = '{"type": "object", "properties": {"a": {"not": {"type": "string"}}}}'
    request = asked(
        tools=[chat_pb2.Tool(name="f", parameters_schema=schema)],
        tool_choice=choice(Mode.MODE_REQUIRED),
    )
    refusal = await refused(service.inference.Chat(request))
    assert list(refusal.violations) == ["tools[0].parameters_schema"]
    assert "not" in refusal.message


@pytest.mark.parametrize(
    "schema",
    [
        {"required": 5},
        {"required": ["a b"]},
        {"properties": {"a=": {}}},
        {"anyOf": [{"required": ["a"]}]},
    ],
)
async def test_formats_that_write_each_argument_refuse_what_they_cannot(
    caller: Service, schema: dict[str, Any]
):
    """Others follow these, or refuse what is no schema."""
    request = asked(
        tools=[chat_pb2.Tool(name="f", parameters_schema=json.dumps(schema))],
        tool_choice=choice(Mode.MODE_NAMED, "f"),
        max_tokens=1,
    )
    is_pythonic = caller.worker.config.tool_parser == "pythonic"
    if is_pythonic or schema == {"required": 5}:
        refusal = await refused(caller.inference.Chat(request))
        assert list(refusal.violations) == ["tools[0].parameters_schema"]
    else:
        await collect(caller.inference.Chat(request))


async def test_a_worker_without_a_parser_refuses_tools(tiny_model):
    config = msgspec.structs.replace(
        tiny_config(tiny_model), tool_parser="off", reasoning_parser="off"
    )
    async with running(config) as service:
        refusal = await refused(service.inference.Chat(asked()))
        assert refusal.violations == {"tools": "unsupported_value"}
        none = asked(tool_choice=choice(Mode.MODE_NONE), max_tokens=1)
        await collect(service.inference.Chat(none))
        reply = await service.control.GetModelInfo(control_pb2.GetModelInfoRequest())
        assert not reply.models[0].HasField("tool_parser")


async def test_the_model_says_how_it_is_read(service: Service):
    reply = await service.control.GetModelInfo(control_pb2.GetModelInfoRequest())
    assert reply.models[0].tool_parser == "json"
    assert not reply.models[0].HasField("reasoning_parser")
