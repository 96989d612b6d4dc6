"""A mixture of experts is what its reference computes, and that is what transformers computes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, assert_close
from transformers import MixtralConfig, Qwen3MoeConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

from rostra.kernels import moe_reference as reference
from rostra.kernels.chip import AHEAD_OF_TIME, Chip
from rostra.kernels.launch import KernelError
from rostra.kernels.moe import mixture_of_experts, mixture_of_experts_launches
from rostra.kernels.moe_tile import choose_expert_tile, max_tiles
from rostra.kernels.quantize import quantize_weight
from rostra.kernels.quantized_matmul import WEIGHT_TYPES

ROUTE = "rostra.kernels.moe_routing.route"
GROUP = "moe_backends.group"
MIX = "moe_backends.mix"
dtypes = st.sampled_from(DTYPES)
seeds = st.integers(0, 2**31)


@st.composite
def routings(draw, max_tokens=40):
    """(logits, top_k), with experts that no token, or every token, goes to, and equal logits."""
    num_experts = draw(st.sampled_from([1, 2, 5, 8, 17, 60]))
    num_tokens = draw(st.integers(0, max_tokens))
    top_k = draw(st.integers(1, min(num_experts, 8)) | st.just(num_experts))
    generator = torch.Generator().manual_seed(draw(seeds))
    logits = torch.randn(num_tokens, num_experts, generator=generator) * 3
    match draw(st.sampled_from(["spread", "one", "equal", "infinite"])):
        case "one":
            logits[:, draw(st.integers(0, num_experts - 1))] += 100.0
        case "equal":
            logits = logits.round().clamp_(-1, 1)
        case "infinite":
            logits[:, num_experts // 2 + 1 :] = -torch.inf
    return logits, top_k


def make(num_tokens, num_experts, hidden, intermediate, dtype, seed=0):
    """x, gate_up and down, whose results are of the order of 1."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    return (
        normal(num_tokens, hidden).to(dtype),
        (normal(num_experts, 2 * intermediate, hidden) * hidden**-0.5).to(dtype),
        (normal(num_experts, hidden, intermediate) * intermediate**-0.5).to(dtype),
    )


@settings(max_examples=25, deadline=None)
@given(routing=routings(), renormalize=st.booleans(), dtype=dtypes)
def test_routing(run, routing, renormalize, dtype):
    logits, top_k = routing
    logits = logits.to(dtype)
    (factors, experts), _ = run(ROUTE, logits, top_k=top_k, renormalize=renormalize)
    expected, chosen = reference.route(logits, top_k=top_k, renormalize=renormalize)
    assert torch.equal(experts, chosen)
    assert_close(factors, expected)


@pytest.mark.parametrize("renormalize", [True, False])
def test_reference_chooses_what_topk_does(renormalize):
    """PyTorch leaves open which of equal values it returns, but not the values."""
    logits = torch.randn(50, 9).round(decimals=1)
    factors, experts = reference.route(logits, top_k=4, renormalize=renormalize)
    likelihood = logits.softmax(-1)
    best = likelihood.topk(4).values
    torch.testing.assert_close(likelihood.gather(1, experts.long()), best)
    torch.testing.assert_close(factors, best / best.sum(-1, keepdim=True) if renormalize else best)


def test_every_expert_chosen_exists_whatever_the_logits(run):
    nan, inf = torch.nan, torch.inf
    logits = torch.tensor(
        [[nan, 1.0, nan], [inf, 0.0, -inf], [-inf, -inf, -inf], [-0.0, 0.0, -1.0], [nan] * 3]
    )
    (factors, experts), _ = run(ROUTE, logits, top_k=2, renormalize=False)
    assert experts.tolist() == [[0, 2], [0, 1], [0, 1], [0, 1], [0, 1]]
    assert factors.isnan().any(1).tolist() == [True, True, True, False, True]


@settings(max_examples=25, deadline=None)
@given(routing=routings(max_tokens=150), block_m=st.sampled_from([1, 16, 64]))
def test_pairs_stand_in_order_in_tiles_of_one_expert(run, routing, block_m):
    logits, top_k = routing
    num_tokens, num_experts = logits.shape
    num_pairs = num_tokens * top_k
    (experts, pairs, tile_experts), _ = run(GROUP, logits, top_k, block_m)
    experts = experts.flatten()
    tiles = max_tiles(num_pairs, num_experts, block_m)
    assert tile_experts.shape == (tiles,)
    used = [block_m * tile for tile, expert in enumerate(tile_experts.tolist()) if expert >= 0]
    assert tile_experts.tolist() == sorted(tile_experts[: len(used)].tolist()) + [-1] * (
        tiles - len(used)
    )
    placed = {}
    for tile, first in enumerate(used):
        rows = pairs[first : first + block_m].tolist()
        mine = [pair for pair in rows if pair != num_pairs]
        assert mine
        assert rows == mine + [num_pairs] * (block_m - len(mine))
        placed.setdefault(int(tile_experts[tile]), []).extend(mine)
    assert placed == {
        expert: (experts == expert).nonzero().flatten().tolist()
        for expert in sorted(set(experts.tolist()))
    }


@settings(max_examples=25, deadline=None)
@given(
    routing=routings(max_tokens=12),
    hidden=st.sampled_from([1, 16, 40, 96]),
    intermediate=st.sampled_from([1, 16, 50, 64]),
    renormalize=st.booleans(),
    dtype=dtypes,
    seed=seeds,
)
def test_mixture(run, routing, hidden, intermediate, renormalize, dtype, seed):
    logits, top_k = routing
    x, *weights = make(*logits.shape, hidden, intermediate, dtype, seed)
    options = {"top_k": top_k, "renormalize": renormalize}
    result, _ = run(MIX, x, logits.to(dtype), weights, dtype, [None, None], options)
    expected = reference.mixture_of_experts(x, logits.to(dtype), *weights, **options)
    # The activation, each expert's output and the sum are rounded; the reference rounds once.
    assert_close(result, expected, roundings=6)


@pytest.mark.parametrize("num_tokens", [17, 40, 80, 160])
def test_taller_tiles(run, num_tokens):
    """One for each number of pairs that a tile is chosen by, and experts of several tiles."""
    logits = torch.randn(num_tokens, 2, generator=torch.Generator().manual_seed(1))
    x, *weights = make(num_tokens, 2, 64, 32, torch.float16)
    options = {"top_k": 1, "renormalize": False}
    result, _ = run(MIX, x, logits, weights, torch.float16, [None, None], options)
    expected = reference.mixture_of_experts(x, logits, *weights, **options)
    assert_close(result, expected, roundings=6)


@pytest.mark.parametrize("weight_type", WEIGHT_TYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_quantised_weights(run, dtype, weight_type):
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))
    x, *weights = make(9, 4, 72, 40, dtype)
    quantized, scales = [], []
    for weight in weights:
        values, scale = quantize_weight(weight.flatten(0, 1), weight_type)
        quantized.append(values.view(weight.shape))
        scales.append(scale.view(weight.shape[:2]))
    options = {"top_k": 2, "renormalize": True}
    packed = [weight.view(torch.uint8) for weight in quantized]
    result, _ = run(MIX, x, logits.to(dtype), packed, weight_type, scales, options)
    expected = reference.mixture_of_experts(x, logits.to(dtype), *quantized, *scales, **options)
    assert_close(result, expected, roundings=6)


def test_a_token_does_not_depend_on_the_others(run):
    """Bit for bit, as long as the tile is the same."""
    logits = torch.randn(12, 6, generator=torch.Generator().manual_seed(3))
    x, *weights = make(12, 6, 48, 32, torch.float32)
    options = {"top_k": 3, "renormalize": True}
    together, _ = run(MIX, x, logits, weights, torch.float32, [None, None], options)
    for part in (slice(0, 1), slice(4, 9)):
        alone, _ = run(MIX, x[part], logits[part], weights, torch.float32, [None, None], options)
        assert torch.equal(alone, together[part])


@pytest.mark.parametrize(
    ("block", "config"),
    [
        (MixtralSparseMoeBlock, MixtralConfig(num_local_experts=5, num_experts_per_tok=2)),
        (Qwen3MoeSparseMoeBlock, Qwen3MoeConfig(num_experts=7, num_experts_per_tok=3)),
        (Qwen3MoeSparseMoeBlock, Qwen3MoeConfig(num_experts=4, norm_topk_prob=True)),
    ],
    ids=["mixtral", "qwen3", "qwen3 renormalised, all"],
)
@torch.inference_mode()
def test_reference_is_the_block_of_transformers(block, config):
    torch.manual_seed(0)
    config.hidden_size, config.intermediate_size, config.moe_intermediate_size = 32, 24, 24
    config.num_experts_per_tok = min(config.num_experts_per_tok, config.num_experts)
    theirs = block(config).eval()
    for parameter in theirs.parameters():
        parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    x = torch.randn(20, 32)
    actual = reference.mixture_of_experts(
        x,
        x @ theirs.gate.weight.T,
        theirs.experts.gate_up_proj,
        theirs.experts.down_proj,
        top_k=config.num_experts_per_tok,
        renormalize=getattr(config, "norm_topk_prob", True),
    )
    torch.testing.assert_close(actual, theirs(x[None])[0], rtol=0, atol=1e-5)


@given(
    num_pairs=st.integers(1, 100_000),
    num_experts=st.integers(1, 512),
    aligned=st.booleans(),
    itemsize=st.sampled_from([2, 4]),
    chip=st.sampled_from(list(AHEAD_OF_TIME.values())),
)
def test_tiles(num_pairs, num_experts, aligned, itemsize, chip):
    tile = choose_expert_tile(num_pairs, num_experts, aligned, itemsize, chip)
    for size in (tile.block_m, tile.block_n, tile.block_k):
        assert size >= 16
        assert size & (size - 1) == 0
    most = max_tiles(num_pairs, num_experts, tile.block_m)
    # The worst case: as many experts as can have a single pair in their last tile.
    partial = min(num_experts, num_pairs)
    assert most >= partial - 1 + -(-(num_pairs - partial + 1) // tile.block_m)


def test_how_many_launches_and_their_grids_depend_on_shapes_alone():
    """So that they can stand in a graph: tensors without data are enough to decide them."""

    def grids(num_tokens):
        x, *weights = (t.to("meta") for t in make(num_tokens, 8, 64, 32, torch.bfloat16))
        launches = mixture_of_experts_launches(
            x,
            torch.empty(num_tokens, 8, device="meta"),
            *weights,
            None,
            None,
            top_k=2,
            renormalize=True,
            out=x,
            chip=AHEAD_OF_TIME["sm_90"],
        )
        return [launch.grid for launch in launches]

    assert grids(1) == [(1, 1, 1), (8, 1, 1), (2, 1, 1), (2, 1, 1), (1, 1, 1)]
    assert [grid[0] for grid in grids(4)] == [1, 8, 8, 8, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": lambda t: t.double()}, "x is torch.float64"),
        ({"x": lambda t: t[:, :8]}, r"x \(3, 8\), gate_up \(4, 20, 16\) and down \(4, 16, 10\)"),
        ({"logits": lambda t: t[:2]}, r"router_logits \(2, 4\) on cpu is not \(3, 4\)"),
        ({"logits": lambda t: t[:, :1]}, r"top_k 2 of router_logits \(3, 1\)"),
        ({"gate_up": lambda t: t.half()}, "gate_up is torch.float16 on cpu without a scale"),
        ({"down": lambda t: t.to(torch.int8)}, "down is torch.int8 on cpu without a scale"),
        ({"down": lambda t: t[:3]}, r"down \(3, 16, 10\) are not"),
        ({"down": lambda t: t.mT.contiguous().mT}, "the last dimension of down has stride"),
    ],
)
def test_refusals(monkeypatch, change, message):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
    x, gate_up, down = make(3, 4, 16, 10, torch.float32)
    args = {"x": x, "logits": torch.zeros(3, 4), "gate_up": gate_up, "down": down}
    args = {name: change.get(name, lambda t: t)(value) for name, value in args.items()}
    with pytest.raises(KernelError, match="mixture_of_experts: .*" + message):
        mixture_of_experts(*args.values(), top_k=2, renormalize=True)


def test_scales_of_another_shape_are_refused(monkeypatch):
    monkeypatch.setattr(Chip, "of", lambda device: AHEAD_OF_TIME["sm_90"])
    x, gate_up, down = make(3, 4, 16, 10, torch.float32)
    weights = [gate_up.to(torch.int8), down.to(torch.int8)]
    with pytest.raises(KernelError, match=r"scale of down is not float32 \(4, 16\)"):
        mixture_of_experts(
            x,
            torch.zeros(3, 4),
            *weights,
            torch.ones(4, 20),
            torch.ones(4, 10),
            top_k=2,
            renormalize=True,
        )
