"""What is shown of two answers tells nothing of their pace."""

from __future__ import annotations

from itertools import dropwhile, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.arena.release import (
    LONGEST_LAG,
    LONGEST_WAIT,
    PACE,
    PAUSE,
    SHARE,
    AsReceived,
    InStep,
    Received,
)

SECONDS = st.floats(0.01, 0.5)


@st.composite
def histories(draw):
    """Moments of two answers that grow by pieces and end at some time, each after its own."""
    moments = []
    lengths, whole = {"a": 0, "b": 0}, {"a": False, "b": False}
    for _ in range(draw(st.integers(1, 30))):
        for side in "ab":
            if not whole[side]:
                lengths[side] += draw(st.integers(0, 500))
                whole[side] = draw(st.booleans())
        moments.append({side: Received(lengths[side], whole[side]) for side in "ab"})
    moments += [{side: Received(lengths[side], True) for side in "ab"}] * 3
    return moments


@given(histories(), SECONDS)
def test_as_much_of_one_as_of_the_other_until_one_is_whole(moments, seconds):
    release, before = InStep(), 0
    for received in moments:
        shown = release.advance(received, seconds)
        assert shown >= before
        for each in received.values():
            # What has not come cannot be shown, so that both have the same length on the page.
            assert each.whole or shown <= each.length
        before = shown


@given(histories(), SECONDS)
def test_the_order_of_the_sides_makes_no_difference(moments, seconds):
    one, other = InStep(), InStep()
    for received in moments:
        swapped = {"a": received["b"], "b": received["a"]}
        assert one.advance(received, seconds) == other.advance(swapped, seconds)


def test_nothing_is_shown_before_both_have_begun():
    release = InStep()
    assert release.advance({"a": Received(900, True), "b": Received(0, False)}, 60) == 0
    assert release.advance({"a": Received(900, True), "b": Received(5, False)}, 0.1) == 5


def test_a_burst_is_shown_at_the_common_pace():
    release = InStep()
    burst = {"a": Received(2000, True), "b": Received(2000, False)}
    assert release.advance(burst, 0.1) == PACE * 0.1


def test_however_much_has_come_is_shown_before_long():
    release, huge = InStep(), 5_000_000
    received = {"a": Received(huge, True), "b": Received(huge, True)}
    steps = 0
    while release.advance(received, 0.1) < huge:
        steps += 1
        assert steps < 200 * LONGEST_LAG


def test_the_rest_of_the_longer_answer_is_shown_before_long():
    release, huge = InStep(), 5_000_000
    received = {"a": Received(huge, True), "b": Received(10, True)}
    steps = 0
    while release.advance(received, 0.1) < huge:
        steps += 1
        assert steps * 0.1 <= LONGEST_WAIT + 1


TICK = 0.08


def shown(writers: dict[str, tuple[float, int]], piece: int = 1) -> list[int]:
    """What is shown at each moment of answers by (characters a second, length), which are written
    in pieces of so many characters."""
    release, moments, time = InStep(), [0], 0.0
    longest = max(length for _, length in writers.values())
    while moments[-1] < longest:
        time += TICK
        received = {
            side: Received(length, True)
            if rate * time >= length
            else Received(int(rate * time) // piece * piece, False)
            for side, (rate, length) in writers.items()
        }
        moments.append(release.advance(received, TICK))
    return moments


@given(
    slow=st.floats(100, 900),
    faster=st.floats(1.0, 50.0),
    seconds=st.floats(4, 30),
    rest=st.floats(0.1, 20),
)
def test_the_longer_answer_goes_on_alike_whether_it_was_the_slower_or_the_faster(
    slow, faster, seconds, rest
):
    fast = slow * faster
    shorter, longer = int(slow * seconds), int(slow * (seconds + rest)) + 1
    as_slower = shown({"a": (fast, shorter), "b": (slow, longer)})
    as_faster = shown({"a": (slow, shorter), "b": (fast, longer)})
    assert as_slower == as_faster


def test_the_pieces_of_the_longer_answer_do_not_show_after_the_end_of_the_shorter():
    moments = shown({"a": (400, 2_000), "b": (200, 6_000)}, piece=40)
    grown = [after - before for before, after in pairwise(moments) if before >= 2_000]
    alone = list(dropwhile(lambda characters: not characters, grown))[:-1]
    assert len(grown) - len(alone) - 1 == pytest.approx(PAUSE / TICK, abs=1)
    assert max(alone) - min(alone) <= 1
    assert abs(sum(alone) / len(alone) / TICK - SHARE * 200) < 10


def test_an_answer_of_one_word_does_not_hold_the_other_back():
    moments = shown({"a": (50, 4), "b": (2_000, 4_000)})
    assert len(moments) * TICK < LONGEST_WAIT


def test_named_contestants_are_shown_as_they_come():
    assert AsReceived().advance({"a": Received(7, False), "b": Received(0, False)}, 0.1) == 7
