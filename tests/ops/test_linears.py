"""Every format of a linear map against its own weights in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.mesh.errors import RostraError
from rostra.mesh.ops import linears
from rostra.mesh.ops.linears import make_linear
from rostra.mesh.ops.linears.quantise import quantise
from rostra.mesh.ops.native import library

FORMATS = ["float32", "float16", "bfloat16", "int8", "int4"]
TOLERANCE = {"float32": 2e-6, "float16": 2e-6, "bfloat16": 2e-6, "int8": 6e-3, "int4": 8e-3}
"""Of the error's norm in that of the result: for quantised weights, what quantising x costs."""


@pytest.fixture(params=["compiled", "PyTorch"])
def kernels(request, monkeypatch):
    if request.param == "compiled":
        assert library() is not None
    else:
        monkeypatch.setattr(linears, "library", lambda: None)
    return request.param


@pytest.fixture(scope="module")
def compiled():
    assert library() is not None


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(name, weight, bias=None):
    """The linear map in a format, and the weights that it ought to multiply with."""
    if name in ("int8", "int4"):
        held = quantise(weight, int(name[3:])).dequantise()
        return make_linear(weight, bias, name), held
    weight = weight.to(getattr(torch, name)).float()
    return make_linear(weight, bias), weight


def error(found, expected):
    return ((found - expected).norm() / expected.norm().clamp_min(1e-30)).item()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("shape", [(16, 32), (50, 72), (1, 1), (33, 31), (200, 700)], ids=str)
def test_product(kernels, name, shape, biased):
    weight, bias = random(*shape).div(9), random(shape[0], seed=1) if biased else None
    linear, held = made(name, weight, bias)
    for rows in (1, 2, 5, 6, 7, 13, 40, 300):
        x = random(rows, shape[1], seed=rows)
        expected = x.double() @ held.double().T + (0 if bias is None else bias.double())
        assert error(linear(x), expected) < TOLERANCE[name], rows


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(FORMATS),
    rows=st.integers(0, 300),
    out_features=st.integers(1, 150),
    in_features=st.integers(1, 1400),
    threads=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_rows_do_not_depend_on_their_company(
    compiled, name, rows, out_features, in_features, threads, seed
):
    linear, held = made(name, random(out_features, in_features, seed=seed))
    x = random(rows, in_features, seed=seed + 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        together = linear(x)
        alone = [linear(row.unsqueeze(0)) for row in x[:: max(1, rows // 5)]]
        few = linear(x[: rows // 3])
    finally:
        torch.set_num_threads(before)
    assert together.shape == (rows, out_features)
    # A single sum may nearly cancel: what counts is the size such sums have.
    size = torch.outer(x.double().norm(dim=1), held.double().norm(dim=1)) / in_features**0.5
    distance = (together - x.double() @ held.double().T).abs()
    assert (distance <= 8 * TOLERANCE[name] * size).all()
    if rows:
        assert torch.equal(torch.cat(alone), together[:: max(1, rows // 5)])
    assert torch.equal(few, together[: rows // 3])


@pytest.mark.parametrize("name", FORMATS)
def test_inputs_that_are_not_contiguous(kernels, name):
    linear, _ = made(name, random(50, 72))
    wide = random(8, 300)
    for x in (wide[:, :72], wide[::2, 3:75], random(72, 8).T, wide[:1, ::4][:, :72]):
        assert torch.equal(linear(x), linear(x.contiguous()))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_dtype_of_the_input_is_that_of_the_result(compiled, name, dtype):
    linear, held = made(name, random(50, 72))
    x = random(5, 72).to(dtype)
    found = linear(x)
    assert found.dtype == dtype
    assert error(found, x.double() @ held.double().T) < 1e-2


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("rows", [1, 20])
def test_what_is_not_finite_is_seen_in_its_row_only(kernels, name, value, rows):
    linear, _ = made(name, random(50, 72))
    x = random(rows, 72)
    clean = linear(x)
    x[rows // 2, 40] = value
    found = linear(x)
    assert not found[rows // 2].isfinite().any()
    others = torch.arange(rows) != rows // 2
    assert torch.equal(found[others], clean[others])


@pytest.mark.parametrize("name", FORMATS)
def test_zeros(kernels, name):
    linear, _ = made(name, torch.zeros(20, 64))
    assert torch.equal(linear(random(3, 64)), torch.zeros(3, 20))
    linear, _ = made(name, random(20, 64))
    assert torch.equal(linear(torch.zeros(3, 64)), torch.zeros(3, 20))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("magnitude", [1e-12, 1e-4, 1e6, 1e20])
def test_magnitudes(compiled, name, magnitude):
    if name == "float16" and magnitude != 1e-4:
        pytest.skip("beyond the range of float16")
    linear, held = made(name, random(20, 64).mul(magnitude))
    x = random(7, 64).mul(1e-3)
    assert error(linear(x), x.double() @ held.double().T) < TOLERANCE[name]


def test_weights_that_fit_into_no_16_bits_keep_32(compiled):
    weight, x = random(50, 72), random(4, 72)
    assert error(make_linear(weight, None)(x), x.double() @ weight.double().T) < 1e-6


def test_sensitive_weights_keep_eight_bits(kernels):
    weight, x = random(50, 72), random(4, 72)
    assert torch.equal(
        make_linear(weight, None, "int4", sensitive=True)(x), make_linear(weight, None, "int8")(x)
    )


def test_wrong_width_is_refused(compiled):
    with pytest.raises(ValueError, match="takes"):
        make_linear(random(50, 72), None)(random(3, 71))


def test_fp8_is_refused():
    with pytest.raises(RostraError, match="use none, int8 or int4"):
        make_linear(random(8, 32), None, "fp8")
