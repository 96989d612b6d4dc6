"""Adapters of many ranks in one batch: the kernels, their references, and the tiles of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, assert_close

from rostra.kernels import lora_reference
from rostra.kernels.chip import AHEAD_OF_TIME, Chip
from rostra.kernels.launch import KernelError, Launch
from rostra.kernels.lora import lora_expand, lora_shrink, lora_shrink_launches, num_splits
from rostra.kernels.lora_tiles import lora_tiles, most_tiles, tile_rows

ADD = "lora_backends.add_adapters"


@dataclass(frozen=True)
class LoraCase:
    """A step with room for some tokens, and whose they are."""

    slots: tuple[int, ...]
    """Of each token, -1 for none."""
    ranks: tuple[int, ...]
    max_rank: int
    depth: int = 40
    outputs: tuple[int, ...] = (24, 8, 8)
    dtype: torch.dtype = torch.float32
    padding: int = 0
    """Tokens the step has room for beyond those it has."""
    seed: int = 0

    def build(self):
        """Arguments of `add_adapters`. What no adapter owns is poison."""
        generator = torch.Generator().manual_seed(self.seed)

        def normal(*shape):
            return torch.randn(shape, generator=generator)

        num_tokens = len(self.slots) + self.padding
        num_slots = len(self.ranks)
        a = torch.full((num_slots, len(self.outputs), self.max_rank, self.depth), float("nan"))
        b = torch.full((num_slots, self.max_rank, sum(self.outputs)), float("nan"))
        for slot, rank in enumerate(self.ranks):
            a[slot, :, :rank] = normal(len(self.outputs), rank, self.depth) * self.depth**-0.5
            b[slot, :rank] = normal(rank, sum(self.outputs)) * max(1, rank) ** -0.5
        tiles = lora_tiles(np.array(self.slots, dtype=np.int32), num_tokens, num_slots)
        x = normal(num_tokens, self.depth)
        x[len(self.slots) :] = float("nan")
        return (
            x.to(self.dtype),
            a.to(self.dtype),
            b.to(self.dtype),
            torch.tensor(self.ranks, dtype=torch.int32),
            *(torch.from_numpy(part) for part in tiles),
            self.outputs,
            normal(num_tokens, sum(self.outputs)).to(self.dtype),
        )

    def expected(self):
        """The output, token by token."""
        x, a, b, ranks, _, _, _, out = self.build()
        for token, slot in enumerate(self.slots):
            rank = int(ranks[slot]) if slot >= 0 else 0
            start = 0
            for o, size in enumerate(self.outputs if rank else ()):
                columns = slice(start, start + size)
                hidden = (a[slot, o, :rank].float() @ x[token].float()).to(self.dtype).float()
                added = hidden @ b[slot, :rank, columns].float()
                out[token, columns] = (out[token, columns].float() + added).to(self.dtype)
                start += size
        return out


def cases(max_tokens, dtypes):
    def build(ranks, max_rank, draws, **rest):
        ranks = tuple(min(rank, max_rank) for rank in ranks)
        slots = tuple(draw % (len(ranks) + 1) - 1 for draw in draws)
        return LoraCase(slots=slots, ranks=ranks, max_rank=max_rank, **rest)

    return st.builds(
        build,
        ranks=st.lists(st.sampled_from([0, 1, 2, 8, 16, 32, 128]), min_size=1, max_size=4),
        max_rank=st.sampled_from([8, 16, 64, 128]),
        draws=st.lists(st.integers(0, 1000), max_size=max_tokens),
        depth=st.sampled_from([1, 40, 128, 300]),
        outputs=st.sampled_from([(24, 8, 8), (30, 30), (150,), (1,)]),
        dtype=st.sampled_from(dtypes),
        padding=st.integers(0, 3),
        seed=st.integers(0, 2**31),
    )


@settings(max_examples=25, deadline=None)
@given(case=cases(20, DTYPES))
def test_adapters_of_all_ranks_in_one_batch(run, case):
    *_, out = run(ADD, *case.build())[1]
    assert_close(out, case.expected())


@settings(max_examples=30, deadline=None)
@given(case=cases(40, DTYPES))
def test_the_reference(case):
    x, a, b, ranks, tokens, slots, outputs, out = case.build()
    hidden = lora_reference.lora_shrink(x, a, ranks, tokens, slots)
    lora_reference.lora_expand(hidden, b, ranks, tokens, slots, outputs, out)
    assert_close(out, case.expected())


@pytest.mark.parametrize("max_rank", [16, 256])
def test_many_tokens_and_a_split_depth(run, max_rank):
    slots = tuple(token % 3 - 1 for token in range(300))
    case = LoraCase(
        slots, ranks=(max_rank, 1), max_rank=max_rank, depth=2100, outputs=(40,), padding=7
    )
    assert num_splits(case.depth) == 2
    *_, out = run(ADD, *case.build())[1]
    assert_close(out, case.expected(), roundings=4)


def test_a_token_is_the_same_whoever_rides_with_it(run):
    alone = LoraCase((1,), ranks=(4, 16), max_rank=16, depth=1100, padding=6)
    x, a, b, ranks, *_ = alone.build()
    together = lora_tiles(np.array([1, 0, 0, 1, -1, 0, 1], dtype=np.int32), 7, 2)
    x = torch.cat((x[:1], torch.randn(6, x.shape[1])))
    out = torch.zeros(7, sum(alone.outputs))
    results = [
        run(ADD, x, a, b, ranks, *map(torch.from_numpy, tiles), alone.outputs, out)[1][-1]
        for tiles in (lora_tiles(np.array([1], dtype=np.int32), 7, 2), together)
    ]
    assert torch.equal(results[0][0], results[1][0])
    assert not results[0][1:].any()


@given(
    draws=st.lists(st.integers(-1, 9), max_size=400),
    spare=st.integers(0, 40),
    num_slots=st.integers(10, 12),
)
def test_tiles_hold_every_token_with_an_adapter_once(draws, spare, num_slots):
    slots = np.array(draws, dtype=np.int32)
    num_tokens = len(slots) + spare
    tokens, owners = lora_tiles(slots, num_tokens, num_slots)
    assert tokens.shape == (most_tiles(num_tokens, num_slots), tile_rows(num_tokens))
    assert owners.shape == tokens.shape[:1]
    seen = []
    for row, owner in zip(tokens, owners, strict=True):
        members = row[row >= 0]
        assert (row[len(members) :] == -1).all()
        assert (len(members) > 0) == (owner >= 0)
        assert (slots[members] == owner).all()
        seen += members.tolist()
    assert sorted(seen) == np.flatnonzero(slots >= 0).tolist()


@given(
    counts=st.lists(st.integers(0, 300), min_size=1, max_size=8),
    spare_slots=st.integers(0, 3),
)
def test_no_step_needs_more_tiles_than_there_is_room_for(counts, spare_slots):
    rows = tile_rows(sum(counts))
    needed = sum(-(-count // rows) for count in counts)
    assert needed <= most_tiles(sum(counts), len(counts) + spare_slots)


def test_a_launch_depends_on_sizes_alone():
    """What a graph of a step records holds for every batch that fits into it."""

    def grid(slots):
        x, a, _, ranks, tokens, owners, _, _ = LoraCase(
            slots, ranks=(8, 64), max_rank=64, padding=16 - len(slots)
        ).build()
        hidden = torch.empty(num_splits(x.shape[1]), 16, 3, 64)
        (launch,) = lora_shrink_launches(
            x, a, ranks, tokens, owners, hidden=hidden, chip=AHEAD_OF_TIME["sm_90"]
        )
        return launch.grid, launch.binary

    assert grid(()) == grid((0, 1, 1, -1)) == grid((1,) * 16)


@pytest.mark.parametrize(
    ("index", "change", "message"),
    [
        (0, lambda t: t.double(), "lora_shrink: x is torch.float64"),
        (0, lambda t: t[:, :8], r"lora_shrink: a \(2, 3, 8, 40\) is not \[L, O, R, K\]"),
        (1, lambda t: t.half(), "lora_shrink: a is torch.float16"),
        (3, lambda t: t[:1], r"lora_shrink: ranks \(1,\) is not \(2,\)"),
        (3, lambda t: t.long(), "lora_shrink: ranks is torch.int64"),
        (5, lambda t: t[:1], r"lora_shrink: tile_slots \(1,\) is not one for each row"),
        (2, lambda t: t[:, :, 1:], r"lora_expand: b \(2, 8, 39\) is not \[L, R, N\]"),
        (
            2,
            lambda t: t[:, :4].contiguous(),
            r"lora_expand: hidden is .* not float32 \[S, 2, 3, 4\]",
        ),
        (6, lambda t: (24, 8), r"lora_expand: outputs \(24, 8\) are not 1 to 3 with 40 features"),
        (6, lambda t: (10,) * 4, r"lora_expand: outputs \(10, 10, 10, 10\) are not 1 to 3"),
        (7, lambda t: t.half(), "lora_expand: b is torch.float32"),
    ],
)
def test_refusals(index, change, message):
    args = list(LoraCase((0, 1), ranks=(8, 4), max_rank=8).build())
    args[index] = change(args[index])
    x, a, b, *tiles, outputs, out = args

    def run_both():
        lora_shrink(x, a, *tiles)
        hidden = lora_reference.lora_shrink(x, a, *tiles)
        lora_expand(hidden, b, *tiles, outputs, out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Launch, "run", lambda launch, device: None)
        patch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
        with pytest.raises(KernelError, match=message):
            run_both()
