"""Sentencepiece's vocabularies of GGUF files."""

from __future__ import annotations

from collections.abc import Mapping

from tokenizers import Tokenizer, decoders, models, normalizers

from rostra.mesh.store.gguf_file import GgufModel
from rostra.mesh.text.pieces import METASPACE

_GEMMA = ("gemma2", "gemma3")
"""Architectures whose scores do not follow the order of merges; that of the tokens does."""


def sentencepiece(model: GgufModel, tokens: list[str]) -> Tokenizer:
    """As BPE over characters, with bytes for those that are in no token."""
    vocabulary = {_spelled(token): index for index, token in enumerate(tokens)}
    if model.architecture in _GEMMA:
        scores = {token: -float(index) for token, index in vocabulary.items()}
    else:
        stored = model.require("tokenizer.ggml.scores", list)
        scores = {token: stored[index] for token, index in vocabulary.items()}
    unknown = model.get("tokenizer.ggml.unknown_token_id", int)
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=_merges(vocabulary, scores),
            unk_token=tokens[unknown] if unknown is not None else None,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    spaces = normalizers.Replace(" ", METASPACE)
    steps = [
        decoders.Replace(METASPACE, " "),
        decoders.ByteFallback(),
        decoders.Fuse(),
    ]
    if model.get("tokenizer.ggml.add_space_prefix", bool) is False:
        tokenizer.normalizer = spaces
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(METASPACE), spaces])
        steps.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def is_run_of_spaces(token: str) -> bool:
    """Such tokens are spelled with real spaces, and found by merging."""
    return " " in token and not token.strip(" ")


def _spelled(token: str) -> str:
    return METASPACE * len(token) if is_run_of_spaces(token) else token


def _merges(vocabulary: Mapping[str, int], scores: Mapping[str, float]) -> list[tuple[str, str]]:
    """Sentencepiece keeps no merges: it joins whichever neighbours make the best-scored token."""
    ranked = []
    for token, score in scores.items():
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in vocabulary and right in vocabulary:
                ranked.append(((-score, vocabulary[left], vocabulary[right]), (left, right)))
    return [pair for _, pair in sorted(ranked)]
