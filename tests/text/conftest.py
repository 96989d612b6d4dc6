"""Small tokenizers of the two kinds there are."""

from __future__ import annotations

import string

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers

from rostra.mesh.text import Tokenizer

CORPUS = [
    "hello world, hello there " * 4,
    "你好世界 你好",
    "🎉🎉 👩‍💻 café naïve",
    "stop STOP 123 123",
]


@pytest.fixture(scope="session")
def byte_level_backend() -> tokenizers.Tokenizer:
    """Some 40 merges over bytes, some of which cut characters in the middle."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|begin|>", "<|end|>"],
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    backend.add_tokens([AddedToken("  plain added é", special=False, normalized=False)])
    return backend


@pytest.fixture(scope="session")
def byte_level(byte_level_backend: tokenizers.Tokenizer) -> Tokenizer:
    return Tokenizer(byte_level_backend, eos_token_ids=frozenset({1}))


@pytest.fixture(scope="session")
def sentencepiece_backend() -> tokenizers.Tokenizer:
    """Letters, a few merges, and bytes for everything else, as Llama 2 has it."""
    specials = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [("h", "e"), ("l", "o"), ("l", "lo"), ("he", "llo"), ("▁", "hello"), ("▁", "w")]
    pieces = [*specials, *byte_tokens, "▁", *string.ascii_letters, *string.digits, ",", "!"]
    pieces += [left + right for left, right in merges]
    backend = tokenizers.Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate(pieces)},
            merges=merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens([AddedToken(token, special=True) for token in specials])
    return backend


@pytest.fixture(scope="session")
def sentencepiece(sentencepiece_backend: tokenizers.Tokenizer) -> Tokenizer:
    return Tokenizer(sentencepiece_backend, eos_token_ids=frozenset({2}))
