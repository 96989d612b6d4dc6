"""Tokenizers rebuilt from GGUF vocabularies."""

from __future__ import annotations

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.mesh.store import SilentProgress
from rostra.mesh.store.convert import convert_gguf
from rostra.mesh.store.gguf_file import GgufModel
from rostra.mesh.store.gguf_tokenizer import write_tokenizer
from rostra.mesh.text import Tokenizer

MESSAGES = [
    {"role": "user", "content": "What is 12 + 30?"},
    {"role": "assistant", "content": "42"},
    {"role": "user", "content": "Danke, 谢谢 🎉"},
]
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


@pytest.fixture(scope="module")
def ours(demo_model):
    return Tokenizer.load(demo_model)


@pytest.fixture(scope="module")
def theirs(demo_model):
    """transformers over the folder we wrote."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(demo_model)


@pytest.fixture(scope="module")
def theirs_from_gguf(demo_gguf):
    """transformers' own reading of the file. It does not know that this model cuts numbers into
    digits, so only texts without any compare."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(demo_gguf.parent, gguf_file=demo_gguf.name)


def convert(builder, tmp_path):
    folder = tmp_path / "converted"
    folder.mkdir()
    convert_gguf(builder.write(), folder, SilentProgress())
    return Tokenizer.load(folder)


def test_the_demo_models_vocabulary(ours):
    assert ours.vocab_size == 49152
    assert ours.eos_token_ids == {2}
    assert [ours.token_text(index) for index in range(3)] == [
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    ]
    assert all(ours.is_special(index) for index in range(17))
    assert not ours.is_special(17)
    assert ours.encode("<|im_start|>user") == [1, 4093]


def test_every_digit_is_a_token_of_its_own(ours):
    ids = ours.encode("In 1984, 3.14159")
    assert [ours.token_text(index) for index in ids] == [
        *("In", " ", "1", "9", "8", "4", ",", " ", "3", ".", "1", "4", "1", "5", "9"),
    ]


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs", "Nd", "Nl", "No"])))
def test_texts_without_digits_are_as_transformers_reads_the_file(ours, theirs_from_gguf, text):
    assert ours.encode(text) == theirs_from_gguf.encode(text, add_special_tokens=False)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60))
def test_the_folder_means_the_same_to_transformers(ours, theirs, text):
    ids = ours.encode(text)
    assert ids == theirs.encode(text)
    # Not `text`: the vocabulary lacks a few bytes.
    assert ours.decode(ids) == theirs.decode(ids)


def test_the_demo_models_chat_template_is_chatml(ours):
    assert ours.has_chat_template
    assert ours.render_chat(MESSAGES[:1]) == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        "<|im_start|>user\nWhat is 12 + 30?<|im_end|>\n<|im_start|>assistant\n"
    )
    own = [{"role": "system", "content": "Be brief."}, *MESSAGES[:1]]
    assert ours.render_chat(own, add_generation_prompt=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 12 + 30?<|im_end|>\n"
    )


@pytest.mark.parametrize("generation", [True, False])
def test_chats_are_encoded_as_transformers_does(ours, theirs, generation):
    expected = theirs.apply_chat_template(
        MESSAGES, add_generation_prompt=generation, return_dict=False
    )
    assert ours.encode_chat(MESSAGES, add_generation_prompt=generation) == expected
    assert expected.count(1) == len(MESSAGES) + 1 + generation


def test_continuing_a_message_is_encoded_as_transformers_does(ours, theirs):
    expected = theirs.apply_chat_template(
        MESSAGES[:2], continue_final_message=True, return_dict=False
    )
    options = {"add_generation_prompt": False, "continue_final_message": True}
    assert ours.encode_chat(MESSAGES[:2], **options) == expected


def test_a_byte_level_vocabulary_merges_by_its_rules(builder, tmp_path):
    tokenizer = convert(builder, tmp_path)
    ids = tokenizer.encode("ab a12<|im_end|>")
    assert [tokenizer.token_text(index) for index in ids] == ["ab", " a", "1", "2", "<|im_end|>"]


@pytest.mark.parametrize(
    ("rule", "pieces"),
    [
        ("gpt-2", ["ab", "12345"]),
        ("llama-bpe", ["ab", "123", "45"]),
        ("dbrx", ["ab", "123", "45"]),
        ("gpt-4o", ["ab", "123", "45"]),
        ("tekken", ["ab", *"12345"]),
        ("qwen2", ["ab", *"12345"]),
        ("refact", ["ab", *"12345"]),
    ],
)
def test_numbers_are_cut_by_the_rule_the_file_names(builder, tmp_path, rule, pieces):
    tokens = [*builder.keys["tokenizer.ggml.tokens"], "12", "123", "1234", "12345", "45"]
    builder.set_vocabulary("gpt2", tokens, specials=2)
    builder.keys["tokenizer.ggml.pre"] = rule
    merges = ["a b", "1 2", "12 3", "123 4", "1234 5", "4 5"]
    builder.keys["tokenizer.ggml.merges"] = merges
    tokenizer = convert(builder, tmp_path)
    ids = tokenizer.encode("ab12345", add_special_tokens=False)
    assert [tokenizer.token_text(index) for index in ids] == pieces
    assert (tokenizer.encode("ab")[0] == 0) is (rule in ("llama-bpe", "tekken"))


def test_sentencepiece_joins_the_best_scored_first(sentencepiece, tmp_path):
    tokenizer = convert(sentencepiece(), tmp_path)
    # "ab" (-1) comes before "▁a" (-3), then "▁ab" (-2) takes it up.
    ids = tokenizer.encode("ab")
    assert [tokenizer.token_text(index) for index in ids] == ["<s>", " ab"]
    ids = tokenizer.encode("aé", add_special_tokens=False)
    assert [tokenizer.token_bytes(index) for index in ids] == [b" a", b"\xc3", b"\xa9"]
    assert tokenizer.decode(ids) == "aé"
    assert tokenizer.eos_token_ids == {2}


def test_gemmas_tokens_are_merged_in_their_order_and_spaces_too(sentencepiece, tmp_path):
    builder = sentencepiece(add_space_prefix=False, add_bos_token=True)
    tokens = [*builder.keys["tokenizer.ggml.tokens"], "  ", "   ", "<b>"]
    tokens[tokens.index("▁ab")] = "zz"
    builder.set_vocabulary("llama", tokens, specials=3)
    user_defined = int(gguf.TokenType.USER_DEFINED)
    builder.keys["tokenizer.ggml.token_type"][-3:] = [user_defined] * 3
    # By their scores "ab" would come before "▁a".
    builder.keys["tokenizer.ggml.scores"] += [-1000.0] * 3
    builder.architecture = "gemma3"
    builder.keys["gemma3.context_length"] = 128
    write_tokenizer(GgufModel(builder.write()), tmp_path)
    (tmp_path / "config.json").write_text("{}")
    tokenizer = Tokenizer.load(tmp_path)
    ids = tokenizer.encode(" ab  b<b>   ")
    texts = [tokenizer.token_text(index) for index in ids]
    assert texts == ["<s>", " a", "b", "  ", "b", "<b>", "   "]
    assert tokenizer.decode(ids, skip_special_tokens=True) == " ab  b<b>   "


def test_sentencepiece_settings_are_followed(sentencepiece, tmp_path):
    builder = sentencepiece(add_space_prefix=False, add_bos_token=False, add_eos_token=True)
    tokenizer = convert(builder, tmp_path)
    ids = tokenizer.encode("ab")
    assert [tokenizer.token_text(index) for index in ids] == ["ab", "</s>"]
    assert tokenizer.decode(tokenizer.encode(" ab"), skip_special_tokens=True) == " ab"


def test_all_tokens_that_end_a_turn_are_kept(builder, tmp_path):
    builder.keys["tokenizer.ggml.eot_token_id"] = 5
    assert convert(builder, tmp_path).eos_token_ids == {1, 5}
