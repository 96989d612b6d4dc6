"""A mixture of experts on CPUs, and how a GPU's weights are laid out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.kernels import moe_reference as reference
from rostra.kernels.quantize import quantize_weight
from rostra.mesh.errors import RostraError
from rostra.mesh.ops import triton_experts
from rostra.mesh.ops.coded_weight import CodedWeight
from rostra.mesh.ops.native import library
from rostra.mesh.ops.native_cpu import NativeCpuOps
from rostra.mesh.ops.torch_cpu import TorchCpuOps
from rostra.mesh.ops.triton_experts import TritonExperts

OPTIONS = {"top_k": 3, "renormalize": True}
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}


@pytest.fixture(autouse=True)
def threads():
    """Sets the number of threads for the test's time."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def make_ops(implementation, dtype=torch.float32, quantization="none"):
    if implementation == "torch":
        return TorchCpuOps(dtype, quantization)
    return NativeCpuOps(library(), dtype, quantization)


def make(num_tokens, num_experts, hidden=48, intermediate=40, dtype=torch.float32, seed=0):
    """x, router logits, gate_up and down, whose results are of the order of 1."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    return (
        normal(num_tokens, hidden).to(dtype),
        normal(num_tokens, num_experts).to(dtype),
        (normal(num_experts, 2 * intermediate, hidden) * hidden**-0.5).to(dtype),
        (normal(num_experts, hidden, intermediate) * intermediate**-0.5).to(dtype),
    )


def lay_out(ops, gate_up, down):
    experts = ops.experts(len(down))
    for weights in zip(gate_up, down, strict=True):
        experts.add(*weights)
    return experts


@settings(max_examples=40, deadline=None)
@given(
    implementation=st.sampled_from(["native", "torch"]),
    num_tokens=st.integers(1, 60),
    num_experts=st.sampled_from([1, 2, 7, 40]),
    top_k=st.integers(1, 40),
    renormalize=st.booleans(),
    dtype=st.sampled_from(list(TOLERANCE)),
    favourite=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_experts(
    implementation, num_tokens, num_experts, top_k, renormalize, dtype, favourite, seed
):
    x, logits, *weights = make(num_tokens, num_experts, dtype=dtype, seed=seed)
    logits[:, 0] += 50.0 * favourite
    options = {"top_k": min(top_k, num_experts), "renormalize": renormalize}
    experts = lay_out(make_ops(implementation, dtype), *weights)
    expected = reference.mixture_of_experts(x, logits, *weights, **options)
    found = experts(x, logits, **options)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected, rtol=0, atol=4 * TOLERANCE[dtype])


@pytest.mark.parametrize(("quantization", "tolerance"), [("int8", 0.015), ("int4", 0.2)])
def test_quantised_experts_stay_close(quantization, tolerance):
    x, logits, *weights = make(30, 8, hidden=128, intermediate=96)
    expected = reference.mixture_of_experts(x, logits, *weights, **OPTIONS)
    found = lay_out(make_ops("native", quantization=quantization), *weights)(x, logits, **OPTIONS)
    assert 0 < (found - expected).norm() / expected.norm() < tolerance


@pytest.mark.parametrize("quantization", ["none", "int8", "int4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_token_does_not_depend_on_the_others(threads, quantization, dtype):
    """Bit for bit, routing included, whatever comes with it and however many threads there are."""
    x, _, *weights = make(70, 9, hidden=100, intermediate=72, dtype=dtype)
    ops = make_ops("native", dtype, quantization)
    router = ops.router(torch.randn(9, 100, generator=torch.Generator().manual_seed(1)).to(dtype))
    experts = lay_out(ops, *weights)

    def run(part):
        return experts(part, router(part), **OPTIONS)

    together = run(x)
    for num_threads in (1, 2, 3):
        threads(num_threads)
        for first, last in ((0, 1), (5, 6), (3, 40), (11, 70), (69, 70)):
            assert torch.equal(run(x[first:last]), together[first:last])


def test_a_router_is_not_quantised():
    weight, x = torch.randn(6, 64), torch.randn(5, 64)
    for ops in (make_ops("native", quantization="int4"), make_ops("torch", quantization="int8")):
        torch.testing.assert_close(ops.router(weight)(x), x @ weight.T, rtol=0, atol=1e-5)


def test_experts_without_tokens_are_not_computed():
    x, logits, gate_up, down = make(5, 4)
    logits[:, 2] = -100.0
    gate_up[2] = torch.nan
    assert lay_out(make_ops("native"), gate_up, down)(x, logits, **OPTIONS).isfinite().all()


def test_a_token_that_cannot_be_routed_spoils_only_itself():
    x, logits, *weights = make(5, 4)
    experts = lay_out(make_ops("native"), *weights)
    expected = experts(x, logits, **OPTIONS)
    x[1], logits[1] = torch.nan, torch.nan
    found = experts(x, logits, **OPTIONS)
    assert found[1].isnan().all()
    others = [0, 2, 3, 4]
    assert torch.equal(found[others], expected[others])


@pytest.fixture
def called(monkeypatch):
    """What the kernels are called with."""
    seen = []
    monkeypatch.setattr(
        triton_experts, "mixture_of_experts", lambda *args, **options: seen.append(args)
    )
    return seen


@pytest.mark.parametrize("weight_type", [None, torch.int8])
def test_a_gpu_has_the_experts_side_by_side(called, weight_type):
    _, _, *weights = make(1, 3)
    experts = TritonExperts(3, weight_type)
    for pair in zip(*weights, strict=True):
        experts.add(*pair)
    experts(torch.zeros(1, 48), torch.zeros(1, 3), **OPTIONS)
    ((_, _, *values, gate_up_scale, down_scale),) = called
    for found, scale, weight in zip(values, (gate_up_scale, down_scale), weights, strict=True):
        if weight_type is None:
            assert torch.equal(found, weight)
            assert scale is None
        else:
            quantized, expected = quantize_weight(weight.flatten(0, 1), weight_type)
            assert torch.equal(found.flatten(0, 1), quantized)
            assert torch.equal(scale.flatten(), expected)


def coded(weight):
    """Per channel in eight bits, as checkpoints store them; and what that stands for."""
    codes, scale = quantize_weight(weight, torch.int8)
    groups = torch.zeros(weight.shape[1], dtype=torch.int64)
    made = CodedWeight(codes, scale[:, None], None, groups)
    return made, made.dequantise(torch.float32)


def test_codes_of_a_checkpoint_are_kept_on_a_cpu():
    x, logits, *weights = make(20, 5, hidden=64, intermediate=32)
    experts = make_ops("native").experts(5)
    rounded = [torch.empty_like(weight) for weight in weights]
    for index, pair in enumerate(zip(*weights, strict=True)):
        stored = [coded(weight) for weight in pair]
        experts.add(*(codes for codes, _ in stored))
        for target, (_, dense) in zip(rounded, stored, strict=True):
            target[index] = dense
    expected = reference.mixture_of_experts(x, logits, *rounded, **OPTIONS)
    found = experts(x, logits, **OPTIONS)
    # Rows of activations are rounded to eight bits as well.
    assert (found - expected).norm() / expected.norm() < 0.01


def test_codes_of_a_checkpoint_are_kept_on_a_gpu(called):
    _, _, *weights = make(1, 3)
    experts = TritonExperts(3, None)
    for gate_up, down in zip(*weights, strict=True):
        experts.add(coded(gate_up)[0], down)
    experts(torch.zeros(1, 48), torch.zeros(1, 3), **OPTIONS)
    ((_, _, gate_up, down, scale, none),) = called
    dense = torch.stack([coded(weight)[1] for weight in weights[0]])
    assert torch.equal(gate_up * scale[:, :, None], dense)
    assert torch.equal(down, weights[1])
    assert none is None
    with pytest.raises(RostraError, match=r"one has torch\.int8, another torch\.float32"):
        experts.add(weights[0][0], weights[1][0])
