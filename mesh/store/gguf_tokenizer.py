"""A tokenizer from the vocabulary in a GGUF file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gguf import TokenType
from tokenizers import AddedToken, Tokenizer, processors

from rostra.mesh.errors import RostraError
from rostra.mesh.store.gguf_byte_level import adds_bos, byte_level
from rostra.mesh.store.gguf_file import GgufModel
from rostra.mesh.store.gguf_sentencepiece import is_run_of_spaces, sentencepiece

_TOKEN_KEYS = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}


def write_tokenizer(model: GgufModel, folder: Path) -> None:
    """Writes tokenizer.json, tokenizer_config.json, generation_config.json and, where the file has
    one, chat_template.jinja.

    Raises RostraError for a vocabulary of a kind that is not supported, or a broken one.
    """
    tokens: list[str] = model.require("tokenizer.ggml.tokens", list)
    if len(set(tokens)) != len(tokens):
        raise RostraError(f"{model.path}: the vocabulary names a token twice.")
    try:
        tokenizer = _build(model, tokens)
    except RostraError:
        raise
    except Exception as error:  # the library raises plain Exception
        raise RostraError(f"{model.path}: the vocabulary is broken ({error}).") from error
    _add_tokens(tokenizer, model, tokens)
    named = _named_tokens(model, tokens)
    prepends, appends = _adds_bos(model), bool(model.get("tokenizer.ggml.add_eos_token", bool))
    _add_template(tokenizer, named, prepends, appends)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            **{name: tokens[index] for name, index in named.items()},
            "add_bos_token": prepends,
            "add_eos_token": appends,
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.require(f"{model.architecture}.context_length", int),
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    )
    _write_json(folder / "generation_config.json", _generation_config(model, named))
    template = model.get("tokenizer.chat_template", str)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def _build(model: GgufModel, tokens: list[str]) -> Tokenizer:
    kind = model.require("tokenizer.ggml.model", str)
    if kind == "gpt2":
        return byte_level(model, tokens)
    if kind == "llama":
        return sentencepiece(model, tokens)
    raise RostraError(
        f"{model.path} has a vocabulary of kind {kind!r}; only 'gpt2' and 'llama' are supported."
    )


def _add_tokens(tokenizer: Tokenizer, model: GgufModel, tokens: list[str]) -> None:
    """Tokens that are found whole in a text, before anything is merged."""
    kinds = model.get("tokenizer.ggml.token_type", list) or []
    merges_spaces = model.get("tokenizer.ggml.model", str) == "llama"
    special, other = [], []
    for token, kind in zip(tokens, kinds, strict=False):
        if kind == TokenType.CONTROL:
            special.append(AddedToken(token, special=True, normalized=False))
        elif kind == TokenType.USER_DEFINED and not (merges_spaces and is_run_of_spaces(token)):
            other.append(AddedToken(token, special=False, normalized=False))
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(other)


def _named_tokens(model: GgufModel, tokens: list[str]) -> dict[str, int]:
    named = {}
    for name, key in _TOKEN_KEYS.items():
        index = model.get(f"tokenizer.ggml.{key}", int)
        if index is not None:
            if not 0 <= index < len(tokens):
                raise RostraError(f"{model.path}: {key} is {index}, outside the vocabulary.")
            named[name] = index
    return named


def _adds_bos(model: GgufModel) -> bool:
    """Where the file does not say: sentencepiece does, and a few byte-level ones."""
    stated = model.get("tokenizer.ggml.add_bos_token", bool)
    if stated is not None:
        return stated
    if model.require("tokenizer.ggml.model", str) == "llama":
        return True
    return adds_bos(model)


def _add_template(
    tokenizer: Tokenizer, named: dict[str, int], prepends: bool, appends: bool
) -> None:
    before = "bos_token" if prepends and "bos_token" in named else None
    after = "eos_token" if appends and "eos_token" in named else None
    if before is None and after is None:
        return
    used = {name: named[name] for name in (before, after) if name}
    pattern = [name for name in (before, "$A", after) if name]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=pattern, special_tokens=list(used.items())
    )


def _generation_config(model: GgufModel, named: dict[str, int]) -> dict[str, Any]:
    ends = [
        index
        for index in (
            named.get("eos_token"),
            model.get("tokenizer.ggml.eot_token_id", int),
            model.get("tokenizer.ggml.eom_token_id", int),
        )
        if index is not None
    ]
    settings: dict[str, Any] = {"eos_token_id": sorted(set(ends))}
    for name in ("bos_token", "pad_token"):
        if name in named:
            settings[f"{name}_id"] = named[name]
    return settings


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
