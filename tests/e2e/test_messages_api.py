"""Anthropic's official client, and tokens, against the real processes."""

from __future__ import annotations

import json
import urllib.request

import anthropic
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
GREEDY = {"temperature": 0}


@pytest.fixture(scope="module")
def client(up):
    with anthropic.Anthropic(base_url=up.api, api_key="none", max_retries=0) as made:
        yield made


def test_whole_and_streamed(client):
    asked = {"model": MODEL, "max_tokens": 40, "messages": QUESTION, "extra_body": GREEDY}
    whole = client.messages.create(**asked)
    assert "Paris" in whole.content[0].text
    assert whole.stop_reason == "end_turn"
    with client.messages.stream(**asked) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()
    assert "".join(pieces) == whole.content[0].text
    assert len(pieces) > 1
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_a_prefill_and_a_stop_sequence(client):
    prefill = {"role": "assistant", "content": "The capital of France"}
    answer = client.messages.create(
        model=MODEL,
        max_tokens=40,
        messages=[*QUESTION, prefill],
        stop_sequences=["Paris"],
        extra_body=GREEDY,
    )
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "Paris")
    assert answer.content[0].text == " is "


def test_every_count_of_a_prompt_is_the_same(client, up):
    count = client.messages.count_tokens(model=MODEL, messages=QUESTION).input_tokens
    used = client.messages.create(model=MODEL, max_tokens=1, messages=QUESTION).usage
    assert used.input_tokens + used.cache_read_input_tokens == count
    tokenized = _post(up.api, "/tokenize", {"messages": QUESTION})
    assert tokenized["count"] == count
    prompt = _post(up.api, "/detokenize", {"tokens": tokenized["tokens"]})["prompt"]
    assert QUESTION[0]["content"] in prompt
    again = _post(up.api, "/tokenize", {"prompt": prompt, "add_special_tokens": False})
    assert again["tokens"] == tokenized["tokens"]


def _post(api: str, path: str, body: dict) -> dict:
    request = urllib.request.Request(
        f"{api}{path}",
        json.dumps({"model": MODEL, **body}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())
