"""How many tokens are guessed: many where guesses are right, next to none where they are not."""

from __future__ import annotations

import pytest
from engine_harness import request_of

from rostra.mesh.engine.drafter import Speculator
from rostra.mesh.engine.request import Request


class Repeating:
    """Always guesses, the same token."""

    def __init__(self, *guesses: int) -> None:
        self.guesses = guesses or (5,) * 100

    def draft(self, request: Request, count: int) -> list[int]:
        return list(self.guesses[:count])

    def forget(self, request: Request) -> None:
        pass


def speculator(row_cost: float, drafter: Repeating | None = None) -> Speculator:
    return Speculator(drafter or Repeating(), vocab_size=10, num_draft_tokens=4, row_cost=row_cost)


def generate(
    policy: Speculator, request: Request, num_tokens: int, batch: int, *, right: bool
) -> list[int]:
    """Draft lengths step by step, until that many tokens are there; all guesses have one fate."""
    lengths, end = [], len(request.token_ids) + num_tokens
    while len(request.token_ids) < end:
        lengths.append(len(policy.draft(request, 100, batch, batch)))
        policy.record(request, lengths[-1], lengths[-1] * right)
        request.token_ids += [5] * (1 + lengths[-1] * right)
    return lengths


@pytest.mark.parametrize("row_cost", [0.01, 0.05, 0.15, 0.5])
@pytest.mark.parametrize("batch", [1, 4, 16, 64])
def test_wrong_guesses_cost_at_most_three_percent(row_cost: float, batch: int) -> None:
    policy = speculator(row_cost)
    requests = [request_of([1] * 10) for _ in range(batch)]
    drafted = num_steps = 0
    for request in requests:
        lengths = generate(policy, request, 300, batch, right=False)
        drafted, num_steps = drafted + sum(lengths), len(lengths)
    step = 1 + row_cost * (batch - 1)
    assert drafted * row_cost <= 0.03 * num_steps * step
    assert drafted > 0, "one try now and then shows whether text has begun to repeat itself"


def test_right_guesses_are_made_at_full_length() -> None:
    lengths = generate(speculator(0.15), request_of([1]), 200, 1, right=True)
    assert set(lengths[3:]) == {4}


def test_guesses_get_shorter_as_more_requests_run() -> None:
    policy, request = speculator(0.1), request_of([1])
    policy.record(request, 20, 10)
    lengths = [len(policy.draft(request, 100, batch, batch)) for batch in (1, 4, 16, 64)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]


def test_guesses_are_cheap_beside_a_long_prefill() -> None:
    policy, request = speculator(0.1), request_of([1])
    assert len(policy.draft(request, 100, 8, 1000)) > len(policy.draft(request, 100, 8, 8))


def test_text_that_begins_to_repeat_is_guessed_again() -> None:
    policy, request = speculator(0.15), request_of([1])
    before = generate(policy, request, 300, 1, right=False)
    assert sum(before[-60:]) <= 1
    after = generate(policy, request, 300, 1, right=True)
    assert set(after[-20:]) == {4}


def test_a_new_request_starts_from_what_others_met() -> None:
    policy = speculator(0.15)
    for _ in range(20):
        generate(policy, request_of([1]), 50, 1, right=False)
    assert sum(generate(policy, request_of([1]), 50, 1, right=False)) <= 4


def test_room_is_kept() -> None:
    policy = speculator(0.0)
    assert policy.draft(request_of([1]), 2, 1, 1) == [5, 5]
    assert policy.draft(request_of([1]), 0, 1, 1) == []


@pytest.mark.parametrize(
    ("guesses", "kept"), [((1, 10, 2), [1]), ((-1, 1), []), ((9, 0, 3), [9, 0, 3])]
)
def test_what_is_no_token_is_cut_off(guesses: tuple[int, ...], kept: list[int]) -> None:
    assert speculator(0.0, Repeating(*guesses)).draft(request_of([1]), 4, 1, 1) == kept


def test_waiting_is_worth_it_only_for_guesses_that_were_right() -> None:
    policy, request = speculator(0.15), request_of([1])
    request.num_pending_tokens = 1
    others = [request_of([1]) for _ in range(200)]
    assert policy.worth_waiting([request])
    assert not policy.worth_waiting([request, *others]), "one cannot hold up that many"
    generate(policy, request, 300, 1, right=False)
    assert not policy.worth_waiting([request])
