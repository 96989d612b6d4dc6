"""Weights in codes of few bits with scales of their own, as a checkpoint stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_CHUNK = 1 << 20
"""Weights widened at once, so that little memory is needed beside codes and result."""


@dataclass(frozen=True)
class CodedWeight:
    """`(codes - zeros) * scales` is the weight; a column finds its scale and zero by `groups`.

    Whatever the format, so that channels, groups, blocks and reordered groups are all the same.
    """

    codes: Tensor
    """[out, in]: uint8 from 0 to 15 for 4 bits, int8 for 8, or float8_e4m3fn."""
    scales: Tensor
    """float32 [out, G]."""
    zeros: Tensor | None
    """float32 [out, G]; None: zero."""
    groups: Tensor
    """int64 [in], of each column, from 0 to G - 1."""

    @property
    def kind(self) -> str:
        """`int4`, `int8` or `fp8`."""
        return {torch.uint8: "int4", torch.int8: "int8"}.get(self.codes.dtype, "fp8")

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def finite(self) -> bool:
        """Whether all of the weight's values are."""
        if not bool(torch.isfinite(self.scales).all()):
            return False
        if self.kind != "fp8":
            return True
        # All ones below the sign: the one NaN of e4m3, which has no infinity.
        return not bool(((self.codes.view(torch.uint8) & 0x7F) == 0x7F).any())

    @property
    def per_channel(self) -> bool:
        """Whether each row has one scale and no zero."""
        return self.scales.shape[1] == 1 and self.zeros is None

    def group_runs(self, width: int) -> Tensor | None:
        """int64 [ceil(in / width)], the group of each run of `width` columns; None where one of
        them has several."""
        firsts = self.groups[::width]
        spread = firsts.repeat_interleave(width)[: self.groups.shape[0]]
        return firsts if torch.equal(spread, self.groups) else None

    def dequantise(self, dtype: torch.dtype) -> Tensor:
        """The weight, [out, in] of `dtype`, computed in float32."""
        out = torch.empty(self.codes.shape, dtype=dtype)
        rows = max(1, _CHUNK // max(1, self.codes.shape[1]))
        for start in range(0, self.codes.shape[0], rows):
            part = slice(start, start + rows)
            wide = self.codes[part].float()
            if self.zeros is not None:
                wide -= self.zeros[part][:, self.groups]
            out[part] = wide.mul_(self.scales[part][:, self.groups])
        return out

    def to(self, device: torch.device) -> CodedWeight:
        zeros = None if self.zeros is None else self.zeros.to(device)
        return CodedWeight(
            self.codes.to(device), self.scales.to(device), zeros, self.groups.to(device)
        )

    def padded(self, rows: int) -> CodedWeight:
        """With rows of zeros below, `rows` in all."""
        missing = rows - self.codes.shape[0]
        if not missing:
            return self
        codes = torch.zeros((missing, self.codes.shape[1]), dtype=torch.uint8)
        nothing = torch.zeros((missing, self.scales.shape[1]))
        last = CodedWeight(codes.view(self.codes.dtype), nothing, None, self.groups)
        stacked = CodedWeight.stack([self, last])
        assert stacked is not None
        return stacked

    @classmethod
    def stack(cls, parts: Sequence[CodedWeight]) -> CodedWeight | None:
        """The parts' rows one below the other; None where their codes or columns differ in kind."""
        first = parts[0]
        if any(
            part.codes.dtype != first.codes.dtype or not torch.equal(part.groups, first.groups)
            for part in parts[1:]
        ):
            return None
        zeros = None
        if any(part.zeros is not None for part in parts):
            zeros = torch.cat(
                [
                    torch.zeros_like(part.scales) if part.zeros is None else part.zeros
                    for part in parts
                ]
            )
        return cls(
            # Joining bytes: not all operations are there for eight-bit floats.
            torch.cat([part.codes.view(torch.uint8) for part in parts]).view(first.codes.dtype),
            torch.cat([part.scales for part in parts]),
            zeros,
            first.groups,
        )
