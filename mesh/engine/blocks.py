"""Who holds which block of the KV cache, and what the blocks hold."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rostra.mesh.engine.cache_log import CacheLog

BlockKey = tuple[str | int, tuple[int, ...]]
"""What a full block holds: what comes before it, and its own tokens.

Before the first block of a prompt comes the cache salt; before any other, the version of the block
it follows. A version is given only once, so equal keys mean equal tokens from the start of the
prompt on. The dictionary hashes the key and compares the tokens before it calls two keys equal.
"""


class IntegrityError(Exception):
    """The books contradict each other: a fault of this program, not of its user."""


@dataclass(slots=True, eq=False)
class Block:
    id: int
    num_references: int = 0
    key: BlockKey | None = None
    """Set while the block can be found in the prefix cache."""
    version: int = 0
    """Given anew each time the block enters the prefix cache."""


@dataclass(slots=True, eq=False)
class BlockTable:
    """The blocks of one request, in the order of its tokens."""

    blocks: list[Block] = field(default_factory=list)
    num_known: int = 0
    """Leading blocks whose tokens are in the prefix cache, in these blocks or in equal ones."""
    parent: str | int = ""
    """First half of the key of the block after those."""
    prefix_keys: dict[int, list[int]] = field(default_factory=dict)
    """What callers call the prompt up to the end of a block, by the block's index."""


class BlockManager:
    """Gives blocks out, takes them back, and finds full ones again by their tokens.

    A block that nobody holds is free. A free block in the prefix cache keeps its content until it
    is given out again, the least recently used first. Every operation takes time in proportion to
    the blocks it touches, whatever the size of the cache.
    """

    def __init__(self, num_blocks: int, block_size: int, prefix_caching: bool = True) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self._prefix_caching = prefix_caching
        self._blocks = [Block(i) for i in range(num_blocks)]
        # A doubly linked list with an index: O(1) at both ends and in between.
        self._free = OrderedDict((block.id, block) for block in self._blocks)
        self._cached: dict[BlockKey, Block] = {}
        self._last_version = 0
        self.log = CacheLog()

    @property
    def num_free(self) -> int:
        return len(self._free)

    @property
    def num_used(self) -> int:
        return self.num_blocks - len(self._free)

    def open_table(
        self, token_ids: Sequence[int], salt: str, *, reuse: bool, reserve: int = 0
    ) -> BlockTable | None:
        """A table that holds all of `token_ids`, or None where that leaves under `reserve` free.

        With `reuse`, it starts with the longest prefix that is cached under the same salt. That
        never covers the last token, which has to be computed to say what comes next.
        """
        if self.num_free <= reserve:
            # The last token needs a block of its own, so no prefix can make this fit.
            return None
        prefix = self._find_prefix(token_ids, salt) if reuse and self._prefix_caching else []
        num_new = self._num_blocks_for(len(token_ids)) - len(prefix)
        num_revived = sum(block.num_references == 0 for block in prefix)
        if num_new + num_revived + reserve > self.num_free:
            return None
        for block in prefix:
            if block.num_references == 0:
                del self._free[block.id]
            block.num_references += 1
        table = BlockTable(prefix, len(prefix), prefix[-1].version if prefix else salt)
        self.grow(table, len(token_ids))
        return table

    def grow(self, table: BlockTable, num_tokens: int) -> list[int] | None:
        """Ids of the blocks appended for the table to hold `num_tokens`; None if too few are free.

        All or nothing: a table that cannot grow far enough does not grow.
        """
        count = self.num_lacking(table, num_tokens)
        if not count:
            return []
        if count > self.num_free:
            return None
        taken = [self._take() for _ in range(count)]
        table.blocks += taken
        return [block.id for block in taken]

    def num_lacking(self, table: BlockTable, num_tokens: int) -> int:
        """Blocks that the table has too few to hold `num_tokens`."""
        held = len(table.blocks)
        if num_tokens <= held * self.block_size:
            return 0
        return self._num_blocks_for(num_tokens) - held

    def remember(self, table: BlockTable, token_ids: Sequence[int], num_tokens: int) -> None:
        """Enters the blocks that the first `num_tokens` tokens fill into the prefix cache.

        They may still be computed by a step that was launched, since a later one that finds them
        runs after it; but the values of these tokens must be known.

        Of equal blocks, filled by requests that ran at the same time, the first one is found.
        """
        if num_tokens < (table.num_known + 1) * self.block_size or not self._prefix_caching:
            return
        for index in range(table.num_known, num_tokens // self.block_size):
            key = self._key(table.parent, token_ids, index)
            known = self._cached.setdefault(key, table.blocks[index])
            if known.key is None:
                self._last_version += 1
                known.key, known.version = key, self._last_version
                self.log.stored(known)
            if index in table.prefix_keys:
                self.log.place(known, table.prefix_keys[index])
            table.parent = known.version
            table.num_known = index + 1

    def name(self, table: BlockTable, prefix_keys: dict[int, list[int]]) -> None:
        """Says what callers call the prompt up to the end of blocks, by their indices."""
        table.prefix_keys = prefix_keys
        for index, keys in prefix_keys.items():
            if index < table.num_known:
                self.log.place(table.blocks[index], keys)

    def follow(self, *, keys: bool, blocks: bool) -> None:
        """Has the log tell what of these changes, from now on, after all that is there."""
        self.log.follow(keys=keys, blocks=blocks, cached=self._cached.values())

    def forget(self, table: BlockTable) -> None:
        """Takes the table's blocks out of the prefix cache: what they hold is not to be trusted."""
        for block in table.blocks:
            self._uncache(block)

    def release(self, table: BlockTable) -> None:
        """Gives all blocks of the table back."""
        # From the end, so that a block is given out again before those it depends on.
        for block in reversed(table.blocks):
            block.num_references -= 1
            if block.num_references == 0:
                self._free[block.id] = block
                if block.key is None:
                    self._free.move_to_end(block.id, last=False)
        table.blocks = []

    def check_integrity(self, tables: Iterable[BlockTable]) -> None:
        """Raises IntegrityError unless the books agree with each other and with all open tables.

        Free and used blocks make up the total, every reference belongs to a table, and the prefix
        cache holds just the blocks that say so. Takes time in proportion to the cache.
        """
        references = [0] * self.num_blocks
        for table in tables:
            _expect(table.num_known <= len(table.blocks), "a table knows more blocks than it has")
            _expect(
                len({block.id for block in table.blocks}) == len(table.blocks),
                "a table holds a block twice",
            )
            for block in table.blocks:
                references[block.id] += 1
        for block in self._blocks:
            held = references[block.id]
            _expect(
                block.num_references == held,
                f"block {block.id} counts {block.num_references} references and has {held}",
            )
            _expect(
                (block.id in self._free) == (held == 0),
                f"block {block.id} has {held} references and is in the wrong list",
            )
            if block.key is not None:
                _expect(
                    self._cached.get(block.key) is block,
                    f"block {block.id} cannot be found by its key",
                )
                _expect(
                    len(block.key[1]) == self.block_size, f"block {block.id} is cached half full"
                )
        cached = [block for block in self._blocks if block.key is not None]
        _expect(
            len(cached) == len(self._cached), "the prefix cache holds a block that is not in it"
        )
        _expect(
            len({block.version for block in cached}) == len(cached), "two blocks share a version"
        )
        _expect(sum(held > 0 for held in references) == self.num_used, "blocks leaked")

    def _num_blocks_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)

    def _find_prefix(self, token_ids: Sequence[int], salt: str) -> list[Block]:
        found: list[Block] = []
        parent: str | int = salt
        for index in range((len(token_ids) - 1) // self.block_size):
            block = self._cached.get(self._key(parent, token_ids, index))
            if block is None:
                break
            found.append(block)
            parent = block.version
        return found

    def _key(self, parent: str | int, token_ids: Sequence[int], index: int) -> BlockKey:
        start = index * self.block_size
        return parent, tuple(token_ids[start : start + self.block_size])

    def _take(self) -> Block:
        _, block = self._free.popitem(last=False)
        self._uncache(block)
        block.num_references = 1
        return block

    def _uncache(self, block: Block) -> None:
        if block.key is not None:
            self.log.removed(block)
            del self._cached[block.key]
            block.key = None


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise IntegrityError(otherwise)
