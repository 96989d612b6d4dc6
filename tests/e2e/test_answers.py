"""Clients that people already have, against the real processes."""

from __future__ import annotations

import asyncio
import json
import urllib.request

import openai
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def client(up):
    with openai.OpenAI(base_url=f"{up.api}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_the_capital_of_france_streamed_and_not(up):
    body = {"model": MODEL, "messages": QUESTION, "temperature": 0}
    whole = json.loads(_post(up.api, body))["choices"][0]["message"]["content"]
    assert "Paris" in whole
    lines = _post(up.api, body | {"stream": True}).decode().splitlines()
    events = [line.removeprefix("data: ") for line in lines if line]
    assert events.pop() == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events]
    assert "".join(deltas) == whole
    assert sum(bool(delta) for delta in deltas) > 1


def test_openai_client(client):
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    stream = client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens


async def test_openai_async_client(up):
    async with openai.AsyncOpenAI(base_url=f"{up.api}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=QUESTION, temperature=0, stream=True
        )
        text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        assert "Paris" in text


def test_completions_with_logprobs(client):
    answer = client.completions.create(
        model=MODEL, prompt="The capital of France is", max_tokens=4, temperature=0, logprobs=2
    )
    choice = answer.choices[0]
    assert "Paris" in choice.text
    assert len(choice.logprobs.tokens) == 4
    assert "".join(choice.logprobs.tokens) == choice.text
    assert all(logprob <= 0 for logprob in choice.logprobs.token_logprobs)


def test_the_same_seed_gives_the_same_answer_in_any_company(client):
    def ask(seed):
        answer = client.chat.completions.create(
            model=MODEL, messages=QUESTION, seed=seed, max_tokens=24, temperature=1
        )
        return answer.choices[0].message.content

    alone = ask(7)
    company = [client.with_options(timeout=600)] * 6
    with_others = _together(lambda c, i: ask(7 if i == 3 else 100 + i), company)
    assert with_others[3] == alone
    assert len(set(with_others)) > 1


async def test_sixteen_streams_advance_together(up):
    """Every stream gets its first tokens before any stream has got its last."""
    async with openai.AsyncOpenAI(base_url=f"{up.api}/v1", api_key="none") as client:
        log = []

        async def one(number):
            stream = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"Tell me about the number {number}."}],
                max_tokens=48,
                stream=True,
                extra_body={"ignore_eos": True},
            )
            pieces = 0
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    pieces += 1
                    log.append((number, pieces))
                if chunk.choices and chunk.choices[0].finish_reason:
                    log.append((number, "end"))

        await asyncio.gather(*(one(number) for number in range(16)))
        first_end = next(place for place, (_, what) in enumerate(log) if what == "end")
        started = {number for number, what in log[:first_end] if what == 4}
        assert started == set(range(16))


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_metrics_count_requests(up, client):
    client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=1)
    with urllib.request.urlopen(f"{up.api}/metrics") as response:
        text = response.read().decode()
    assert 'route="/v1/chat/completions"' in text


def _post(api, body):
    request = urllib.request.Request(
        f"{api}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        return response.read()


def _together(call, clients):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(call, clients, range(len(clients))))
