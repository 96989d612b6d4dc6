"""Text from tokens as they come equals the text of all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rostra.mesh.text import IncrementalDetokenizer


def stream(tokenizer, ids, **options):
    detokenizer = IncrementalDetokenizer(tokenizer, **options)
    return [*(detokenizer.push(index) for index in ids), detokenizer.flush()]


@given(ids=st.lists(st.integers(0, 310), max_size=60), skip=st.booleans())
def test_joined_output_is_decode_for_any_ids(byte_level, sentencepiece, ids, skip):
    for tokenizer in (byte_level, sentencepiece):
        parts = stream(tokenizer, ids, skip_special_tokens=skip)
        assert "".join(parts) == tokenizer.decode(ids, skip_special_tokens=skip)


@given(text=st.text(alphabet="hello 你好🎉👩‍💻e\u0301\n", max_size=60))
def test_never_half_a_character(byte_level, sentencepiece, text):
    for tokenizer in (byte_level, sentencepiece):
        parts = stream(tokenizer, tokenizer.encode(text))
        assert "".join(parts) == text
        assert "\ufffd" not in "".join(parts)


def test_a_character_comes_with_its_last_byte(sentencepiece):
    ids = [3 + byte for byte in "🎉".encode()]
    assert stream(sentencepiece, ids) == ["", "", "", "🎉", ""]
    assert stream(sentencepiece, ids[:3]) == ["", "", "", "\ufffd"]
    assert stream(sentencepiece, [*ids[:2], 3 + ord("x")]) == ["", "", "\ufffdx", ""]


def test_text_comes_as_early_as_it_can(byte_level):
    ids = byte_level.encode("hello world")
    parts = stream(byte_level, ids)
    assert parts[:-1] == [byte_level.token_text(index) for index in ids]


def test_the_leading_space_belongs_to_a_continuation(sentencepiece):
    ids = sentencepiece.encode("hello world")
    assert "".join(stream(sentencepiece, ids)) == "hello world"
    assert "".join(stream(sentencepiece, ids, continuation=True)) == " hello world"


def test_the_leading_space_is_stripped_after_skipped_tokens(sentencepiece):
    ids = [1, *sentencepiece.encode("hello")]
    assert "".join(stream(sentencepiece, ids)) == "hello"
    assert "".join(stream(sentencepiece, ids, skip_special_tokens=False)) == "<s> hello"
