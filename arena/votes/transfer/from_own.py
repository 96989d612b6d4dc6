"""Our own JSON lines as the store takes them; see `rostra.arena.votes.transfer.own`."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from rostra.arena.images.picture import Picture, media_type_of
from rostra.arena.imports.json_lines import records
from rostra.arena.votes.log.bodies import groups_commitment
from rostra.arena.votes.log.canonical import commitment
from rostra.arena.votes.log.chain import link
from rostra.arena.votes.log.lines import FORMAT, VERSION, texts_in_body
from rostra.arena.votes.records import MODES, OUTCOMES
from rostra.arena.votes.transfer.forms import OWN, TransferError
from rostra.arena.votes.transfer.from_lmsys import RowFaults
from rostra.arena.votes.transfer.incoming import Incoming, NotTaken, Reasons, Said, Shown

BODY = "its body is not of this form"
_BATTLE = ("campaign", "matchmaking", "failed", "identity_revealed")
_ANSWER = (
    "attempt",
    "finish_reason",
    "model_revision",
    "prompt_tokens",
    "first_text_seconds",
    "seconds",
)


def is_own(path: Path) -> bool:
    """Whether the first line is the header of our own form."""
    try:
        with path.open("rb") as file:
            header = msgspec.json.decode(file.readline(2**16))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


class OwnLines:
    """Reasons come after their vote, possibly far: they are rows of their own."""

    form = OWN
    because = "its first line says so"

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[Incoming | NotTaken | Reasons]:
        faults = RowFaults()
        previous: bytes | None = None
        for row, record in records(self._path, faults):
            yield from faults.take()
            if record.get("format") == FORMAT:
                if record.get("version") != VERSION:
                    raise TransferError(
                        f"{self._path} is of version {record.get('version')} of its form; "
                        f"this Rostra reads {VERSION}: upgrade"
                    )
                previous = None if record.get("part") else bytes(32)
            elif "checkpoint" not in record:
                try:
                    if previous is not None:
                        previous = _linked(previous, record)
                    yield _of_entry(row, record)
                except _BrokenError as error:
                    raise TransferError(
                        f"{self._path}: row {row:,} {error}; `rostra votes verify` tells more"
                    ) from None
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    yield NotTaken(row, BODY, f"{type(error).__name__}: {error}")
        yield from faults.take()


class _BrokenError(Exception):
    pass


def _linked(previous: bytes, record: Mapping[str, Any]) -> bytes:
    """The entry's hash. Raises _BrokenError when it does not follow from the one before."""
    found = link(previous, str(record.get("body")))
    if found.hex() != record.get("hash"):
        raise _BrokenError("does not follow from the entry before it")
    return found


def _of_entry(row: int, record: Mapping[str, Any]) -> Incoming | NotTaken | Reasons:
    body = msgspec.json.decode(record["body"], type=dict[str, Any])
    texts = record.get("texts")
    if texts and texts_in_body(body["kind"], body, texts) != body:
        return NotTaken(row, "its texts are not those that the log commits to", body["battle_id"])
    if body["kind"] == "reasons":
        comment = texts.get("comment") if texts else None
        return Reasons(row, body["battle_id"], _time(body["at"]), body["tags"], comment)
    if body["outcome"] not in OUTCOMES or body["mode"] not in MODES or body["contestant_b"] is None:
        return NotTaken(row, BODY, body["battle_id"])
    images = _images(texts) if texts else ()
    if any(media_type_of(each.picture.data) != each.picture.media_type for each in images):
        # It will be shown to browsers as what it says it is.
        return NotTaken(row, "an image is not of the type it says", body["battle_id"])
    given = record.get("imported") or {}
    return Incoming(
        row=row,
        contestant_a=body["contestant_a"],
        contestant_b=body["contestant_b"],
        outcome=body["outcome"],
        original_id=given.get("original_id") or body["battle_id"],
        at=_time(body["at"]) if given.get("timed", True) else None,
        voter=record.get("voter"),
        turns=body["turns_read"],
        mode=body["mode"],
        prompts=tuple(texts["prompts"]) if texts else (),
        asked_at=tuple(_time(turn["asked_at"]) for turn in body["turns"]) if texts else (),
        answers=_answers(body, texts) if texts else (),
        images=images,
        tags=record.get("tags") or {},
        extra=given.get("extra"),
        battle={
            **{name: body[name] for name in _BATTLE},
            "judge": body.get("judge"),
            "id": body["battle_id"],
            "created_at": _time(body["created_at"]),
            # Absent from logs that were written before.
            "consent_sha256": bytes.fromhex(body.get("consent_sha256") or "") or None,
            "voter_groups": _groups(record, body, texts),
            **({name: texts[name] for name in ("settings_a", "settings_b")} if texts else {}),
        },
    )


def _groups(
    record: Mapping[str, Any], body: Mapping[str, Any], texts: Mapping[str, Any] | None
) -> list[str] | None:
    """Raises ValueError for others than the log commits to, which can be told where the pseudonym
    is the one in the log."""
    groups, voter = record.get("groups"), record.get("voter")
    if groups is None:
        return None
    salt = bytes.fromhex(texts["salt"]) if texts else b""
    known = bool(salt) and commitment(salt, voter) == body["voter_sha256"]
    # Logs that were written before commit to none.
    said = "voter_groups_sha256" in body
    if (
        known
        and said
        and groups_commitment(salt, str(voter), groups) != body["voter_groups_sha256"]
    ):
        raise ValueError("its groups are not those that the log commits to")
    return [str(group) for group in groups]


def _answers(body: Mapping[str, Any], texts: Mapping[str, Any]) -> tuple[Said, ...]:
    return tuple(
        Said(
            answer["turn"],
            answer["side"],
            said["text"],
            answer["completion_tokens"],
            {
                **{name: answer[name] for name in _ANSWER},
                "error": said["error"],
                "ended_at": _time(answer["ended_at"]),
            },
        )
        for answer, said in zip(body["answers"], texts["answers"], strict=True)
    )


def _images(texts: Mapping[str, Any]) -> tuple[Shown, ...]:
    return tuple(
        Shown(
            image["turn"],
            image["number"],
            Picture(
                image["media_type"],
                image["width"],
                image["height"],
                base64.b64decode(image["data"], validate=True),
            ),
        )
        for image in texts.get("images", ())
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
