"""What enters and leaves the prefix cache, for those outside the engine who route by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rostra.mesh.engine.blocks import Block

MAX_KEYS_PER_BLOCK = 32
"""A step of 32 kB of text in blocks of 16 tokens has about as many."""


class StoredBlock(msgspec.Struct, frozen=True, array_like=True):
    """A block that can be found now. `parent` and `version` are those of `blocks.BlockKey`."""

    version: int
    parent: str | int
    token_ids: list[int]


class CacheChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Since the last ones were told. What is removed counts before what is stored."""

    begins: bool = False
    """These are the first, and tell everything that is cached."""
    removed: list[int] = []
    """Versions."""
    stored: list[StoredBlock] = []
    """Parents before their children."""
    keys_removed: list[int] = []
    keys_stored: list[int] = []


class CacheLog:
    """Keeps the places of prefix keys, and what changed while somebody follows it.

    A key's place is the block that holds the last token it stands for. The first one counts while
    that is cached: where a caller's guess of it differs from prompt to prompt, the key must not
    vanish with a block that has only the last guess.
    """

    def __init__(self) -> None:
        self.following = False
        self._follows_blocks = False
        self._begins = False
        self._places: dict[int, Block] = {}
        self._keys: dict[Block, list[int]] = {}
        self._stored: dict[int, Block] = {}
        self._removed: list[int] = []
        self._keys_told: dict[int, bool] = {}
        """Of keys that changed: whether who follows knows them as stored."""

    def follow(self, *, keys: bool, blocks: bool, cached: Iterable[Block]) -> None:
        """Tells changes from now on, after all that is there; `cached` are all cached blocks."""
        self.following, self._follows_blocks = keys or blocks, blocks
        self._begins = self.following
        self._removed, self._keys_told, self._stored = [], {}, {}
        if self.following:
            self._keys_told = dict.fromkeys(self._places, False)
        if blocks:
            self._stored = {block.version: block for block in cached}

    def stored(self, block: Block) -> None:
        if self._follows_blocks:
            self._stored[block.version] = block

    def removed(self, block: Block) -> None:
        """Before the block's key is taken away."""
        for key in self._keys.pop(block, ()):
            del self._places[key]
            if self.following:
                self._keys_told.setdefault(key, True)
        if self._follows_blocks and self._stored.pop(block.version, None) is None:
            self._removed.append(block.version)

    def place(self, block: Block, keys: Sequence[int]) -> None:
        """Notes that a cached block ends what these keys stand for."""
        for key in keys:
            if key in self._places:
                continue
            known = self._keys.setdefault(block, [])
            if len(known) < MAX_KEYS_PER_BLOCK:
                known.append(key)
                self._places[key] = block
                if self.following:
                    self._keys_told.setdefault(key, False)

    def take(self) -> CacheChanges | None:
        """What is new; None where nothing is."""
        if not (self._begins or self._stored or self._removed or self._keys_told):
            return None
        places = self._places
        changes = CacheChanges(
            begins=self._begins,
            removed=self._removed,
            stored=[
                StoredBlock(version, block.key[0], list(block.key[1]))
                for version, block in sorted(self._stored.items())
                if block.key is not None
            ],
            keys_removed=[
                key for key, told in self._keys_told.items() if told and key not in places
            ],
            keys_stored=[
                key for key, told in self._keys_told.items() if not told and key in places
            ],
        )
        self._begins, self._removed, self._stored, self._keys_told = False, [], {}, {}
        return changes


def key_places(
    keys: Sequence[int], covered: float, num_prompt_tokens: int, block_size: int
) -> dict[int, list[int]]:
    """Keys by the index of the last full block of what they stand for; those of less than a block
    have none."""
    places: dict[int, list[int]] = {}
    for number, key in enumerate(keys, start=1):
        num_tokens = covered * num_prompt_tokens * number / len(keys)
        if (index := int(num_tokens) // block_size - 1) >= 0:
            places.setdefault(index, []).append(key)
    return places
