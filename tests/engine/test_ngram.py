"""Prompt lookup, against a search through the whole text."""

from __future__ import annotations

from engine_harness import request_of
from hypothesis import given
from hypothesis import strategies as st

from rostra.mesh.engine.ngram import LEAST_MATCH, LONGEST_MATCH, NGramDrafter


def search(token_ids: list[int], count: int) -> list[int]:
    """The longest match first, of equals the latest; no index, no limit on candidates."""
    for length in range(LONGEST_MATCH, LEAST_MATCH - 1, -1):
        end = token_ids[-length:]
        for start in range(len(token_ids) - length - 1, -1, -1):
            if token_ids[start : start + length] == end:
                text = list(token_ids)
                for position in range(start + length, start + length + count):
                    text.append(text[position])
                return text[len(token_ids) :]
    return []


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_guesses_are_those_of_a_full_search(token_ids: list[int], data) -> None:
    # Six kinds of tokens and 40 of them: a pair rarely occurs more often than is compared.
    start = data.draw(st.integers(1, len(token_ids)))
    request, drafter = request_of(token_ids[:start]), NGramDrafter()
    for token in [*token_ids[start:], None]:
        if data.draw(st.booleans()):
            count = data.draw(st.integers(1, 5))
            pairs = list(zip(request.token_ids, request.token_ids[1:], strict=False))
            if not pairs or pairs.count(pairs[-1]) <= 16:
                assert drafter.draft(request, count) == search(request.token_ids, count)
        if token is not None:
            request.token_ids.append(token)


def test_a_period_goes_on() -> None:
    assert NGramDrafter().draft(request_of([9, 1, 2, 3, 1, 2]), 7) == [3, 1, 2, 3, 1, 2, 3]
    assert NGramDrafter().draft(request_of([7, 7, 7]), 4) == [7, 7, 7, 7]


def test_a_longer_match_wins_over_a_later_one() -> None:
    text = [1, 2, 3, 50, 9, 2, 3, 60, 1, 2, 3]
    assert NGramDrafter().draft(request_of(text), 1) == [50]


def test_text_without_repetition_gives_no_guess() -> None:
    drafter = NGramDrafter()
    assert drafter.draft(request_of([1]), 4) == []
    assert drafter.draft(request_of([1, 2]), 4) == []
    assert drafter.draft(request_of(list(range(100))), 4) == []


def test_texts_do_not_mix_and_are_forgotten() -> None:
    drafter = NGramDrafter()
    first, second = request_of([1, 2, 3, 1, 2]), request_of([1, 2, 4, 1, 2])
    assert drafter.draft(first, 1) == [3]
    assert drafter.draft(second, 1) == [4]
    drafter.forget(first)
    first.token_ids[:] = [1, 2, 8, 1, 2]
    assert drafter.draft(first, 1) == [8]
    drafter.forget(first)
    drafter.forget(second)
    drafter.forget(second)
    assert not drafter._indexes
