"""Requests that are made to cost much, straight over gRPC: refused or bounded, and others go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from worker_harness import (
    ENDLESS,
    Refusal,
    Service,
    chat,
    collect,
    generate,
    message,
    read_refusal,
    refused,
)

from rostra.v1 import chat_pb2, sampling_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def lark(source: str) -> sampling_pb2.StructuredOutput:
    return sampling_pb2.StructuredOutput(lark=source)


def schema(text: str) -> sampling_pb2.StructuredOutput:
    return sampling_pb2.StructuredOutput(json_schema=text)


def regex(pattern: str) -> sampling_pb2.StructuredOutput:
    return sampling_pb2.StructuredOutput(regex=pattern)


@contextlib.asynccontextmanager
async def another_goes_on(service: Service) -> AsyncIterator[None]:
    """An endless stream that must move again after what is done meanwhile."""
    call = service.inference.Generate(generate("the dog", max_tokens=900, **ENDLESS))
    moved = asyncio.Event()

    async def read() -> None:
        async for part in call:
            if part.HasField("delta"):
                moved.set()

    reading = asyncio.create_task(read())
    await moved.wait()
    try:
        yield
        if not reading.done():
            moved.clear()
            await asyncio.wait_for(moved.wait(), 30)
    finally:
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await reading


async def answered_or_refused(call: Any) -> Refusal | None:
    """What a request was refused for; it must be the caller's mistake."""
    try:
        await collect(call)
    except grpc.aio.AioRpcError as error:
        refusal = read_refusal(error)
    else:
        return None
    assert refusal.code is INVALID, refusal
    return refusal


VARIABLES = {
    "no JSON": "{",
    "lone surrogate": '"\\ud800"',
    "deep": "[" * 100_000,
    "deep and closed": "[" * 100_000 + "]" * 100_000,
    "huge number": "9" * 10_000,
    "huge": "[" + "0," * 500_000 + "0]",
    "NaN": "NaN",
}


@pytest.mark.parametrize("name", VARIABLES)
async def test_template_variables_of_every_kind(service: Service, name: str) -> None:
    async with another_goes_on(service):
        request = chat(template_variables={"custom": VARIABLES[name]}, max_tokens=1)
        refusal = await refused(service.inference.Chat(request))
        assert refusal.code is INVALID
        assert list(refusal.violations) == ["template_variables[custom]"]


@pytest.mark.parametrize(
    "arguments", ['{"a":"\\ud800"}', '{"a":' * 50_000, "[" * 200_000, '{"a":1e999}', "{" * 100]
)
async def test_arguments_of_every_kind(service: Service, arguments: str) -> None:
    call = chat_pb2.ToolCall(id="c", name="f", arguments=arguments)
    turns = [
        message("the fox"),
        chat_pb2.ChatMessage(role=chat_pb2.ROLE_ASSISTANT, tool_calls=[call]),
        chat_pb2.ChatMessage(
            role=chat_pb2.ROLE_TOOL, tool_call_id="c", content=[chat_pb2.ContentPart(text="x")]
        ),
    ]
    async with another_goes_on(service):
        await answered_or_refused(service.inference.Chat(chat(*turns, max_tokens=1)))


SAMPLING = {
    "stop of 1 MB": {"stop": ["a" * 1_000_000]},
    "stops of 1 MB": {"stop": ["a" * 1_000_000 + str(one) for one in range(16)]},
    "many stops": {"stop": ["a"] * 100_000},
    "many stop tokens": {"stop_token_ids": [1] * 10_000},
    "every stop token out of range": {"stop_token_ids": [2**32 - 1] * 10_000},
    "bias of tokens that are not": {"logit_bias": dict.fromkeys(range(10**6, 10**6 + 10**5), 1.0)},
    "bias that is no number": {"logit_bias": {1: float("nan")}},
    "temperature that is no number": {"temperature": float("nan")},
    "penalty without end": {"repetition_penalty": float("inf")},
}


@pytest.mark.parametrize("name", SAMPLING)
async def test_settings_of_every_size(service: Service, name: str) -> None:
    async with another_goes_on(service):
        request = generate(max_tokens=2, **SAMPLING[name])
        refusal = await answered_or_refused(service.inference.Generate(request))
        if name != "many stop tokens":
            assert refusal is not None
            assert all(field.startswith("sampling.") for field in refusal.violations)


DOUBLING = "".join(f"a{one}: a{one + 1} a{one + 1}\n" for one in range(5_000))
PROPERTIES = ",".join(f'"p{one}":{{"type":"string"}}' for one in range(10_000))
GRAMMARS = {
    "itself": schema('{"$ref":"#"}'),
    "each other": schema(
        '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}'
    ),
    "elsewhere": schema('{"$ref":"https://example.com/schema"}'),
    "deep": schema('{"not":' * 5_000 + "{}" + "}" * 5_000),
    "wide": schema(f'{{"type":"object","properties":{{{PROPERTIES}}}}}'),
    "surrogate": schema('{"const":"\\ud800"}'),
    "pattern": schema('{"type":"string","pattern":"^(a+)+(b{1,1000}){1,1000}$"}'),
    "counted": regex("((a{1,1000}){1,1000}){1,1000}"),
    "backtracking": regex("(a|a|aa)*" * 500 + "b"),
    "unclosed": regex("(" * 4_000),
    "left recursion": lark("start: start start | " + " | ".join(f'"{one}"' for one in range(500))),
    "no start": lark("a: b\n"),
    "doubling": lark("start: a0\n" + DOUBLING + 'a5000: "x"'),
    "choices": sampling_pb2.StructuredOutput(
        choices=sampling_pb2.Choices(values=[f"choice {one}" for one in range(100_000)])
    ),
}


async def test_a_grammar_that_fails_half_way_is_the_mistake_of_who_sent_it(
    service: Service,
) -> None:
    alternatives = " | ".join(f'"{one}"' for one in range(2000))
    bomb = lark(f"start: start start | {alternatives}")
    request = generate(structured_output=bomb, max_tokens=8, temperature=0.0)
    refusal = await answered_or_refused(service.inference.Generate(request))
    assert refusal is not None
    assert refusal.violations == {"structured_output.lark": "invalid_value"}


@pytest.mark.parametrize("name", GRAMMARS)
async def test_grammars_of_every_cost(service: Service, name: str) -> None:
    async with another_goes_on(service):
        request = generate(structured_output=GRAMMARS[name], max_tokens=4, temperature=0.0)
        refusal = await answered_or_refused(service.inference.Generate(request))
        if refusal is not None:
            assert [field.split(".")[0] for field in refusal.violations] == ["structured_output"]
