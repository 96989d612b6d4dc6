"""A stream that breaks anywhere goes on elsewhere as if it had not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import msgspec
import pytest
import pytest_asyncio
from worker_harness import Service, chat, generate, refused, running, tiny_config

from rostra.v1 import chat_pb2, control_pb2, sampling_pb2, tokens_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER = chat_pb2.Tool(name="get_weather", parameters_schema=json.dumps(SCHEMA))
MUST = chat_pb2.ToolChoice(mode=chat_pb2.ToolChoice.MODE_REQUIRED)
JSON = sampling_pb2.StructuredOutput(json_schema=json.dumps(SCHEMA))


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["off", "ngram"])
async def worker(request, tiny_model):
    """One that is asked both before and after: it keeps nothing of a request but cached blocks."""
    config = tiny_config(tiny_model, speculation=request.param)
    async with running(msgspec.structs.replace(config, tool_parser="json")) as service:
        yield service


def answer_of(parts: list[Any]) -> dict[str, Any]:
    """What a reader knows when it has read these, call ids aside."""
    known: dict[str, Any] = {"finishes": {}, "usage": None}
    for part in parts:
        index = part.index
        delta = part.delta
        for name in ("text", "content", "reasoning"):
            if getattr(delta, name, ""):
                known[name, index] = known.get((name, index), "") + getattr(delta, name)
        for token in delta.tokens:
            known.setdefault(("tokens", index), []).append((token.id, bytes(token.raw)))
            if token.HasField("logprob"):
                known.setdefault(("logprobs", index), []).append(round(token.logprob, 3))
                candidates = [each.id for each in token.candidates]
                known.setdefault(("candidates", index), []).append(candidates)
        for call in getattr(delta, "tool_calls", ()):
            key = ("call", index, call.index)
            name, arguments = known.get(key, ("", ""))
            known[key] = (name + call.name, arguments + call.arguments)
        if part.HasField("finish"):
            assert index not in known["finishes"]
            known["finishes"][index] = part.finish.SerializeToString()
        if part.HasField("usage"):
            usage = part.usage
            known["usage"] = (
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.reasoning_tokens,
            )
    return known


def so_far(parts: list[Any]) -> list[tokens_pb2.OutputSoFar]:
    outputs: dict[int, tokens_pb2.OutputSoFar] = {}
    for part in parts:
        if part.token_ids:
            output = outputs.setdefault(part.index, tokens_pb2.OutputSoFar(index=part.index))
            output.token_ids.extend(part.token_ids)
        if part.HasField("finish"):
            outputs[part.index].finish.CopyFrom(part.finish)
    return list(outputs.values())


def ask(service: Service, request: Any) -> Any:
    chats = isinstance(request, chat_pb2.ChatRequest)
    return (service.inference.Chat if chats else service.inference.Generate)(request)


async def read(service: Service, request: Any) -> list[Any]:
    return [part async for part in ask(service, request)]


REQUESTS: dict[str, Any] = {
    "greedy": generate(temperature=0, max_tokens=24),
    "seeded": generate(temperature=1.2, seed=7, max_tokens=24),
    "several outputs": chat(temperature=1.5, seed=3, n=3, max_tokens=12),
    "logprobs": chat(temperature=0.7, seed=5, logprobs=3, max_tokens=16),
    "penalties and bias": generate(
        temperature=0,
        max_tokens=24,
        repetition_penalty=1.3,
        presence_penalty=0.5,
        frequency_penalty=0.7,
        logit_bias={40: 2.0},
        min_tokens=20,
    ),
    "filters": generate(temperature=1.0, seed=9, top_p=0.8, top_k=20, min_p=0.01, max_tokens=24),
    "json": chat(temperature=1.0, seed=2, structured_output=JSON, max_tokens=120),
    "a call": chat(temperature=1.0, seed=2, tools=[WEATHER], tool_choice=MUST, max_tokens=120),
    "a call with logprobs": chat(
        temperature=1.0, seed=4, tools=[WEATHER], tool_choice=MUST, max_tokens=120, logprobs=1
    ),
}


async def check_every_cut(worker: Service, request: Any) -> None:
    request.resumable = True
    whole = await read(worker, request)
    expected = answer_of(whole)
    assert whole[-1].HasField("usage")
    # Behind a stop string there may be tokens that were guessed with it.
    assert sum(len(part.token_ids) for part in whole) >= expected["usage"][1]
    # Between the last finish and the end there is nothing to go on with.
    for cut in range(1, len(whole)):
        seen = whole[:cut]
        again = type(request)()
        again.CopyFrom(request)
        again.resumed.extend(so_far(seen))
        rest = await read(worker, again)
        assert rest[0].prompt_tokens == whole[0].prompt_tokens
        assert answer_of([*seen, *rest]) == expected, f"cut behind message {cut}"
        told = so_far([*seen, *rest])
        assert sum(len(output.token_ids) for output in told) >= expected["usage"][1]


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_cut(worker: Service, name: str):
    await check_every_cut(worker, REQUESTS[name])


@pytest.mark.parametrize("logprobs", [None, 2])
@pytest.mark.parametrize("form", ["generate", "chat"])
async def test_every_cut_where_text_is_held_back(worker: Service, form: str, logprobs: int | None):
    """Stop strings that nearly match again and again, and one that does."""
    make = generate if form == "generate" else chat
    plain = make(temperature=0.9, seed=11, max_tokens=40, ignore_eos=True)
    known = answer_of(await read(worker, plain))
    text = known["text" if form == "generate" else "content", 0]
    near = [text[at : at + 3] + "\x00" for at in range(0, len(text) - 3, 2)][:15]
    there = text[len(text) // 2 : len(text) // 2 + 5]
    request = make(temperature=0.9, seed=11, max_tokens=40, ignore_eos=True, stop=[*near, there])
    if logprobs is not None:
        request.sampling.logprobs = logprobs
    await check_every_cut(worker, request)


async def test_it_says_that_it_can(worker: Service):
    info = await worker.control.GetModelInfo(control_pb2.GetModelInfoRequest())
    assert info.models[0].resumes


async def test_what_was_not_asked_for_is_not_told(worker: Service):
    parts = await read(worker, generate(temperature=0, max_tokens=8))
    assert not any(part.token_ids for part in parts)


@pytest.mark.parametrize(
    ("outputs", "fields", "blamed"),
    [
        ([{"index": 1, "token_ids": [5]}], {}, "resumed[0].index"),
        ([{"token_ids": [5]}, {"token_ids": [6]}], {}, "resumed[1].index"),
        ([{"token_ids": []}], {}, "resumed[0].token_ids"),
        ([{"token_ids": [5, 10_000]}], {}, "resumed[0].token_ids"),
        ([{"token_ids": [5] * 8}], {}, "resumed[0].token_ids"),
        ([{"token_ids": [5]}], {"prompt_logprobs": 1}, "sampling.prompt_logprobs"),
        ([{"token_ids": [5], "finish": tokens_pb2.Finish(reason=2)}], {}, "resumed"),
    ],
)
async def test_what_cannot_have_been(worker: Service, outputs: Any, fields: Any, blamed: str):
    request = generate(temperature=0, max_tokens=8, **fields)
    request.resumed.extend(tokens_pb2.OutputSoFar(**each) for each in outputs)
    refusal = await refused(ask(worker, request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(refusal.violations) == [blamed]


async def test_what_runs_beside_it_changes_nothing(worker: Service):
    request = chat(temperature=1.0, seed=1, max_tokens=30, resumable=True)
    expected = await read(worker, request)
    half = expected[: len(expected) // 2]
    request.resumed.extend(so_far(half))
    others = [generate(temperature=1.0, seed=seed, max_tokens=30) for seed in range(3)]
    rest, *_ = await asyncio.gather(read(worker, request), *(read(worker, one) for one in others))
    assert answer_of([*half, *rest]) == answer_of(expected)
