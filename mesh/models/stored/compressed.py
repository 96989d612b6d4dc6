"""The compressed-tensors format, and the block-wise FP8 of transformers, which is alike.

Packed: `weight_packed` int32 [out, in * bits / 32] of codes plus half their number,
`weight_zero_point` likewise along the rows, `weight_shape` [2]. Otherwise `weight` holds the codes
themselves. `weight_scale` (`weight_scale_inv` in transformers' FP8) has one number, [out, 1], one
for each group of columns, or one for each block. weight = (code - zero) * scale.

Scales of activations are left alone: these are computed unquantised, which is more exact.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.stored.quantised import FLOATS, CodedLayer, group_span
from rostra.mesh.models.stored.unpack import PER_WORD, covering, unpack_columns, unpack_rows
from rostra.mesh.ops.coded_weight import CodedWeight

_OPTIONAL = ("weight_zero_point", "weight_g_idx", "weight_shape")


class _ScaledLayer(CodedLayer):
    """What packed and unpacked codes share: which scale belongs to which column."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        layer: str,
        codes: str = "weight",
        scale: str = "weight_scale",
        block: tuple[int, int] | None = None,
    ) -> None:
        """`block`: rows and columns that share a scale, where the format says so."""
        optional = [part for part in _OPTIONAL if f"{layer}.{part}" in checkpoint]
        super().__init__(checkpoint, layer, [codes, scale, *optional])
        self._scale = scale
        self._block = block if self._has_blocks() else None

    def _has_blocks(self) -> bool:
        """Blocks of the settings may be those of other layers."""
        if not self.has(self._scale) or len(self.part_shape(self._scale)) < 2:
            return False
        return self.part_shape(self._scale)[0] != self.shape[0]

    def check_scale(self) -> None:
        out_features, in_features = self.shape
        if not self.has(self._scale):
            self.require(self._scale, (out_features, 1), *FLOATS)
        self.require_dtype(self._scale, *FLOATS)
        found = self.part_shape(self._scale)
        if self._block is not None:
            rows, columns = self._block
            self.require(
                self._scale, (-(-out_features // rows), -(-in_features // columns)), *FLOATS
            )
        elif len(found) > 1 and (found[0] != out_features or in_features % found[1]):
            raise self.error(
                self._scale,
                f"has shape {list(found)}, which does not fit a weight of shape "
                f"{[out_features, in_features]}",
            )
        elif len(found) <= 1 and found not in ((), (1,), (out_features,)):
            self.require(self._scale, (1,), *FLOATS)
        if self.has("weight_g_idx"):
            self.require("weight_g_idx", (in_features,), "I32", "I64")

    def groups(self, columns: slice) -> tuple[slice, Tensor]:
        """As `group_span`."""
        if self.has("weight_g_idx"):
            groups = self.part("weight_g_idx", columns).long()
            count = self.part_shape(self._scale)[1]
            if len(groups) and not 0 <= int(groups.min()) <= int(groups.max()) < count:
                raise self.error("weight_g_idx", f"names groups beyond the {count} of scales")
            return group_span(groups)
        found = self.part_shape(self._scale)
        in_features = self.shape[1]
        size = in_features
        if self._block is not None:
            size = self._block[1]
        elif len(found) > 1:
            size = in_features // found[1]
        return group_span(torch.arange(columns.start, columns.stop) // max(1, size))

    def scales(self, rows: slice, span: slice) -> Tensor:
        """float32 [rows, groups]."""
        found = self.part_shape(self._scale)
        count = rows.stop - rows.start
        if found in ((), (1,)):
            return self.whole(self._scale).float().reshape(1, 1).expand(count, 1).contiguous()
        if len(found) == 1:
            return self.part(self._scale, rows).float().unsqueeze(1)
        if self._block is None:
            return self.part(self._scale, rows, span).float()
        height = self._block[0]
        first, last = rows.start // height, -(-rows.stop // height)
        blocks = self.part(self._scale, slice(first, last), span).float()
        spread = blocks.repeat_interleave(height, 0)
        return spread[rows.start - first * height :][:count].contiguous()


class PackedLayer(_ScaledLayer):
    """`pack-quantized`: 4 or 8 bits."""

    def __init__(self, checkpoint: Checkpoint, layer: str) -> None:
        self._shape: tuple[int, int] | None = None
        super().__init__(checkpoint, layer, "weight_packed")

    @property
    def shape(self) -> tuple[int, int]:
        if self._shape is None:
            self.require("weight_shape", (2,), "I64", "I32")
            out_features, in_features = self.whole("weight_shape").tolist()
            self._shape = out_features, in_features
        return self._shape

    @property
    def _bits(self) -> int:
        """As many as the packed codes need: groups of the settings may differ in it."""
        in_features, words = self.shape[1], self.part_shape("weight_packed")[-1]
        return 8 if words == -(-in_features // PER_WORD[8]) else 4

    def check(self) -> None:
        out_features, in_features = self.shape
        words = -(-in_features // PER_WORD[self._bits])
        self.require("weight_packed", (out_features, words), "I32")
        self.check_scale()
        if self.has("weight_zero_point"):
            words = -(-out_features // PER_WORD[self._bits])
            self.require("weight_zero_point", (words, self.part_shape(self._scale)[1]), "I32")

    def read(self, rows: slice, columns: slice) -> CodedWeight:
        out_features, in_features = self.shape
        per_word = PER_WORD[self._bits]
        span, groups = self.groups(columns)
        words, inner = covering(columns, in_features, per_word)
        codes = unpack_columns(self.part("weight_packed", rows, words), self._bits)[:, inner]
        half = float(1 << (self._bits - 1))
        scales = self.scales(rows, span)
        zeros = torch.full_like(scales, half)
        if self.has("weight_zero_point"):
            words, inner = covering(rows, out_features, per_word)
            zeros = unpack_rows(self.part("weight_zero_point", words, span), self._bits)
            zeros = zeros[inner].float()
        if self._bits == 4:
            return CodedWeight(codes.contiguous(), scales, zeros, groups)
        signed = (codes ^ 128).view(torch.int8).contiguous()
        zeros = zeros - half
        return CodedWeight(signed, scales, zeros if zeros.any() else None, groups)


class PlainLayer(_ScaledLayer):
    """Codes in a tensor of their own type: int8 or float8 e4m3."""

    @property
    def shape(self) -> tuple[int, int]:
        shape = self.part_shape("weight")
        return shape[0], shape[1]

    def check(self) -> None:
        self.require("weight", self.part_shape("weight")[:2], "I8", "F8_E4M3")
        self.check_scale()
        if self.has("weight_zero_point"):
            self.require("weight_zero_point", self.part_shape(self._scale), "I8", "I32", "I64")

    def read(self, rows: slice, columns: slice) -> CodedWeight:
        span, groups = self.groups(columns)
        scales = self.scales(rows, span)
        zeros = None
        if self.has("weight_zero_point"):
            if len(self.part_shape("weight_zero_point")) > 1:
                zeros = self.part("weight_zero_point", rows, span).float()
            else:
                zeros = self.whole("weight_zero_point").float().reshape(-1, 1).expand_as(scales)
            zeros = zeros.contiguous() if zeros.any() else None
        return CodedWeight(self.part("weight", rows, columns).contiguous(), scales, zeros, groups)
