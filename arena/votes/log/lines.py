"""The exported log: JSON lines that can be verified without the store they came from.

The first line is the header, `{"format", "version", "log", "entries", "head"}`: `log` is the hash
of the first entry and names the log, `head` that of the last, both hex. Then one line for each
entry in order, `{"seq", "kind", "battle_id", "at", "body", "hash"}`: `body` is the string that was
hashed, canonical JSON; `hash` is hex. An entry may have `texts`, with which a reader can check what
the body only commits to:

    vote, import    salt (hex), prompts [text, ...], answers [{"text", "error"}, ...] in the order
                    of the body, settings_a, settings_b, and where there are any images
                    [{"turn", "number", "media_type", "width", "height", "data" (base64)}, ...]
    reasons         salt (hex), comment

Last, one line `{"checkpoint": {...}}` for each checkpoint, of the form of
`rostra.arena.votes.log.checkpoints`. Where a text is not to be told, `texts` is left out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from rostra.arena.votes.log.bodies import image_body
from rostra.arena.votes.log.canonical import canonical_hash, commitment, timestamp
from rostra.arena.votes.log.checkpoints import SignedHead
from rostra.arena.votes.log.redacted import is_redacted
from rostra.arena.votes.log.rows import Logged, image_data

FORMAT = "rostra-votes"
VERSION = 1
_IMAGE = ("turn", "number", "media_type", "width", "height")


def header_line(first: bytes | None, entries: int, head: bytes) -> dict[str, Any]:
    """`first`: the hash of the first entry; `head`: of the last, or GENESIS of an empty log."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "log": first and first.hex(),
        "entries": entries,
        "head": head.hex(),
    }


def entry_line(connection: Connection, logged: Logged, *, with_texts: bool) -> dict[str, Any]:
    """`connection`: where the images are read from, those of this entry only."""
    entry = logged.entry
    line = {
        "seq": entry.seq,
        "kind": entry.kind,
        "battle_id": entry.battle_id,
        "at": timestamp(entry.at),
        "body": entry.body,
        "hash": entry.hash.hex(),
    }
    told = with_texts and not (logged.battle is not None and is_redacted(logged.battle))
    return {**line, "texts": _texts(connection, logged)} if told else line


def checkpoint_line(checkpoint: SignedHead) -> dict[str, Any]:
    return {"checkpoint": checkpoint.to_json()}


def _texts(connection: Connection, logged: Logged) -> dict[str, Any]:
    battle = logged.battle
    if battle is None:
        return {}
    salt = battle.text_salt.hex()
    if logged.entry.kind == "reasons":
        return {"salt": salt, "comment": logged.reasons and logged.reasons.comment}
    images = [
        {
            **{name: getattr(image, name) for name in _IMAGE},
            "data": base64.b64encode(image_data(connection, image)).decode(),
        }
        for image in logged.images
    ]
    return {
        "salt": salt,
        "prompts": [turn.prompt for turn in logged.turns],
        "answers": [{"text": each.text, "error": each.error} for each in logged.answers],
        "settings_a": battle.settings_a,
        "settings_b": battle.settings_b,
        **({"images": images} if images else {}),
    }


def texts_in_body(kind: str, body: dict[str, Any], texts: dict[str, Any]) -> dict[str, Any]:
    """The part of `body` that `texts` commits to, made anew from them.

    Raises KeyError, TypeError, AttributeError or ValueError for texts of another form.
    """
    salt = bytes.fromhex(texts["salt"])
    if kind == "reasons":
        return {**body, "comment_sha256": commitment(salt, texts["comment"])}
    images = _images_in_body(salt, texts.get("images", ()))
    turns = [
        {
            **{name: said for name, said in turn.items() if name != "images"},
            "prompt_sha256": commitment(salt, prompt),
            **({"images": images[number]} if number in images else {}),
        }
        for number, (turn, prompt) in enumerate(zip(body["turns"], texts["prompts"], strict=True))
    ]
    answers = [
        {
            **answer,
            "text_sha256": commitment(salt, given["text"]),
            "error_sha256": commitment(salt, given["error"]),
        }
        for answer, given in zip(body["answers"], texts["answers"], strict=True)
    ]
    return {
        **body,
        "turns": turns,
        "answers": answers,
        "settings_a_sha256": canonical_hash(texts["settings_a"]),
        "settings_b_sha256": canonical_hash(texts["settings_b"]),
    }


def _images_in_body(
    salt: bytes, images: Sequence[Mapping[str, Any]]
) -> dict[int, list[dict[str, Any]]]:
    """By turn."""
    found: dict[int, list[dict[str, Any]]] = {}
    for image in images:
        of_turn = found.setdefault(image["turn"], [])
        if image["number"] != len(of_turn):
            raise ValueError("images are not in their order")
        sha256 = hashlib.sha256(base64.b64decode(image["data"], validate=True)).digest()
        of_turn.append(
            image_body(salt, image["media_type"], image["width"], image["height"], sha256)
        )
    return found
