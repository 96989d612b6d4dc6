"""An exported log, checked without the store it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from rostra.arena.errors import ArenaError
from rostra.arena.votes.log.checking import Checker, Verified, difference
from rostra.arena.votes.log.checkpoints import SignedHead
from rostra.arena.votes.log.errors import LogBrokenError
from rostra.arena.votes.log.lines import FORMAT, VERSION, texts_in_body


class _Header(msgspec.Struct):
    format: str
    version: int
    log: str | None
    entries: int
    head: str
    part: dict[str, Any] | None = None


class _Entry(msgspec.Struct):
    seq: int
    kind: str
    battle_id: str
    at: str
    body: str
    hash: str
    texts: dict[str, Any] | None = None


def verify_file(
    path: Path, public_key: bytes | None = None, held: Iterable[SignedHead] = ()
) -> Verified:
    """Checks a file of `rostra.arena.votes.log.lines`: the chain, the texts that are told, the
    checkpoints, and that it ends where its header says.

    `public_key` must have signed a checkpoint of it; `held` are checkpoints that were kept
    elsewhere. Reads a line at a time, the whole twice: first for the checkpoints, which stand last.
    Raises `LogBrokenError` at the first faulty entry, and `ArenaError` for a file that cannot be
    read or is no such file.
    """
    with _opened(path) as file:
        header = _header(path, file)
        checker = Checker(_checkpoints(path, file), held, public_key)
    with _opened(path) as file:
        next(file)
        for number, line in enumerate(file, start=2):
            if line.strip() and not _is_checkpoint(line):
                _check(checker, _decoded(path, number, line, _Entry))
    verified = checker.finish()
    if (verified.entries, verified.head.hex()) != (header.entries, header.head):
        raise LogBrokenError(
            f"the file ends at entry {verified.entries:,}, and its header says that it ends at "
            f"entry {header.entries:,} with the hash {header.head}"
        )
    if header.log != (verified.first and verified.first.hex()):
        raise LogBrokenError(f"its first entry is not {header.log}, by which its header names it")
    return verified


def _check(checker: Checker, entry: _Entry) -> None:
    try:
        hash = bytes.fromhex(entry.hash)
    except ValueError:
        hash = b""
    body = checker.entry(entry.seq, entry.kind, entry.battle_id, entry.at, entry.body, hash)
    if entry.texts is None:
        return
    try:
        told = texts_in_body(entry.kind, body, entry.texts)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise LogBrokenError(
            "its texts are not those that its body commits to", entry.seq, entry.battle_id
        ) from None
    if told != body:
        raise LogBrokenError(difference(body, told, "the texts"), entry.seq, entry.battle_id)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ArenaError(f"cannot read {path}: {error.strerror}") from None


def _header(path: Path, file: BinaryIO) -> _Header:
    try:
        header = msgspec.json.decode(next(file, b""), type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        header = None
    if header is None or header.format != FORMAT:
        raise ArenaError(f"{path} is no export of the log of votes: its first line is no header")
    if header.version != VERSION:
        raise ArenaError(
            f"{path} is of version {header.version} of the export, this Rostra knows {VERSION}"
        )
    if header.part is not None:
        raise ArenaError(
            f"{path} is a part of a log, whose chain has gaps; export the whole of it to verify it"
        )
    return header


def _is_checkpoint(line: bytes) -> bool:
    return line.startswith(b'{"checkpoint"')


def _checkpoints(path: Path, file: BinaryIO) -> list[SignedHead]:
    found = []
    for number, line in enumerate(file, start=2):
        if _is_checkpoint(line):
            try:
                found.append(SignedHead.from_json(msgspec.json.decode(line)["checkpoint"]))
            except (msgspec.DecodeError, ValueError, KeyError, TypeError):
                raise LogBrokenError(f"line {number:,} of {path} is no checkpoint") from None
    return found


def _decoded(path: Path, number: int, line: bytes, type: type[_Entry]) -> _Entry:
    try:
        return msgspec.json.decode(line, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogBrokenError(f"line {number:,} of {path} is no entry: {error}") from None
