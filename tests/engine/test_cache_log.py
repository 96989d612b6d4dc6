"""Who follows the prefix cache knows what can be found in it, whatever happens to it."""

from __future__ import annotations

import random

import msgspec
import pytest

from rostra.mesh.engine.blocks import BlockManager, BlockTable
from rostra.mesh.engine.cache_log import MAX_KEYS_PER_BLOCK, CacheChanges, key_places
from rostra.mesh.worker.cache_mirror import CacheMirror, block_hash, salt_hash
from rostra.v1 import control_pb2

SALTS = ("", "theirs")


class Follower:
    """Someone outside, who knows events and nothing else."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes | None] = {}
        """Hash of the block before, by hash."""
        self.keys: set[int] = set()

    def read(self, events: list[control_pb2.KvEvent]) -> None:
        for event in events:
            match event.WhichOneof("event"):
                case "stored":
                    block = event.stored
                    parent = (
                        block.parent_block_hash if block.HasField("parent_block_hash") else None
                    )
                    assert block.block_hash not in self.blocks, "stored twice"
                    assert parent is None or parent in self.blocks, "a child before its parent"
                    self.blocks[block.block_hash] = parent
                case "removed":
                    del self.blocks[event.removed.block_hash]
                case "prefix_stored":
                    assert not self.keys & set(event.prefix_stored.keys), "stored twice"
                    self.keys |= set(event.prefix_stored.keys)
                case "prefix_removed":
                    assert self.keys >= set(event.prefix_removed.keys), "removed before stored"
                    self.keys -= set(event.prefix_removed.keys)

    def finds(self, prompt: list[int], salt: str, block_size: int) -> int:
        """Leading blocks of a prompt that are cached, as far as the events tell."""
        before, count = salt_hash(salt), 0
        for start in range(0, len(prompt) - len(prompt) % block_size, block_size):
            before = block_hash(before, prompt[start : start + block_size])
            if before not in self.blocks:
                break
            count += 1
        return count


class History:
    """Random requests on a small cache."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.block_size = self.rng.randint(1, 4)
        self.manager = BlockManager(self.rng.randint(2, 16), self.block_size)
        self.open: list[tuple[BlockTable, list[int], str]] = []
        self.asked: list[tuple[list[int], str]] = []
        self.homes: dict[int, list[int]] = {}
        """What each key stands for."""

    def turn(self) -> None:
        rng, event = self.rng, self.rng.random()
        if event < 0.5:
            self.start()
        elif event < 0.7 and self.open:
            table, tokens, _ = rng.choice(self.open)
            more = tokens + [rng.randint(0, 2) for _ in range(rng.randint(1, 4))]
            if self.manager.grow(table, len(more)) is not None:
                tokens[:] = more
                self.manager.remember(table, tokens, len(tokens))
        elif self.open:
            table, _, _ = self.open.pop(rng.randrange(len(self.open)))
            if rng.random() < 0.1:
                self.manager.forget(table)
            self.manager.release(table)
        self.manager.check_integrity([table for table, _, _ in self.open])

    def start(self) -> None:
        rng = self.rng
        prompt = [rng.randint(0, 2) for _ in range(rng.randint(1, 12))]
        salt = rng.choice(SALTS)
        if self.asked and rng.random() < 0.5:
            prompt, salt = rng.choice(self.asked)
            prompt = prompt + [rng.randint(0, 2)] * rng.randint(0, 3)
        table = self.manager.open_table(prompt, salt, reuse=True)
        if table is None:
            return
        self.asked.append((prompt, salt))
        keys = [rng.getrandbits(64) for _ in range(rng.randint(0, 3))]
        self.manager.name(table, key_places(keys, 1.0, len(prompt), self.block_size))
        for number, key in enumerate(keys, start=1):
            self.homes[key] = prompt[: int(len(prompt) * number / len(keys))]
        self.manager.remember(table, prompt, len(prompt))
        self.open.append((table, list(prompt), salt))

    def cached(self, prompt: list[int], salt: str) -> int:
        """Leading blocks of the prompt that the manager itself finds."""
        return len(self.manager._find_prefix([*prompt, 0], salt))


def over_the_wire(changes: CacheChanges) -> CacheChanges:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(changes), type=CacheChanges)


@pytest.mark.parametrize("shard", range(3))
def test_events_tell_what_can_be_found(shard: int) -> None:
    removed = 0
    for seed in range(shard, 90, 3):
        history, mirror, follower = History(seed), CacheMirror(), Follower()
        for _ in range(history.rng.randint(0, 30)):
            history.turn()
        history.manager.follow(keys=True, blocks=True)
        for number in range(60):
            if number:
                for _ in range(history.rng.randint(1, 3)):
                    history.turn()
            changes = history.manager.log.take()
            if changes is not None:
                assert changes.begins == (number == 0)
                removed += len(changes.removed)
                follower.read(mirror.apply(over_the_wire(changes)))
            for prompt, salt in history.asked:
                found = follower.finds(prompt, salt, history.block_size)
                assert found == history.cached(prompt, salt)
            assert follower.keys == history.manager.log._places.keys()
            for key, block in history.manager.log._places.items():
                prompt, size = history.homes[key], history.block_size
                end = len(prompt) - len(prompt) % size
                assert block.key is not None, "a key without a cached block"
                assert block.key[1] == tuple(prompt[end - size : end])
            late = Follower()
            late.read(mirror.snapshot(blocks=True))
            assert (late.blocks, late.keys) == (follower.blocks, follower.keys)
    assert removed > 50, "the histories evict too little to prove much"


def test_a_key_goes_with_the_block_that_ends_what_it_stands_for() -> None:
    manager, follower, mirror = BlockManager(4, 2), Follower(), CacheMirror()
    manager.follow(keys=True, blocks=False)

    def told() -> set[int]:
        changes = manager.log.take()
        if changes is not None:
            assert not changes.stored
            follower.read(mirror.apply(changes))
        return follower.keys

    prompt = [1, 2, 3, 4, 5, 6, 7, 8]
    table = manager.open_table(prompt, "", reuse=True)
    assert table is not None
    manager.name(table, key_places([11, 12, 13, 14], 1.0, len(prompt), 2))
    assert told() == set(), "nothing is computed yet"
    manager.remember(table, prompt, 5)
    assert told() == {11, 12}
    manager.remember(table, prompt, 8)
    assert told() == {11, 12, 13, 14}
    manager.release(table)
    assert told() == {11, 12, 13, 14}
    other = manager.open_table([9, 9, 9], "", reuse=True)
    assert other is not None
    assert told() == {11, 12}
    manager.release(other)
    again = manager.open_table(prompt, "", reuse=True)
    assert again is not None
    manager.name(again, key_places([11, 12, 13, 14], 1.0, len(prompt), 2))
    manager.remember(again, prompt, 8)
    assert told() == {11, 12, 13, 14}
    manager.forget(again)
    assert told() == set()


def test_a_later_guess_of_a_place_does_not_take_a_key_away() -> None:
    manager = BlockManager(8, 2)
    manager.follow(keys=True, blocks=False)
    first = manager.open_table([1, 2, 3, 4], "", reuse=True)
    assert first is not None
    manager.name(first, {0: [77]})
    manager.remember(first, [1, 2, 3, 4], 4)
    longer = [1, 2, 3, 4, 5, 6, 7, 8]
    second = manager.open_table(longer, "", reuse=True)
    assert second is not None
    manager.name(second, {2: [77]})
    manager.remember(second, longer, 8)
    changes = manager.log.take()
    assert changes is not None
    assert changes.keys_stored == [77]
    manager.release(second)
    taken = manager.open_table([9] * 11, "", reuse=False)
    assert taken is not None
    assert manager.log.take() is None, "its block is still there, held by the first"


def test_what_was_cached_without_a_name_gets_one() -> None:
    manager, prompt = BlockManager(8, 2), [1, 2, 3, 4, 5]
    manager.follow(keys=True, blocks=False)
    nameless = manager.open_table(prompt, "", reuse=True)
    assert nameless is not None
    manager.remember(nameless, prompt, 5)
    again = manager.open_table(prompt, "", reuse=True)
    assert again is not None
    manager.name(again, {0: [7], 1: [8]})
    changes = manager.log.take()
    assert changes is not None
    assert changes.keys_stored == [7, 8]
    manager.name(again, {0: [7, 9]})
    changes = manager.log.take()
    assert changes is not None
    assert changes.keys_stored == [9], "one beside a name that is known"


def test_keys_of_one_block_are_bounded() -> None:
    manager = BlockManager(8, 2)
    for number in range(3):
        table = manager.open_table([1, 2], "", reuse=True)
        assert table is not None
        manager.name(table, {0: [100 * number + n for n in range(20)]})
        manager.remember(table, [1, 2], 2)
        manager.release(table)
    manager.follow(keys=True, blocks=False)
    changes = manager.log.take()
    assert changes is not None
    assert len(changes.keys_stored) <= MAX_KEYS_PER_BLOCK
    # The second and third prompt's last token is computed anew, in a block that nobody finds.
    assert set(changes.keys_stored) >= set(range(20))


def test_nothing_is_kept_for_nobody() -> None:
    history = History(5)
    for _ in range(200):
        history.turn()
    log = history.manager.log
    assert log.take() is None
    assert len(log._places) <= MAX_KEYS_PER_BLOCK * history.manager.num_blocks
    history.manager.follow(keys=True, blocks=True)
    for _ in range(10):
        history.turn()
    history.manager.follow(keys=False, blocks=False)
    for _ in range(200):
        history.turn()
    assert log.take() is None


def test_where_keys_end() -> None:
    assert key_places([1, 2, 3, 4], 1.0, 64, 16) == {0: [1], 1: [2], 2: [3], 3: [4]}
    assert key_places([1, 2, 3, 4], 0.5, 64, 16) == {0: [2, 3], 1: [4]}
    assert key_places([1, 2], 1.0, 40, 16) == {0: [1], 1: [2]}
    assert key_places([1], 1.0, 15, 16) == {}
    assert key_places([], 1.0, 100, 16) == {}
