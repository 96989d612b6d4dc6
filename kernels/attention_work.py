"""Which program of paged attention does what, worked out by each program from the lengths.

The lengths are on the device and are not read back: the host knows only how many sequences there
are, and launches as many programs as any lengths could need.
"""

from __future__ import annotations

import triton
import triton.language as tl

CHUNK = tl.constexpr(256)
"""Sequences looked at in one load; any number is worked through."""


@triton.jit
def find_query_tile(  # type: ignore[no-untyped-def]
    query_start_ptr, num_seqs, index, BLOCK_Q: tl.constexpr
):
    """The sequence that tile `index` of BLOCK_Q query tokens belongs to.

    Sequence s owns the tiles from query_start[s] // BLOCK_Q + s on: never fewer than it needs, and
    known without counting the tiles of the sequences before it.
    """
    before = 0
    for chunk in range(0, num_seqs, CHUNK):
        seq = chunk + tl.arange(0, CHUNK)
        start = tl.load(query_start_ptr + seq, mask=seq < num_seqs, other=0)
        owned = (start // BLOCK_Q + seq <= index) & (seq < num_seqs)
        before += tl.sum(owned.to(tl.int32))
    return before - 1


@triton.jit
def key_tiles(  # type: ignore[no-untyped-def]
    first_query, end_query, BLOCK_N: tl.constexpr, WINDOW: tl.constexpr
):
    """The tiles that hold the keys seen from positions first_query : end_query: first, end."""
    first = 0
    if WINDOW > 0:
        first = tl.maximum(first_query - (WINDOW - 1), 0) // BLOCK_N
    return first, (end_query + (BLOCK_N - 1)) // BLOCK_N


@triton.jit
def _tiles_to_split(  # type: ignore[no-untyped-def]
    query_start_ptr,
    seq_lens_ptr,
    num_seqs,
    seq,
    GROUP: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    WINDOW: tl.constexpr,
):
    """How many key tiles each sequence of `seq` has; none where its queries do not fit BLOCK_M."""
    there = seq < num_seqs
    begin = tl.load(query_start_ptr + seq, mask=there, other=0)
    query_len = tl.load(query_start_ptr + seq + 1, mask=there, other=0) - begin
    seq_len = tl.load(seq_lens_ptr + seq, mask=there, other=0)
    first, end = key_tiles(seq_len - query_len, seq_len, BLOCK_N, WINDOW)
    splits = there & (query_len > 0) & (query_len * GROUP <= BLOCK_M)
    return tl.where(splits, end - first, 0)


@triton.jit
def find_segment(  # type: ignore[no-untyped-def]
    query_start_ptr,
    seq_lens_ptr,
    num_seqs,
    index,
    capacity,
    least_tiles,
    GROUP: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    WINDOW: tl.constexpr,
):
    """The sequence that segment `index` of keys belongs to: sequence, its first segment, how many.

    All key tiles of the batch are dealt out in equal segments, about `capacity` of them but none
    shorter than `least_tiles`, so that one long sequence among short ones is cut as often as one
    that is alone, and a short one not at all. There are at most capacity + num_seqs segments; for
    an index beyond the last the count is 0.
    """
    total = 0
    for chunk in range(0, num_seqs, CHUNK):
        seq = chunk + tl.arange(0, CHUNK)
        tiles = _tiles_to_split(
            query_start_ptr, seq_lens_ptr, num_seqs, seq, GROUP, BLOCK_M, BLOCK_N, WINDOW
        )
        total += tl.sum(tiles)
    longest = tl.maximum((total + capacity - 1) // capacity, least_tiles)

    found = 0
    first = 0
    count = 0
    passed = 0
    for chunk in range(0, num_seqs, CHUNK):
        seq = chunk + tl.arange(0, CHUNK)
        tiles = _tiles_to_split(
            query_start_ptr, seq_lens_ptr, num_seqs, seq, GROUP, BLOCK_M, BLOCK_N, WINDOW
        )
        segments = (tiles + longest - 1) // longest
        end = passed + tl.cumsum(segments, 0)
        hit = (end - segments <= index) & (index < end)
        found += tl.sum(tl.where(hit, seq, 0))
        first += tl.sum(tl.where(hit, end - segments, 0))
        count += tl.sum(tl.where(hit, segments, 0))
        passed += tl.sum(segments)
    return found, first, count
