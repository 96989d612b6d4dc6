"""From a token as the vocabulary spells it to the bytes it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

METASPACE = "▁"
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def byte_alphabet() -> dict[str, int]:
    """The 256 characters in which byte-level BPE writes bytes (Radford et al. 2019, GPT-2).

    Printable Latin-1 characters stand for themselves, all other bytes for the characters from
    U+0100 on, in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + rank): byte for rank, byte in enumerate(others)
    }


_BYTE_ALPHABET = byte_alphabet()


def _byte_level(piece: str) -> bytes:
    try:
        return bytes(_BYTE_ALPHABET[character] for character in piece)
    except KeyError:
        # A token that was added as plain text and never went through the alphabet.
        return piece.encode()


def _metaspace(piece: str) -> bytes:
    return piece.replace(METASPACE, " ").encode()


def _metaspace_with_bytes(piece: str) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(piece)
    return bytes([int(byte[1], 16)]) if byte else _metaspace(piece)


def _wordpiece(prefix: str) -> Callable[[str], bytes]:
    def to_bytes(piece: str) -> bytes:
        inside = piece.startswith(prefix)
        return piece.removeprefix(prefix).encode() if inside else f" {piece}".encode()

    return to_bytes


@dataclass(frozen=True)
class PieceDecoder:
    """How pieces of one vocabulary become text.

    The text of several tokens is their bytes joined and read as UTF-8.
    """

    to_bytes: Callable[[str], bytes]
    strips_leading_space: bool
    """The bytes of a text's first token begin with a space that is not part of the text."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> PieceDecoder:
        """Reads the `decoder` of a tokenizer.json.

        WordPiece keeps no spaces: one stands before each word, also where there was none.
        Raises ValueError for a decoder that is neither of these nor byte-level nor of
        sentencepiece's kind.
        """
        steps = _flatten(config)
        by_kind = {step["type"]: step for step in steps}
        kinds = set(by_kind)
        if kinds == {"ByteLevel"}:
            return cls(_byte_level, strips_leading_space=False)
        if kinds - {"ByteFallback", "Fuse"} == {"Metaspace"}:
            prepends = by_kind["Metaspace"].get("prepend_scheme", "always") != "never"
            return cls(_metaspace_with_bytes if "ByteFallback" in kinds else _metaspace, prepends)
        if kinds == {"WordPiece"}:
            return cls(_wordpiece(by_kind["WordPiece"]["prefix"]), strips_leading_space=True)
        if _is_sentencepiece(by_kind):
            strip = by_kind.get("Strip", {"start": 0})["start"] == 1
            return cls(_metaspace_with_bytes if "ByteFallback" in kinds else _metaspace, strip)
        raise ValueError(f"decoder {[step['type'] for step in steps]} is not supported")


def _flatten(config: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if config is None:
        return []
    if config["type"] == "Sequence":
        return [step for inner in config["decoders"] for step in _flatten(inner)]
    return [config]


def _is_sentencepiece(by_kind: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether ▁ becomes a space, and at most the space before the whole text is stripped."""
    if "Replace" not in by_kind or not set(by_kind) <= {"Replace", "ByteFallback", "Fuse", "Strip"}:
        return False
    replace = by_kind["Replace"]
    if replace["pattern"] != {"String": METASPACE} or replace["content"] != " ":
        return False
    strip = by_kind.get("Strip", {"content": " ", "start": 0, "stop": 0})
    return strip["content"] == " " and strip["start"] in (0, 1) and strip["stop"] == 0
