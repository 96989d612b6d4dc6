"""The attention kernels compute what the reference computes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, FP8, HEADS, PAGES, AttentionCase, assert_close, batches

from rostra.kernels import reference

KERNEL = "rostra.kernels.paged_attention.paged_attention"
SEGMENTS = "kernel_backends.attend_in_segments"
SENTINEL = 7.0


def expected_of(args, options):
    out = torch.full_like(args[0], SENTINEL)
    return reference.paged_attention(*args, **options, out=out)


def actual_of(run, args, options, function=KERNEL, **further):
    """Into a given tensor, so that what is written beside the rows shows as well."""
    result, _ = run(function, *args, **options, **further, out=torch.full_like(args[0], SENTINEL))
    return result


@settings(max_examples=24, deadline=None)
@given(case=batches(4, 20, HEADS))
def test_any_batch_equals_the_reference(run, case):
    args, options = case.build()
    assert_close(actual_of(run, args, options), expected_of(args, options))


@settings(max_examples=12, deadline=None)
@given(case=batches(2, 4, [(9, 3), (6, 2), (16, 1)]), capacity=st.integers(2, 6))
def test_split_keys_equal_the_reference(run, case, capacity):
    args, options = case.build()
    actual = actual_of(run, args, options, SEGMENTS, capacity=capacity)
    assert_close(actual, expected_of(args, options))


@pytest.mark.parametrize("group", range(1, 17))
def test_every_grouping_decodes(run, group):
    case = AttentionCase(
        ((1, 40), (1, 0), (1, 33)),
        heads=(2 * group, 2),
        page=PAGES[group % len(PAGES)],
        dtype=DTYPES[group % len(DTYPES)],
        cache_dtype=FP8 if group % 2 else None,
    )
    args, options = case.build()
    assert_close(actual_of(run, args, options), expected_of(args, options))


@pytest.mark.parametrize("cache_dtype", [None, FP8], ids=["same type", "fp8"])
def test_prompts_and_decoding_share_a_launch(run, cache_dtype):
    """Tall tiles, whole and masked, beside split keys and a sequence that is not there."""
    case = AttentionCase(
        ((1, 200), (70, 30), (1, 9), (0, 0), (3, 50)),
        heads=(4, 2),
        dtype=torch.float16,
        cache_dtype=cache_dtype,
        padding=2,
    )
    args, options = case.build()
    expected = expected_of(args, options)
    assert_close(actual_of(run, args, options), expected)
    assert_close(actual_of(run, args, options, SEGMENTS, capacity=4), expected)


@pytest.mark.parametrize("new", [20, 60], ids=["medium tile", "tall tile"])
def test_long_queries_take_several_tiles(run, new):
    case = AttentionCase(((new, 45), (new - 7, 0), (1, 90)), heads=(8, 2), dtype=torch.float16)
    args, options = case.build()
    assert_close(actual_of(run, args, options), expected_of(args, options))


@pytest.mark.parametrize("head_size", [128, 256])
def test_large_heads(run, head_size):
    case = AttentionCase(((3, 40),), (4, 2), head_size, dtype=torch.float16)
    args, options = case.build()
    assert_close(actual_of(run, args, options), expected_of(args, options))


def test_a_long_context_is_split_by_itself(run):
    """One sequence under a bound as a captured graph has it: far above its length."""
    args, options = AttentionCase(((1, 700),), heads=(4, 1), head_size=16).build()
    expected = expected_of(args, options)
    assert_close(actual_of(run, args, {**options, "max_seq_len": 8192}), expected)
    whole = actual_of(run, args, options, SEGMENTS, capacity=1)
    assert_close(whole, expected)


def test_bounds_choose_the_launch_and_nothing_else(run):
    args, options = AttentionCase(((5, 30), (1, 12)), dtype=torch.float16).build()
    expected = expected_of(args, options)
    for bound in (5, 16, 4096):
        wider = {**options, "max_query_len": bound, "max_seq_len": 4096}
        assert_close(actual_of(run, args, wider), expected)


def test_sequences_without_new_tokens_change_nothing(run):
    """A padded batch ends in sequences of length zero."""
    args, options = AttentionCase(((4, 9), (1, 20)), padding=3).build()
    query, key_cache, value_cache, block_table, query_start, seq_lens = args
    padded = (
        query,
        key_cache,
        value_cache,
        torch.cat((block_table, torch.full_like(block_table, 2**30))),
        torch.cat((query_start, query_start[-1:], query_start[-1:])),
        torch.cat((seq_lens, torch.zeros_like(seq_lens))),
    )
    expected = expected_of(args, options)
    assert_close(actual_of(run, padded, options), expected)
    assert_close(actual_of(run, padded, options, SEGMENTS, capacity=3), expected)


def test_query_may_be_a_view_of_a_fused_projection(run):
    args, options = AttentionCase(((2, 30),), heads=(6, 2)).build()
    expected = expected_of(args, options)
    fused = torch.full((2, 10, 64), float("nan"))
    fused[:, :6] = args[0]
    result, _ = run(KERNEL, fused[:, :6], *args[1:], **options)
    assert_close(result, expected)


def test_soft_cap_and_window_matter(run):
    """Guards the comparisons above: both options change the answer they compare."""
    case = AttentionCase(((3, 50),))
    args, options = case.build()
    plain = actual_of(run, args, options)
    for option in ({"sliding_window": 8}, {"soft_cap": 0.5}):
        changed_args, changed_options = dataclasses.replace(case, **option).build()
        assert (actual_of(run, changed_args, changed_options) - plain).abs().max() > 0.05


def test_no_tokens(run):
    args, options = AttentionCase(((1, 3),)).build()
    result, _ = run(KERNEL, args[0][:0], *args[1:4], torch.zeros(2).int(), args[5], **options)
    assert result.shape == (0, 9, 64)


def test_pages_beyond_two_to_the_31_elements(run):
    error, _ = run("kernel_backends.attend_far_away", run.device, torch.float16)
    assert error < 2**-8
