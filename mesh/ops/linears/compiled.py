"""Linear maps by the compiled kernels: see native/matmul_float.cpp and matmul_integer.cpp."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor
from torch.nn import functional

from rostra.mesh.ops.linears.quantise import QuantisedWeight
from rostra.mesh.ops.native.recording import Kernel

_DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
"""The kernels' numbers for them."""
_INTEGER, _ADDRESS, _FLOAT = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float


class FloatLinear:
    """Weights in the 16 or 32 bits that they came in, multiplied in float32."""

    def __init__(self, kernels: ctypes.CDLL, weight: Tensor, bias: Tensor | None) -> None:
        """Copies `weight` [out, in] into panels; `bias` is [out]."""
        self._out_features, self._in_features = weight.shape
        self._dtype = _DTYPES[weight.dtype]
        panel = kernels.rostra_matmul_panel()
        self._panels = weight.new_empty(_round_up(self._out_features, panel) * self._in_features)
        self._bias = _padded_bias(bias, panel)
        pack = kernels.rostra_matmul_float_pack
        pack.argtypes = (_ADDRESS, _INTEGER, _INTEGER, _INTEGER, _ADDRESS)
        weight = weight.contiguous()
        pack(
            weight.data_ptr(),
            weight.element_size(),
            self._out_features,
            self._in_features,
            self._panels.data_ptr(),
        )
        kernels.rostra_matmul_float.argtypes = (
            *(_INTEGER, _ADDRESS, _ADDRESS),
            *(_ADDRESS, _INTEGER, _ADDRESS),
            *(_INTEGER, _INTEGER, _INTEGER, _INTEGER),
        )
        kernels.rostra_matmul_float.restype = None
        self._multiply = Kernel(kernels, "rostra_matmul_float")

    def __call__(self, x: Tensor) -> Tensor:
        """[T, in] -> [T, out], of the same dtype."""
        rows, out = _operands(x, self._in_features, self._out_features)
        self._multiply(
            self._dtype,
            self._panels.data_ptr(),
            _address(self._bias),
            rows.data_ptr(),
            rows.stride(0),
            out.data_ptr(),
            out.shape[0],
            self._out_features,
            self._in_features,
            torch.get_num_threads(),
        )
        return out.to(x.dtype)


class QuantisedLinear:
    """Weights in 4 or 8 bits, multiplied in integers by rows quantised as they come."""

    def __init__(self, kernels: ctypes.CDLL, weight: QuantisedWeight, bias: Tensor | None) -> None:
        self._out_features, groups = weight.scales.shape
        self._in_features = weight.in_features
        self._bits, self._factor = weight.bits, weight.factor
        self._bias = _padded_bias(bias, kernels.rostra_matmul_panel())
        count = kernels.rostra_matmul_integer_bytes
        count.argtypes, count.restype = (_INTEGER,) * 3, _INTEGER
        size = count(weight.bits, self._out_features, groups)
        self._packed = torch.empty(size, dtype=torch.uint8)
        pack = kernels.rostra_matmul_integer_pack
        pack.argtypes = (_INTEGER, _ADDRESS, _ADDRESS, _ADDRESS, _INTEGER, _INTEGER, _ADDRESS)
        pack(
            weight.bits,
            weight.codes.data_ptr(),
            weight.scales.data_ptr(),
            _address(weight.minima),
            self._out_features,
            groups,
            self._packed.data_ptr(),
        )
        kernels.rostra_matmul_integer.argtypes = (
            *(_INTEGER, _ADDRESS, _ADDRESS, _FLOAT),
            *(_ADDRESS, _INTEGER, _ADDRESS),
            *(_INTEGER, _INTEGER, _INTEGER, _INTEGER),
        )
        kernels.rostra_matmul_integer.restype = None
        self._multiply = Kernel(kernels, "rostra_matmul_integer")

    def __call__(self, x: Tensor) -> Tensor:
        """[T, in] -> [T, out], of the same dtype."""
        rows, out = _operands(x, self._in_features, self._out_features)
        self._multiply(
            self._bits,
            self._packed.data_ptr(),
            _address(self._bias),
            self._factor,
            rows.data_ptr(),
            rows.stride(0),
            out.data_ptr(),
            out.shape[0],
            self._out_features,
            self._in_features,
            torch.get_num_threads(),
        )
        return out.to(x.dtype)


def _operands(x: Tensor, in_features: int, out_features: int) -> tuple[Tensor, Tensor]:
    """x as the kernels read it, and room for what they write, both float32."""
    if x.ndim != 2 or x.shape[1] != in_features:
        raise ValueError(f"x has shape {list(x.shape)}, the weight takes [T, {in_features}]")
    rows = x.float()
    if rows.stride(1) != 1:
        rows = rows.contiguous()
    return rows, torch.empty((x.shape[0], out_features), dtype=torch.float32)


def _padded_bias(bias: Tensor | None, panel: int) -> Tensor | None:
    if bias is None:
        return None
    return functional.pad(bias.float(), (0, -bias.shape[0] % panel)).contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
