"""The official client library against the gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from gateway_harness import ScriptedWorker, gateway_before, refuse
from grpc import StatusCode

from rostra.v1 import chat_pb2

USER: Any = {"role": "user", "content": "hi"}


async def test_async_chat(aclient: openai.AsyncOpenAI) -> None:
    answer = await aclient.chat.completions.create(
        model="tiny", messages=[USER], n=2, logprobs=True, top_logprobs=2, extra_body={"top_k": 5}
    )
    assert [choice.message.content for choice in answer.choices] == ["Hello world"] * 2
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.content is not None
    assert answer.choices[0].logprobs.content[0].top_logprobs[1].token == "other"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 7


async def test_async_stream(aclient: openai.AsyncOpenAI) -> None:
    async with aclient.chat.completions.stream(
        model="tiny", messages=[USER], stream_options={"include_usage": True}
    ) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "Hello world"
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    assert final.usage.completion_tokens == 2


async def test_the_returned_message_can_be_sent_back(
    aclient: openai.AsyncOpenAI, worker: ScriptedWorker
) -> None:
    answer = await aclient.chat.completions.create(model="tiny", messages=[USER])
    history: Any = [USER, answer.choices[0].message, USER]
    await aclient.chat.completions.create(model="tiny", messages=history)
    history[1] = answer.choices[0].message.model_dump()
    await aclient.chat.completions.create(model="tiny", messages=history)
    assert worker.requests[1].messages[1].content[0].text == "Hello world"
    assert worker.requests[1].messages == worker.requests[2].messages


async def test_sync_client(base_url: str) -> None:
    def calls() -> tuple[Any, str, Any, Any]:
        with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            chat = client.chat.completions.create(model="tiny", messages=[USER])
            chunks = client.chat.completions.create(model="tiny", messages=[USER], stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            completion = client.completions.create(
                model="tiny", prompt=["a", "b"], echo=True, logprobs=1
            )
            models = client.models.list()
            assert client.models.retrieve("tiny-latest").id == "tiny"
            return chat, text, completion, models

    chat, text, completion, models = await asyncio.to_thread(calls)
    assert chat.choices[0].message.content == text == "Hello world"
    assert [choice.text for choice in completion.choices] == ["aHello world", "bHello world"]
    assert completion.choices[0].logprobs.text_offset == [0, 4, 9, 14]
    assert [model.id for model in models] == ["tiny"]


async def test_completions_stream(aclient: openai.AsyncOpenAI) -> None:
    stream = await aclient.completions.create(model="tiny", prompt="a", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "Hello world"


async def test_errors_have_their_classes(
    aclient: openai.AsyncOpenAI, worker: ScriptedWorker
) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await aclient.chat.completions.create(model="huge", messages=[USER])
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        await aclient.chat.completions.create(model="tiny", messages=[USER], temperature=9)
    assert bad.value.param == "temperature"
    assert bad.value.request_id is not None

    async def full(request: Any, context: Any) -> Any:
        await refuse(context, StatusCode.RESOURCE_EXHAUSTED, retry_after=1)
        yield chat_pb2.ChatResponse()

    worker.script = full
    with pytest.raises(openai.RateLimitError):
        await aclient.chat.completions.create(model="tiny", messages=[USER])


async def test_an_error_half_way_is_raised(
    aclient: openai.AsyncOpenAI, worker: ScriptedWorker
) -> None:
    async def breaks_off(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))
        await refuse(context, StatusCode.INTERNAL)

    worker.script = breaks_off
    stream = await aclient.chat.completions.create(model="tiny", messages=[USER], stream=True)
    text = ""

    async def read() -> None:
        nonlocal text
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""

    with pytest.raises(openai.APIError) as caught:
        await read()
    assert text == "half"
    assert caught.value.code == "worker_error"


async def test_the_clients_own_retry_heals_a_restart(worker: ScriptedWorker) -> None:
    await worker.stop()
    async with gateway_before([worker.address], ready=False, worker_wait=0.0) as client:
        base_url = str(client.make_url("/v1"))
        async with openai.AsyncOpenAI(base_url=base_url, api_key="x", max_retries=5) as retrying:
            asking = asyncio.create_task(
                retrying.chat.completions.create(model="tiny", messages=[USER])
            )
            await asyncio.sleep(0.1)
            again = await ScriptedWorker().start(worker.port)
            answer = await asking
            await again.stop()
    assert answer.choices[0].message.content == "Hello world"
