"""Changes of a file of API keys: whole or not at all, one at a time, and readable by its owner
alone. What people wrote into it by hand, comments included, stays."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
from filelock import FileLock, Timeout
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from rostra.gateway.api_keys import ApiKey, ApiKeys
from rostra.gateway.errors import GatewayError

_LOCK_TIMEOUT = 10.0
"""Seconds for another change of the same file to end."""


def entry(key: ApiKey) -> str:
    """A key's table in the file."""
    document = tomlkit.document()
    document.append("key", _tables([_table(key)]))
    return tomlkit.dumps(document)


class KeyFile:
    """A file while it is changed."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        try:
            self._document = tomlkit.parse(text)
        except TOMLKitError as error:
            raise GatewayError(f"the API keys in {path} are not valid TOML: {error}") from None
        self.keys = ApiKeys.of(self._document.unwrap(), str(path))

    def add(self, key: ApiKey) -> None:
        if self.keys.named(key.name) is not None:
            raise GatewayError(
                f"{self._path} has a key named '{key.name}' already: choose another name"
            )
        if "key" not in self._document:
            self._document.append("key", _tables([]))
        elif self.keys.all:
            self._list()[-1].add(tomlkit.nl())
        self._list().append(_table(key))
        self._check()

    def remove(self, name: str) -> None:
        position, tables = self._position(name), self._list()
        del tables[position]
        if not tables:
            del self._document["key"]
        self._check()

    def change(self, name: str, **settings: Any) -> None:
        """Sets what is given; None takes a setting away."""
        position = self._position(name)
        table = self._list()[position]
        for field, value in settings.items():
            if value is None:
                table.pop(field, None)
            else:
                table[field] = value
        self._check()

    def text(self) -> str:
        return tomlkit.dumps(self._document)

    def _list(self) -> Any:
        return self._document["key"]

    def _position(self, name: str) -> int:
        for position, key in enumerate(self.keys.all):
            if key.name == name:
                return position
        known = ", ".join(key.name for key in self.keys.all) or "none"
        raise GatewayError(f"{self._path} has no key named '{name}'; it has: {known}")

    def _check(self) -> None:
        self.keys = ApiKeys.of(self._document.unwrap(), str(self._path))


@contextlib.contextmanager
def changing(path: Path, *, create: bool = False) -> Iterator[KeyFile]:
    """The file, to be changed in the block; it is written when the block ends, unless it raises.

    Raises GatewayError: it cannot be read or written, what it says is wrong, or another change of
    it does not end.
    """
    # Where the file is a link, what it leads to is replaced, and not the link.
    target = path.resolve()
    try:
        with FileLock(f"{target}.lock", timeout=_LOCK_TIMEOUT, mode=0o600):
            text = "" if create and not target.exists() else target.read_text(encoding="utf-8")
            file = KeyFile(path, text)
            yield file
            _replace(target, file.text())
    except Timeout:
        raise GatewayError(f"{path} is being changed by another command: try again") from None
    except UnicodeDecodeError as error:
        raise GatewayError(f"the API keys in {path} are not valid TOML: {error}") from None
    except OSError as error:
        raise GatewayError(f"cannot change {path}: {error.strerror}") from None


def _replace(target: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        # mkstemp lets nobody but the owner read: names and models are nobody else's business.
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _table(key: ApiKey) -> Table:
    table = tomlkit.table()
    for field, value in key.model_dump(exclude_defaults=True).items():
        table[field] = list(value) if isinstance(value, tuple) else value
    return table


def _tables(tables: list[Table]) -> AoT:
    array = tomlkit.aot()
    for table in tables:
        array.append(table)
    return array
