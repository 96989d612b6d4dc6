"""The objects of a JSON array one after another, however long the array is."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.json_lines import Record
from rostra.arena.imports.report import FaultCounter

PIECE = 2**20
"""Bytes read at a time; more where one element is longer."""


def objects(path: Path, counter: FaultCounter) -> Iterator[tuple[int, Record]]:
    """Objects with their place from 1. What is no object goes to `counter`.

    Raises ImportFileError where the array is broken or ends early: nothing tells where the next
    element would begin.
    """
    for place, (element, text) in enumerate(_elements(path), start=1):
        if not isinstance(element, dict):
            counter.add(place, "not a JSON object", text)
        elif "\\ud" in text.lower() and not _is_unicode(element):
            counter.add(place, "not valid JSON in UTF-8", text)
        else:
            yield place, element


def _is_unicode(element: Any) -> bool:
    """Whether no text in it has half of a surrogate pair, which JSON can escape."""
    try:
        json.dumps(element, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _elements(path: Path) -> Iterator[tuple[Any, str]]:
    """Elements, and how they stand in the file."""
    decoder = json.JSONDecoder()
    decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
    with path.open("rb") as file:
        text, at, number = decode(file.read(PIECE)).lstrip(), 1, 0
        while True:
            at = _past_blanks(text, at)
            if at < len(text) and text[at] == "]":
                return
            found, end = None, None
            with suppress(ValueError):
                # A number could go on in the next piece, so an element ends where more follows.
                found, end = decoder.raw_decode(text, at)
            if end is not None and (after := _past_blanks(text, end)) < len(text):
                number += 1
                yield found, text[at:end]
                if text[after] not in ",]":
                    raise _broken(path, number)
                at = after + (text[after] == ",")
                continue
            piece = file.read(max(PIECE, len(text) - at))
            if not piece:
                raise _broken(path, number + (end is not None))
            text, at = text[at:] + decode(piece), 0


def _past_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _broken(path: Path, number: int) -> ImportFileError:
    return ImportFileError(
        f"{path} is not a JSON array after its element {number:,}: is it cut off?"
    )
