"""A copy of what the engine's prefix cache holds, in terms that mean the same at every worker."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from rostra.mesh.engine.cache_log import CacheChanges, StoredBlock
from rostra.v1 import control_pb2

HASH_BYTES = 16
KEYS_PER_EVENT = 512

Event = control_pb2.KvEvent


def block_hash(before: bytes, token_ids: Sequence[int]) -> bytes:
    """Of a block behind one with the hash `before`; see `rostra.v1.KvBlockStored`."""
    return sha256(before + struct.pack(f"<{len(token_ids)}I", *token_ids)).digest()[:HASH_BYTES]


def salt_hash(salt: str) -> bytes:
    """What stands before the first block of a prompt."""
    return sha256(salt.encode("utf-8", "surrogatepass")).digest()[:HASH_BYTES]


@dataclass(slots=True)
class _Mirrored:
    hash: bytes
    parent: int | None
    """Version; None for the first block of a prompt."""
    event: Event


class CacheMirror:
    """Applies the engine's changes, and says what they are to those outside.

    The engine's versions are its own. Here a block is known by its content, and only as long as it
    can be found: where one is evicted before its children, the engine keeps those until their time
    comes, and nobody can find them.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, _Mirrored] = {}
        """By version."""
        self._children: defaultdict[int, set[int]] = defaultdict(set)
        self._keys: dict[int, None] = {}

    def apply(self, changes: CacheChanges) -> list[Event]:
        if changes.begins:
            self.clear()
        events: list[Event] = []
        for version in changes.removed:
            events += self._remove(version)
        events += [event for block in changes.stored for event in self._store(block)]
        for key in changes.keys_removed:
            self._keys.pop(key, None)
        self._keys.update(dict.fromkeys(changes.keys_stored))
        events += _of_keys(changes.keys_removed, stored=False)
        events += _of_keys(changes.keys_stored, stored=True)
        return events

    def clear(self) -> None:
        self._blocks.clear()
        self._children.clear()
        self._keys.clear()

    def snapshot(self, *, blocks: bool) -> list[Event]:
        """Stored events for all that is there, parents before their children."""
        found = [mirrored.event for mirrored in self._blocks.values()] if blocks else []
        return found + list(_of_keys(list(self._keys), stored=True))

    def _store(self, block: StoredBlock) -> Iterator[Event]:
        parent: int | None = None
        if isinstance(block.parent, str):
            before = salt_hash(block.parent)
        elif block.parent in self._blocks:
            parent = block.parent
            before = self._blocks[parent].hash
            self._children[parent].add(block.version)
        else:
            return
        made = block_hash(before, block.token_ids)
        event = Event(
            stored=control_pb2.KvBlockStored(
                block_hash=made,
                parent_block_hash=None if parent is None else before,
                token_ids=block.token_ids,
            )
        )
        self._blocks[block.version] = _Mirrored(made, parent, event)
        yield event

    def _remove(self, version: int) -> Iterator[Event]:
        """The block, and those behind it, the last first."""
        mirrored = self._blocks.get(version)
        if mirrored is None:
            return
        line = [version]
        for each in line:
            line += self._children.pop(each, ())
        if mirrored.parent is not None:
            self._children[mirrored.parent].discard(version)
            if not self._children[mirrored.parent]:
                del self._children[mirrored.parent]
        for each in reversed(line):
            gone = self._blocks.pop(each)
            yield Event(removed=control_pb2.KvBlockRemoved(block_hash=gone.hash))


def _of_keys(keys: Sequence[int], *, stored: bool) -> Iterator[Event]:
    for start in range(0, len(keys), KEYS_PER_EVENT):
        some = keys[start : start + KEYS_PER_EVENT]
        if stored:
            yield Event(prefix_stored=control_pb2.KvPrefixStored(keys=some))
        else:
            yield Event(prefix_removed=control_pb2.KvPrefixRemoved(keys=some))
