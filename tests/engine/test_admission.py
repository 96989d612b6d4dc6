"""What the engine refuses, and with what words."""

from __future__ import annotations

import math

import pytest
from checking_runner import VOCAB_SIZE
from engine_harness import Harness

from rostra.mesh.engine.admission import (
    DuplicateRequestError,
    InvalidRequestError,
    PromptTooLongError,
    QueueFullError,
)
from rostra.mesh.errors import RostraError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("min_p", 1.5),
        ("presence_penalty", math.inf),
        ("frequency_penalty", math.nan),
        ("repetition_penalty", 0.0),
        ("logit_bias", {3: math.nan}),
        ("logit_bias", {VOCAB_SIZE: 1.0}),
        ("stop_token_ids", frozenset({-1})),
        ("seed", -1),
        ("seed", 2**64),
        ("max_tokens", 0),
        ("min_tokens", -1),
        ("logprobs", -1),
        ("prompt_logprobs", -1),
    ],
)
def test_values_out_of_range_are_named(field: str, value: object) -> None:
    harness = Harness()
    with pytest.raises(InvalidRequestError, match=f"request a: {field} ") as refusal:
        harness.add("a", [1], **{field: value})
    assert "\n" not in str(refusal.value)
    assert not harness.engine.has_work


@pytest.mark.parametrize("prompt", [[], [-1], [1, VOCAB_SIZE]])
def test_prompts_that_are_none_are_refused(prompt: list[int]) -> None:
    with pytest.raises(InvalidRequestError, match="prompt"):
        Harness().add("a", prompt)


def test_a_prompt_must_leave_room_in_the_context() -> None:
    harness = Harness(max_model_len=10)
    harness.add("fits", [1] * 9)
    with pytest.raises(PromptTooLongError, match=r"10 tokens.*context.* 10 tokens"):
        harness.add("a", [1] * 10)


def test_a_prompt_must_leave_room_in_the_cache() -> None:
    harness = Harness(num_blocks=3, block_size=2)
    harness.add("fits", [1] * 5)
    with pytest.raises(PromptTooLongError, match=r"6 tokens and the KV cache .* holds 6"):
        harness.add("a", [1] * 6)


def test_an_id_can_be_in_use_once() -> None:
    harness = Harness()
    harness.add("a", [1], max_tokens=1)
    with pytest.raises(DuplicateRequestError, match="a is running"):
        harness.add("a", [1])
    harness.drain()
    harness.add("a", [1])


def test_the_queue_is_bounded_beyond_the_free_seats() -> None:
    harness = Harness(max_num_seqs=1, max_waiting_requests=1)
    harness.add("runs", [1], max_tokens=2)
    harness.add("waits", [1], max_tokens=2)
    with pytest.raises(QueueFullError, match="try again"):
        harness.add("too many", [1])
    harness.step()
    with pytest.raises(QueueFullError):
        harness.add("too many", [1])
    harness.drain()
    harness.add("later", [1])


def test_a_queue_of_none_still_serves() -> None:
    harness = Harness(max_num_seqs=1, max_waiting_requests=0)
    harness.add("a", [1], max_tokens=1)
    harness.drain()
    harness.check_answers()


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_num_seqs", 0), ("max_num_batched_tokens", 0), ("max_waiting_requests", -1)],
)
def test_useless_limits_are_refused_at_the_start(field: str, value: int) -> None:
    with pytest.raises(RostraError, match=f"{field} is {value}"):
        Harness(**{field: value})
