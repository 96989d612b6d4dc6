"""Stop strings: against a reference that sees the whole text, and case by case."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.mesh.engine.messages import FinishReason, OutputToken, RequestOutput
from rostra.mesh.text import IncrementalDetokenizer, OutputText

LETTERS = "ab "
STOPS = st.lists(st.text(alphabet=LETTERS, min_size=1, max_size=5), max_size=4)


def chunks(ids, cuts, finish=FinishReason.LENGTH):
    """`ids` as RequestOutputs that end at `cuts`, the last of them with `finish`."""
    bounds = sorted({min(cut, len(ids)) for cut in cuts} | {0, len(ids)})
    pieces = [ids[start:end] for start, end in itertools.pairwise(bounds)] or [ids]
    for number, piece in enumerate(pieces, start=1):
        last = number == len(pieces)
        yield RequestOutput(
            request_id="r",
            tokens=[OutputToken(index) for index in piece],
            finish=finish if last else None,
            stop_token_id=ids[-1] if last and finish is FinishReason.STOP else None,
        )


def run(tokenizer, outputs, **options):
    """(text, token ids, stop string, num_tokens) of everything released, and the parts."""
    output_text = OutputText(tokenizer, **options)
    parts = [output_text.take(output) for output in outputs]
    stops = [part.stop_string for part in parts if part.stop_string is not None]
    assert len(stops) <= 1
    whole = (
        "".join(part.text for part in parts),
        [token.id for part in parts for token in part.tokens],
        stops[0] if stops else None,
        output_text.num_tokens,
    )
    return whole, parts


def reference(tokenizer, ids, stop, min_tokens):
    """Decides about each character with the whole text before it in hand."""
    detokenizer = IncrementalDetokenizer(tokenizer)
    pieces = [detokenizer.push(index) for index in ids]
    tail = detokenizer.flush()
    starts = [len("".join(pieces[:i])) for i in range(len(ids) + 1)]
    text = "".join(pieces)
    for number, piece in enumerate([*pieces, tail], start=1):
        count = min(number, len(ids))
        start = starts[count - 1] if piece is not tail else len(text)
        seen = (text + tail)[: start + len(piece)]
        for end in range(start + 1, len(seen) + 1):
            found = [string for string in stop if seen[:end].endswith(string)]
            if found and count >= min_tokens:
                match = max(found, key=len)
                cut = end - len(match)
                kept = [
                    index
                    for i, index in enumerate(ids[:count])
                    if starts[i] < cut or starts[i + 1] <= cut
                ]
                return seen[:cut], kept, match, count
    return text + tail, ids, None, len(ids)


@settings(max_examples=300)
@given(data=st.data())
def test_any_chunking_gives_what_the_reference_gives(byte_level, data):
    text = data.draw(st.text(alphabet=LETTERS, min_size=1, max_size=30))
    letters = [byte_level.encode(letter)[0] for letter in text]
    merged = byte_level.encode(text)
    ids = data.draw(st.sampled_from([letters, merged]))
    stop = data.draw(STOPS)
    min_tokens = data.draw(st.integers(0, 10))
    cuts = data.draw(st.lists(st.integers(0, len(ids))))
    whole, _ = run(byte_level, chunks(ids, cuts), stop=stop, min_tokens=min_tokens)
    assert whole == reference(byte_level, ids, stop, min_tokens)


@settings(max_examples=300)
@given(
    ids=st.lists(st.integers(0, 300), min_size=1, max_size=30),
    stop=st.lists(st.sampled_from(["🎉", "hello", "lo w", "\ufffd", "é", "世", " "]), max_size=3),
    cuts=st.lists(st.integers(0, 30)),
)
def test_any_tokens_give_what_the_reference_gives(byte_level, ids, stop, cuts):
    whole, _ = run(byte_level, chunks(ids, cuts), stop=stop)
    expected = reference(byte_level, ids, stop, 0)
    assert whole[0] == expected[0]
    assert whole[2:] == expected[2:]


@given(
    text=st.text(alphabet=LETTERS, min_size=1, max_size=30),
    stop=STOPS,
    min_tokens=st.sampled_from([0, 99]),
)
def test_holds_back_no_more_and_no_less_than_it_must(byte_level, text, stop, min_tokens):
    output_text = OutputText(byte_level, stop=stop, min_tokens=min_tokens)
    released = ""
    for end, letter in enumerate(text, start=1):
        tokens = [OutputToken(byte_level.encode(letter)[0])]
        part = output_text.take(RequestOutput(request_id="r", tokens=tokens))
        released += part.text
        if part.stop_string is not None:
            assert released + part.stop_string == text[:end]
            assert output_text.take(RequestOutput(request_id="r", tokens=tokens)).tokens == []
            break
        held = max(
            length
            for length in range(end + 1)
            if length == 0
            or any(
                len(string) > length and string.startswith(text[end - length : end])
                for string in stop
            )
        )
        assert released == text[: end - held]


def ids_of(tokenizer, *pieces):
    return [tokenizer.encode(piece)[0] for piece in pieces]


def test_a_stop_string_across_tokens(byte_level):
    ids = ids_of(byte_level, "x", "y", "z", "x")
    whole, parts = run(byte_level, chunks(ids, [1, 2, 3]), stop=["yz"])
    assert whole == ("x", ids[:1], "yz", 3)
    assert [part.text for part in parts] == ["x", "", "", ""]


def test_a_token_the_match_begins_in_is_released_with_its_beginning(byte_level):
    (hello,) = byte_level.encode("hello")
    whole, _ = run(byte_level, chunks([hello], []), stop=["lo"])
    assert whole == ("hel", [hello], "lo", 1)


def test_the_first_match_to_be_complete_wins(byte_level):
    ids = ids_of(byte_level, *"abcd")
    assert run(byte_level, chunks(ids, []), stop=["abcd", "bc"])[0][:3] == ("a", ids[:1], "bc")


def test_of_matches_that_end_together_the_longest_wins(byte_level):
    ids = ids_of(byte_level, *"abc")
    for stop in (["bc", "c", "abc"], ["abc", "c", "bc"]):
        assert run(byte_level, chunks(ids, []), stop=stop)[0][2] == "abc"


def test_held_text_comes_out_at_the_end(byte_level):
    ids = ids_of(byte_level, *"xab")
    whole, parts = run(byte_level, chunks(ids, [1, 2, 3]), stop=["abc"])
    assert whole == ("xab", ids, None, 3)
    assert [part.text for part in parts] == ["x", "", "ab"]


def test_held_text_comes_out_with_an_end_that_carries_no_tokens(byte_level):
    ids = ids_of(byte_level, *"xab")
    output_text = OutputText(byte_level, stop=["abc"])
    tokens = [OutputToken(index) for index in ids]
    assert output_text.take(RequestOutput(request_id="r", tokens=tokens)).text == "x"
    last = output_text.take(RequestOutput(request_id="r", finish=FinishReason.ABORT))
    assert (last.text, last.tokens) == ("ab", tokens[1:])


def test_an_unfinished_character_comes_out_at_the_end(sentencepiece):
    output_text = OutputText(sentencepiece)
    tokens = [OutputToken(3 + 0xF0)]
    part = output_text.take(RequestOutput(request_id="r", tokens=tokens))
    assert (part.text, part.tokens) == ("", tokens)
    last = output_text.take(RequestOutput(request_id="r", finish=FinishReason.LENGTH))
    assert (last.text, last.tokens) == ("\ufffd", [])


def test_the_end_tokens_text_is_not_emitted(byte_level):
    ids = ids_of(byte_level, *"xab")
    whole, _ = run(byte_level, chunks(ids, [1], FinishReason.STOP), stop=["abc", "b"])
    assert whole == ("xa", ids, None, 3)


def test_stop_strings_before_min_tokens_are_text(byte_level):
    ids = ids_of(byte_level, *"a.a.")
    assert run(byte_level, chunks(ids, [1, 2, 3]), stop=["."], min_tokens=3)[0] == (
        *("a.a", ids[:3], ".", 4),
    )
    assert run(byte_level, chunks(ids, []), stop=["."], min_tokens=2)[0][0] == "a"
    # One that begins before and is complete after counts.
    assert run(byte_level, chunks(ids, []), stop=[".a."], min_tokens=4)[0][:3] == (
        *("a", ids[:1], ".a."),
    )


def test_special_tokens_are_released_without_text(byte_level):
    ids = [0, *ids_of(byte_level, "x"), 1, *ids_of(byte_level, "y")]
    whole, _ = run(byte_level, chunks(ids, [1, 2, 3]), stop=["<|end|>"])
    assert whole == ("xy", ids, None, 4)
    whole, _ = run(byte_level, chunks(ids, []), stop=["<|end|>"], skip_special_tokens=False)
    assert whole[0] == "<|begin|>x"


def test_log_probabilities_stay_with_their_tokens(byte_level):
    ids = ids_of(byte_level, *"xab")
    tokens = [OutputToken(index) for index in ids]
    output_text = OutputText(byte_level, stop=["abc"])
    released = output_text.take(
        RequestOutput(request_id="r", tokens=tokens, finish=FinishReason.LENGTH)
    )
    assert all(kept is given for kept, given in zip(released.tokens, tokens, strict=True))


def test_an_empty_stop_string_is_refused(byte_level):
    with pytest.raises(ValueError, match="must not be empty"):
        OutputText(byte_level, stop=["ok", ""])
