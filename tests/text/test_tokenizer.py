"""Encoding, decoding, and what a model folder's files mean."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tokenizers
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, processors

from rostra.mesh.errors import RostraError
from rostra.mesh.text import Tokenizer
from rostra.mesh.text.pieces import PieceDecoder, byte_alphabet

BYTE_LEVEL_IDS = st.lists(st.integers(0, 300), max_size=40)


def test_byte_alphabet_is_the_one_of_gpt2():
    assert set(byte_alphabet().values()) == set(range(256))
    assert set(byte_alphabet()) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    assert byte_alphabet()["Ġ"] == 0x20
    assert byte_alphabet()["Ċ"] == 0x0A


@given(ids=BYTE_LEVEL_IDS)
def test_byte_level_decode_is_the_librarys(byte_level, byte_level_backend, ids):
    assert byte_level.decode(ids) == byte_level_backend.decode(ids, skip_special_tokens=False)
    assert byte_level.decode(ids, True) == byte_level_backend.decode(ids, skip_special_tokens=True)


@given(text=st.text())
@example(text="  two before, hello world, 你好 🎉👩‍💻 e\u0301")
def test_encode_then_decode_gives_the_text(byte_level, sentencepiece, text):
    for tokenizer in (byte_level, sentencepiece):
        # Sentencepiece writes a space that way and cannot tell the two apart.
        expected = text.replace("▁", " ") if tokenizer is sentencepiece else text
        assert tokenizer.decode(tokenizer.encode(text)) == expected


@given(text=st.text(alphabet="hello w,!é你🎉 ▁"))
def test_sentencepiece_decode_is_the_librarys(sentencepiece, sentencepiece_backend, text):
    ids = sentencepiece.encode(text)
    assert sentencepiece.decode(ids) == sentencepiece_backend.decode(ids, skip_special_tokens=False)


def test_token_bytes_are_exact(byte_level, sentencepiece):
    for tokenizer in (byte_level, sentencepiece):
        ids = tokenizer.encode("hello 🦉")
        data = b"".join(tokenizer.token_bytes(index) for index in ids)
        assert data.removeprefix(b" ") == "hello 🦉".encode()
        assert any(tokenizer.token_text(index).count("\ufffd") for index in ids)
    assert sentencepiece.token_bytes(3 + 0x0A) == b"\n"
    assert byte_level.token_bytes(300).decode() == "  plain added é"


def test_ids_without_a_token_have_no_bytes(byte_level):
    assert byte_level.vocab_size == 301
    for index in (-1, 301, 2**31, 2**32 + 5):
        assert byte_level.token_bytes(index) == b""
        assert byte_level.token_text(index) == ""


def test_special_tokens(byte_level):
    assert byte_level.is_special(0)
    assert byte_level.is_special(1)
    assert not byte_level.is_special(2)
    assert not byte_level.is_special(300)
    assert byte_level.decode([0, 300, 1], skip_special_tokens=True) == "  plain added é"
    assert byte_level.encode("<|end|>") == [1]


@pytest.mark.parametrize(
    ("decoder", "strips"),
    [
        (decoders.Metaspace(), True),
        (decoders.Metaspace(prepend_scheme="never"), False),
        (decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()]), False),
        (decoders.Sequence([decoders.ByteLevel()]), False),
    ],
)
def test_decoders_that_are_known(decoder, strips):
    backend = tokenizers.Tokenizer(models.BPE())
    backend.decoder = decoder
    pieces = PieceDecoder.from_config(json.loads(backend.to_str())["decoder"])
    assert pieces.strips_leading_space is strips


@pytest.mark.parametrize("prefix", ["##", "@"])
def test_word_pieces_are_words_with_spaces_between(tmp_path, prefix):
    words = ["[UNK]", "the", "fox", "jump", f"{prefix}s", f"{prefix}ed", "!", "é"]
    model = models.WordPiece(
        {word: index for index, word in enumerate(words)},
        unk_token="[UNK]",
        continuing_subword_prefix=prefix,
    )
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix=prefix, cleanup=False)
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path)
    ids = tokenizer.encode("the fox jumps! é jumped cat")
    assert tokenizer.decode(ids) == backend.decode(ids) == "the fox jumps ! é jumped [UNK]"
    assert tokenizer.token_text(ids[3]) == "s"


@pytest.mark.parametrize(
    "decoder",
    [
        None,
        decoders.CTC(),
        decoders.Sequence([decoders.Replace("_", " ")]),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.Strip(" ", 0, 1)]),
    ],
)
def test_other_decoders_are_refused_at_load(tmp_path, decoder):
    backend = tokenizers.Tokenizer(models.BPE())
    if decoder is not None:
        backend.decoder = decoder
    backend.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(RostraError, match=r"decoder .* is not supported"):
        Tokenizer.load(tmp_path)


@pytest.fixture
def folder(tmp_path, byte_level_backend):
    byte_level_backend.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_end_tokens_of_every_file_count(folder):
    assert Tokenizer.load(folder).eos_token_ids == frozenset()
    (folder / "config.json").write_text('{"eos_token_id": 7}')
    (folder / "generation_config.json").write_text('{"eos_token_id": [8, 9]}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": {"content": "<|end|>"}}')
    assert Tokenizer.load(folder).eos_token_ids == {1, 7, 8, 9}


def test_truncation_and_padding_of_training_are_switched_off(tmp_path, byte_level_backend):
    backend = tokenizers.Tokenizer.from_str(byte_level_backend.to_str())
    backend.enable_truncation(2)
    backend.enable_padding(length=64)
    backend.save(str(tmp_path / "tokenizer.json"))
    assert len(Tokenizer.load(tmp_path).encode("zqzqzq")) == 6


def test_special_tokens_are_added_only_when_asked_for(tmp_path, byte_level_backend):
    backend = tokenizers.Tokenizer.from_str(byte_level_backend.to_str())
    backend.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", 0)]
    )
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode("z")[0] == 0
    assert 0 not in tokenizer.encode("z", add_special_tokens=False)


@pytest.mark.parametrize("content", ["", "{}", '{"model": null}', "[1"])
def test_a_broken_tokenizer_is_one_clear_line(tmp_path, content):
    with pytest.raises(RostraError, match=r"has no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(RostraError, match="cannot be read") as caught:
        Tokenizer.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_settings_file_is_named(folder, content):
    (folder / "generation_config.json").write_text(content)
    with pytest.raises(RostraError, match=r"generation_config\.json is no JSON"):
        Tokenizer.load(folder)


def test_text_needs_neither_torch_nor_transformers():
    program = "import sys, rostra.mesh.text; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
