"""What is shown of two answers tells nothing of their pace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rostra.arena.release import LONGEST_LAG, PACE, AsReceived, InStep, Received

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
    received = {"a": Received(huge, True), "b": Received(10, True)}
    steps = 0
    while release.advance(received, 0.1) < huge:
        steps += 1
        assert steps < 200 * LONGEST_LAG


def test_named_contestants_are_shown_as_they_come():
    assert AsReceived().advance({"a": Received(7, False), "b": Received(0, False)}, 0.1) == 7
