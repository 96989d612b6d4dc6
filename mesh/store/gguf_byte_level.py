"""Byte-level vocabularies of GGUF files: how each rule cuts text before byte pairs are merged."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_file import GgufModel

# The patterns are those of the models' own tokenizer.json.
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN_2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT_4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class _Rule:
    pattern: str | None = None
    """None: that of GPT-2."""
    digits: bool = False
    """Whether each digit is cut off first."""
    whole_words: bool = False
    """Whether a piece that is a token needs no merges."""
    composed: bool = False
    """Whether text is put into Unicode's form C."""
    adds_bos: bool = False
    """Where the file does not say."""


_LLAMA = _Rule(_LLAMA_3, whole_words=True, adds_bos=True)
_QWEN = _Rule(_QWEN_2, composed=True)
_STARCODER = _Rule(digits=True)
_RULES: dict[str, _Rule] = {
    "gpt-2": _Rule(),
    "olmo": _Rule(),
    "smollm": _STARCODER,
    "starcoder": _STARCODER,
    "refact": _STARCODER,
    "command-r": _STARCODER,
    "llama-bpe": _LLAMA,
    "llama3": _LLAMA,
    "llama-v3": _LLAMA,
    "dbrx": _Rule(_LLAMA_3),
    "smaug-bpe": _Rule(_LLAMA_3),
    "qwen2": _QWEN,
    "deepseek-r1-qwen": _QWEN,
    "stablelm2": _Rule(_QWEN_2),
    "tekken": _Rule(_TEKKEN, whole_words=True, adds_bos=True),
    "gpt-4o": _Rule(_GPT_4O),
}
"""By `tokenizer.ggml.pre`."""


def byte_level(model: GgufModel, tokens: list[str]) -> Tokenizer:
    """Raises RostraError for a rule that is not known."""
    rule = _rule(model)
    merges = [tuple(merge.split(" ", 1)) for merge in model.require("tokenizer.ggml.merges", list)]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(tokens)},
            merges=merges,
            ignore_merges=rule.whole_words,
        )
    )
    steps: list[pre_tokenizers.PreTokenizer] = []
    if rule.digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    if rule.pattern is not None:
        steps.append(pre_tokenizers.Split(Regex(rule.pattern), behavior="isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=rule.pattern is None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    if rule.composed:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def adds_bos(model: GgufModel) -> bool:
    """Whether a text begins with the first token of the vocabulary's own accord."""
    return _rule(model).adds_bos


def _rule(model: GgufModel) -> _Rule:
    name = model.get("tokenizer.ggml.pre", str) or ""
    if name not in _RULES:
        raise RostraError(
            f"{model.path} cuts text by the rule {name!r}, which is not supported; "
            "use the model's safetensors instead."
        )
    return _RULES[name]
