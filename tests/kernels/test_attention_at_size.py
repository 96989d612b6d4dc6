"""Attention at the sizes it is for, against the reference: on a GPU only."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from kernel_backends import Gpu, call
from kernel_cases import FP8, PAGES, AttentionCase, assert_close

from rostra.kernels import reference
from rostra.kernels.chip import Chip

pytestmark = pytest.mark.gpu
KERNEL = "rostra.kernels.paged_attention.paged_attention"
CASES = {
    "decode": AttentionCase(tuple((1, 97 * s) for s in range(32)), (32, 8), 128),
    "decode, one long": AttentionCase(((1, 100_000), (1, 500), (1, 12)), (32, 8), 128),
    "verify": AttentionCase(((5, 9000), (3, 20), (1, 4000)), (32, 8), 128),
    "prefill": AttentionCase(((2048, 0), (700, 3000), (129, 1)), (32, 8), 128),
    "mixed": AttentionCase(((1, 5000), (1000, 77), (1, 3), (0, 0), (4, 900)), (32, 8), 128),
    "window": AttentionCase(
        ((1, 5000), (1000, 77)), (16, 8), 256, sliding_window=512, soft_cap=50.0
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _gpu():
    if not torch.cuda.is_available():
        pytest.skip("no GPU")


def compare(case, **further):
    args, options = case.build()
    options |= further
    filled = args[4][-1]
    actual, _ = call(KERNEL, Gpu.device, args, options)
    # The reference on the GPU too: it takes minutes on a CPU at these sizes.
    expected = reference.paged_attention(*(arg.to(Gpu.device) for arg in args), **options).cpu()
    assert_close(actual[:filled], expected[:filled])


@pytest.mark.parametrize("one_byte", [False, True], ids=["same type", "fp8"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_real_sizes(name, dtype, one_byte):
    if one_byte and not Chip.of(torch.device("cuda")).converts_fp8:
        pytest.skip("nothing here converts float8_e4m3fn")
    case = dataclasses.replace(CASES[name], dtype=dtype, cache_dtype=FP8 if one_byte else None)
    compare(case, max_seq_len=131_072)


@pytest.mark.parametrize("head_size", [64, 80, 128, 256])
@pytest.mark.parametrize("group", range(1, 17))
def test_every_grouping(group, head_size):
    lengths = ((1, 3000), (1, 90), (150, 1000))
    page = PAGES[group % len(PAGES)]
    compare(AttentionCase(lengths, (2 * group, 2), head_size, page, torch.bfloat16))


def test_a_captured_graph_follows_the_lengths():
    """What changes between replays lies on the device; the launch stays as it was captured."""
    from rostra.kernels.paged_attention import paged_attention

    cases = [
        AttentionCase(lengths, (32, 8), 128, dtype=torch.bfloat16, seed=7)
        for lengths in (((1, 4000), (1, 7), (1, 999)), ((1, 12), (1, 3500), (0, 0)))
    ]
    built = [case.build() for case in cases]
    pages = max(args[1].shape[0] for args, _ in built)
    width = max(args[3].shape[1] for args, _ in built)
    static = [
        torch.zeros(3, 32, 128, dtype=torch.bfloat16, device="cuda"),
        *(torch.zeros(pages, 16, 8, 128, dtype=torch.bfloat16, device="cuda") for _ in range(2)),
        torch.zeros(3, width, dtype=torch.int32, device="cuda"),
        torch.tensor([0, 1, 2, 3], dtype=torch.int32, device="cuda"),
        torch.ones(3, dtype=torch.int32, device="cuda"),
    ]
    options = {**built[0][1], "max_seq_len": 131_072}
    paged_attention(*static, **options)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = paged_attention(*static, **options)
    for args, _ in built:
        for target, source in zip(static, args, strict=True):
            target[tuple(slice(n) for n in source.shape)].copy_(source)
        graph.replay()
        expected = reference.paged_attention(*static, **options)
        filled = int(args[4][-1])
        assert_close(out[:filled].cpu(), expected[:filled].cpu())
