"""Limits of keys, by a clock that the test turns, and the headers that tell them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import anthropic
import openai
import pytest
from gateway_harness import ScriptedWorker, eventually, gateway_before, says

from rostra.gateway.admission.limits import Bucket, Limits, duration
from rostra.gateway.api_keys import ApiKey, new_key
from rostra.gateway.key_file import entry
from rostra.gateway.keys import ADMISSION

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


class Clock:
    """Milliseconds."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


def limited(**settings: int) -> tuple[str, ApiKey]:
    return new_key("limited", **settings)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0001, "1ms"),
        (0.02, "20ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.999, "59.999s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (90.25, "1m30.25s"),
        (7200, "2h0m0s"),
    ],
)
def test_durations_are_written_as_the_openai_api_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_bucket_fills_evenly_and_may_be_in_debt() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    assert (bucket.remaining, bucket.full_in) == (60, 0)
    bucket.use(60)
    assert (bucket.remaining, bucket.full_in, bucket.wait(1)) == (0, 60, 1.0)
    clock.now += 1500
    assert (bucket.remaining, bucket.full_in, bucket.wait(1)) == (1, 58.5, 0.0)
    bucket.use(100)
    assert (bucket.remaining, bucket.full_in) == (0, 158.5)
    assert bucket.wait(1) == 99.5
    bucket.use(-100)
    assert (bucket.remaining, bucket.wait(1)) == (1, 0.0)
    assert bucket.wait(61) is None


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_the_headers_are_exact(worker: ScriptedWorker, tmp_path: Path, clock: Clock) -> None:
    # 3 tokens of the prompt and 2 of the answer, as the worker counts them.
    secret, key = limited(requests_per_minute=3, tokens_per_minute=60)
    file = tmp_path / "keys.toml"
    file.write_text(entry(key))
    async with gateway_before([worker.address], api_keys=file) as client:
        client.app[ADMISSION].limits = Limits(clock)
        headers = {"Authorization": f"Bearer {secret}"}

        async def ask() -> tuple[int, dict[str, str]]:
            answer = await client.post("/v1/chat/completions", json=CHAT, headers=headers)
            await answer.read()
            told = {
                name.lower().removeprefix("x-ratelimit-"): value
                for name, value in answer.headers.items()
                if name.lower().startswith(("x-ratelimit", "retry-after"))
            }
            return answer.status, told

        status, told = await ask()
        assert status == 200
        # "user" and "hi" are estimated at two tokens until the worker has counted.
        assert told == {
            "limit-requests": "3",
            "remaining-requests": "2",
            "reset-requests": "20s",
            "limit-tokens": "60",
            "remaining-tokens": "58",
            "reset-tokens": "2s",
        }
        status, told = await ask()
        assert (told["remaining-requests"], told["reset-requests"]) == ("1", "40s")
        assert (told["remaining-tokens"], told["reset-tokens"]) == ("53", "7s")
        assert (await ask())[0] == 200
        status, told = await ask()
        assert status == 429
        assert told["retry-after"] == "20"
        assert (told["remaining-requests"], told["reset-requests"]) == ("0", "1m0s")
        # One that is refused counts for nothing.
        assert (told["remaining-tokens"], told["reset-tokens"]) == ("45", "15s")
        clock.now += 19_999
        assert (await ask())[0] == 429
        clock.now += 1
        assert (await ask())[0] == 200
        assert len(worker.requests) == 4


async def test_tokens_that_were_made_count(
    worker: ScriptedWorker, tmp_path: Path, clock: Clock
) -> None:
    secret, key = limited(tokens_per_minute=60)
    file = tmp_path / "keys.toml"
    file.write_text(entry(key))
    worker.script = says(["word"] * 100)
    async with gateway_before([worker.address], api_keys=file) as client:
        client.app[ADMISSION].limits = Limits(clock)
        headers = {"Authorization": f"Bearer {secret}"}
        answer = await client.post("/v1/chat/completions", json=CHAT, headers=headers)
        assert answer.status == 200
        await answer.read()
        refused = await client.post("/v1/chat/completions", json=CHAT, headers=headers)
        assert refused.status == 429
        error = (await refused.json())["error"]
        assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
        # 103 were used: 43 beyond the minute's, and the next prompt is about 2.
        assert refused.headers["Retry-After"] == "45"
        assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
        large = CHAT | {"messages": [{"role": "user", "content": "word " * 100}]}
        never = await client.post("/v1/chat/completions", json=large, headers=headers)
        assert never.status == 429
        assert "Retry-After" not in never.headers
        assert "too large" in (await never.json())["error"]["message"]


async def test_what_a_client_breaks_off_counts_as_far_as_it_came(
    worker: ScriptedWorker, tmp_path: Path, clock: Clock
) -> None:
    secret, key = limited(tokens_per_minute=1000)
    file = tmp_path / "keys.toml"
    file.write_text(entry(key))
    worker.script = says(["word"] * 100_000, pause=0.001)
    async with gateway_before([worker.address], api_keys=file) as client:
        limits = client.app[ADMISSION].limits = Limits(clock)
        headers = {"Authorization": f"Bearer {secret}"}
        answer = await client.post(
            "/v1/chat/completions", json=CHAT | {"stream": True}, headers=headers
        )
        for _ in range(20):
            await answer.content.readline()
        answer.close()
        await eventually(lambda: worker.running == 0)
        await eventually(lambda: limits.of(key).buckets["tokens"].remaining <= 1000 - 8)


async def test_anthropics_headers_and_official_clients(
    worker: ScriptedWorker, tmp_path: Path, clock: Clock
) -> None:
    secret, key = limited(requests_per_minute=2, tokens_per_minute=600)
    file = tmp_path / "keys.toml"
    file.write_text(entry(key))
    async with gateway_before([worker.address], api_keys=file) as client:
        client.app[ADMISSION].limits = Limits(clock)
        async with anthropic.AsyncAnthropic(
            base_url=str(client.make_url("/")), api_key=secret, max_retries=0
        ) as official:
            before = datetime.now(UTC)
            raw = await official.messages.with_raw_response.create(**CHAT, max_tokens=4)
            assert raw.headers["anthropic-ratelimit-requests-limit"] == "2"
            assert raw.headers["anthropic-ratelimit-requests-remaining"] == "1"
            reset = datetime.fromisoformat(raw.headers["anthropic-ratelimit-requests-reset"])
            assert 28 <= (reset - before).total_seconds() <= 60
            assert raw.headers["anthropic-ratelimit-tokens-limit"] == "600"
            assert not any(name.startswith("x-ratelimit") for name in raw.headers)
            await official.messages.create(**CHAT, max_tokens=4)
            with pytest.raises(anthropic.RateLimitError) as caught:
                await official.messages.create(**CHAT, max_tokens=4)
            assert caught.value.response.headers["retry-after"] == "30"
            assert caught.value.body["error"]["type"] == "rate_limit_error"
        async with openai.AsyncOpenAI(
            base_url=str(client.make_url("/v1")), api_key=secret, max_retries=0
        ) as other:
            with pytest.raises(openai.RateLimitError):
                await other.chat.completions.create(**CHAT)
            # Looking is free.
            await other.models.list()


async def test_requests_at_once(worker: ScriptedWorker, tmp_path: Path) -> None:
    secret, key = limited(max_concurrent=1)
    file = tmp_path / "keys.toml"
    file.write_text(entry(key))
    worker.script = says(["word"] * 100_000, pause=0.001)
    async with gateway_before([worker.address], api_keys=file) as client:
        headers = {"Authorization": f"Bearer {secret}"}
        url, body = "/v1/chat/completions", CHAT | {"stream": True}
        first = await client.post(url, json=body, headers=headers)
        second = await client.post(url, json=body, headers=headers)
        assert (second.status, second.headers["Retry-After"]) == (429, "1")
        first.close()
        await eventually(lambda: worker.running == 0)
        worker.script = says(["word"])

        async def free() -> bool:
            return (await client.post(url, json=CHAT, headers=headers)).status == 200

        for _ in range(1000):
            if await free():
                break
        else:
            raise AssertionError("the first is still counted")


def test_new_limits_hold_at_once_and_old_use_stays(clock: Clock) -> None:
    _, key = limited(requests_per_minute=10, tokens_per_minute=100)
    limits = Limits(clock)
    limits.of(key).begin(50)
    changed = key.model_copy(update={"requests_per_minute": 20})
    buckets = limits.of(changed).buckets
    assert (buckets["requests"].remaining, buckets["tokens"].remaining) == (20, 50)
    gone = key.model_copy(update={"requests_per_minute": None, "tokens_per_minute": None})
    assert limits.of(gone).buckets == {}
