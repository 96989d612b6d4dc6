"""The block manager by itself: sharing, eviction, and books that would show a fault."""

from __future__ import annotations

import pytest

from rostra.mesh.engine.blocks import Block, BlockManager, BlockTable, IntegrityError

PROMPT = [5, 6, 7, 8, 9, 10, 11, 12]


def open_full(manager: BlockManager, token_ids: list[int], salt: str = "") -> BlockTable:
    """A table whose tokens are all computed and can be found again."""
    table = manager.open_table(token_ids, salt, reuse=True)
    assert table is not None
    manager.remember(table, token_ids, len(token_ids))
    return table


def ids(table: BlockTable) -> list[int]:
    return [block.id for block in table.blocks]


def test_a_cached_prefix_is_shared_and_the_last_token_never() -> None:
    manager = BlockManager(8, 4)
    first = open_full(manager, PROMPT)
    same = open_full(manager, PROMPT)
    longer = open_full(manager, [*PROMPT, 1])
    assert ids(same)[0] == ids(first)[0]
    assert ids(same)[1] != ids(first)[1], "the last token has to be computed"
    assert ids(longer)[:2] == ids(first)
    assert longer.num_known == 2
    manager.check_integrity([first, same, longer])
    assert manager.num_used == 4


def test_a_block_computed_twice_does_not_break_the_chain() -> None:
    manager = BlockManager(8, 4)
    open_full(manager, PROMPT)
    same = open_full(manager, PROMPT)
    answer = [*PROMPT, 1, 2, 3, 4]
    assert manager.grow(same, 12) is not None
    manager.remember(same, answer, 12)
    longer = manager.open_table([*answer, 5], "", reuse=True)
    assert longer is not None
    assert longer.num_known == 3


def test_equal_tokens_behind_another_prefix_are_not_shared() -> None:
    manager = BlockManager(8, 2)
    table = open_full(manager, [1, 2, 3, 4, 5])
    other = open_full(manager, [9, 2, 3, 4, 5])
    assert not set(ids(table)) & set(ids(other))


def test_tokens_are_compared_where_hashes_are_equal() -> None:
    twin = 2**61 - 1
    assert hash((0, 0)) == hash((twin, twin))
    manager = BlockManager(8, 2)
    open_full(manager, [0, 0, 1])
    other = manager.open_table([twin, twin, 1], "", reuse=True)
    assert other is not None
    assert other.num_known == 0


def test_a_salt_keeps_prefixes_apart() -> None:
    manager = BlockManager(12, 4)
    open_full(manager, [*PROMPT, 1])
    assert open_full(manager, [*PROMPT, 1], salt="theirs").blocks[0].num_references == 1
    found = manager.open_table([*PROMPT, 1], "theirs", reuse=True)
    assert found is not None
    assert found.num_known == 2


def test_blocks_outlive_their_request_until_they_are_needed() -> None:
    manager = BlockManager(4, 4)
    table = open_full(manager, [*PROMPT, 1])
    kept = ids(table)
    manager.release(table)
    assert manager.num_used == 0
    again = open_full(manager, [*PROMPT, 1])
    assert ids(again)[:2] == kept[:2]
    manager.check_integrity([again])


def test_the_least_recently_used_goes_first_and_children_before_parents() -> None:
    manager = BlockManager(6, 2)
    old, new = [1, 2, 3, 4], [5, 6, 7, 8]
    for tokens in (old, new, old):
        manager.release(open_full(manager, [*tokens, 0]))
    taken = manager.open_table(list(range(50, 57)), "", reuse=False)
    assert taken is not None
    manager.release(taken)
    # Two blocks were never cached. Of the four that were, two had to go: those of `new`.
    counts = {}
    for name, tokens in (("new", new), ("old", old)):
        table = manager.open_table([*tokens, 0], "", reuse=True)
        assert table is not None
        counts[name] = table.num_known
        manager.release(table)
    assert counts == {"new": 0, "old": 2}


def test_a_partly_evicted_prompt_keeps_its_beginning() -> None:
    manager = BlockManager(4, 2)
    manager.release(open_full(manager, [1, 2, 3, 4, 5, 6, 7]))
    taken = manager.open_table([9, 9, 9, 9], "", reuse=False)
    assert taken is not None
    manager.release(taken)
    again = manager.open_table([1, 2, 3, 4, 5, 6, 7], "", reuse=True)
    assert again is not None
    assert again.num_known == 2


def test_a_table_that_does_not_fit_takes_nothing() -> None:
    manager = BlockManager(4, 2)
    table = open_full(manager, [1, 2, 3, 4])
    assert manager.open_table([7] * 5, "", reuse=True) is None
    assert manager.open_table([7] * 3, "", reuse=True, reserve=1) is None
    assert manager.grow(table, 9) is None
    manager.check_integrity([table])
    assert manager.num_free == 2
    assert len(manager.grow(table, 8) or []) == 2
    assert manager.grow(table, 8) == []


def test_a_revived_prefix_counts_against_the_free_blocks() -> None:
    manager = BlockManager(3, 2)
    manager.release(open_full(manager, [1, 2, 3, 4]))
    held = manager.open_table([9, 9], "", reuse=False)
    assert held is not None
    # Two blocks are free, both cached; the prompt needs those two and one more.
    assert manager.open_table([1, 2, 3, 4, 5], "", reuse=True) is None
    manager.check_integrity([held])


def test_forgotten_blocks_are_not_found() -> None:
    manager = BlockManager(8, 4)
    table = open_full(manager, PROMPT)
    manager.forget(table)
    manager.check_integrity([table])
    again = manager.open_table(PROMPT, "", reuse=True)
    assert again is not None
    assert again.num_known == 0


def test_without_prefix_caching_nothing_is_shared() -> None:
    manager = BlockManager(8, 4, prefix_caching=False)
    open_full(manager, PROMPT)
    assert open_full(manager, PROMPT).num_known == 0


def test_a_table_gives_its_blocks_back_once() -> None:
    manager = BlockManager(4, 2)
    first, second = open_full(manager, PROMPT[:4]), open_full(manager, PROMPT[:4])
    manager.release(first)
    manager.release(first)
    assert first.blocks == []
    manager.check_integrity([second])


def cache_as(manager: BlockManager, block: Block, tokens: tuple[int, ...]) -> None:
    assert block.key is not None
    del manager._cached[block.key]
    block.key = ("", tokens)
    manager._cached[block.key] = block


@pytest.mark.parametrize(
    ("damage", "told"),
    {
        "references": (
            lambda manager, table: setattr(table.blocks[0], "num_references", 2),
            "counts 2 references and has 1",
        ),
        "free-and-used": (
            lambda manager, table: manager._free.update({table.blocks[0].id: table.blocks[0]}),
            "has 1 references and is in the wrong list",
        ),
        "lost": (lambda manager, table: manager._free.popitem(), "has 0 references and is in"),
        "unfindable": (lambda manager, table: manager._cached.clear(), "cannot be found by"),
        "stale": (
            lambda manager, table: setattr(table.blocks[0], "key", None),
            "the prefix cache holds a block that is not in it",
        ),
        "half-full": (
            lambda manager, table: cache_as(manager, table.blocks[1], (5, 6)),
            "cached half full",
        ),
        "version": (
            lambda manager, table: setattr(table.blocks[1], "version", table.blocks[0].version),
            "two blocks share a version",
        ),
        "unknown": (lambda manager, table: table.blocks.pop(), "knows more blocks than it has"),
        "twice": (
            lambda manager, table: table.blocks.append(table.blocks[0]),
            "holds a block twice",
        ),
        "leak": (lambda manager, table: manager._free.update({9: Block(9)}), "blocks leaked"),
    }.values(),
)
def test_damaged_books_are_noticed(damage, told: str) -> None:
    manager = BlockManager(4, 4)
    table = open_full(manager, PROMPT)
    manager.check_integrity([table])
    damage(manager, table)
    with pytest.raises(IntegrityError, match=told):
        manager.check_integrity([table])
