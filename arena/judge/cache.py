"""Replies of judges by what was sent, shared by all runs of a host."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from rostra.arena.judge.client import Reply
from rostra.arena.judge.errors import JudgeError


class ReplyCache:
    """A file for each reply. Any number of processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Reply | None:
        """`None` where there is none, or it cannot be read: then it is asked for again."""
        try:
            return msgspec.json.decode(self._path(key).read_bytes(), type=Reply)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Raises JudgeError where it cannot be kept: it has been paid for."""
        path = self._path(key)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.write(msgspec.json.encode(reply))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise JudgeError(f"cannot write {path}: {error.strerror or error}") from None

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"
