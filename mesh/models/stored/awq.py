"""AWQ (arXiv 2306.00978) in AutoAWQ's GEMM layout: 4 bits, unsigned, with a zero for each group.

`qweight` int32 [in, out / 8] and `qzeros` int32 [in / group, out / 8] hold eight columns in each
integer, `scales` float16 [in / group, out]: weight = (code - zero) * scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rostra.mesh.errors import RostraError
from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.stored.quantised import (
    FLOATS,
    CodedLayer,
    QuantisedCheckpoint,
    group_span,
)
from rostra.mesh.models.stored.unpack import covering, unpack
from rostra.mesh.ops.coded_weight import CodedWeight

_PER_WORD = 8
_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)
"""Where an integer holds the code of each of its eight columns."""
_PARTS = ("qweight", "qzeros", "scales")


def open_awq(
    checkpoint: Checkpoint, settings: Mapping[str, Any], where: str
) -> QuantisedCheckpoint:
    """Raises RostraError, which begins with `where`, for a variant that is not supported."""
    version = str(settings.get("version", "gemm")).lower()
    if version != "gemm":
        raise RostraError(f"{where}: AWQ version {version!r} is not supported, only 'gemm'")
    if settings.get("bits", settings.get("w_bit", 4)) != 4:
        raise RostraError(f"{where}: AWQ of {settings.get('bits')} bits is not supported, only 4")
    names = [name for name in checkpoint.names if name.endswith(".qweight")]
    layers = [_AwqLayer(checkpoint, name.removesuffix(".qweight"), _PARTS) for name in names]
    return QuantisedCheckpoint(checkpoint, layers)


class _AwqLayer(CodedLayer):
    @property
    def shape(self) -> tuple[int, int]:
        in_features, words = self.part_shape("qweight")
        return words * _PER_WORD, in_features

    def check(self) -> None:
        self.require("qweight", self.part_shape("qweight")[:2], "I32")
        out_features, in_features = self.shape
        groups = self.part_shape("scales")[0] if self.has("scales") else 1
        self.require("scales", (groups, out_features), *FLOATS)
        self.require("qzeros", (groups, out_features // _PER_WORD), "I32")
        if groups == 0 or in_features % groups:
            raise self.error(
                "scales",
                f"has {groups} groups, which do not divide the {in_features} rows of qweight",
            )

    def read(self, rows: slice, columns: slice) -> CodedWeight:
        out_features, in_features = self.shape
        size = in_features // self.part_shape("scales")[0]
        span, groups = group_span(torch.arange(columns.start, columns.stop) // size)
        words, inner = covering(rows, out_features, _PER_WORD)
        return CodedWeight(
            codes=_columns(self.part("qweight", columns, words))[inner].contiguous(),
            scales=self.part("scales", span, rows).float().T.contiguous(),
            zeros=_columns(self.part("qzeros", span, words))[inner].float(),
            groups=groups,
        )


def _columns(words: Tensor) -> Tensor:
    """int32 [n, w] -> uint8 [8 * w, n]."""
    # Transposed before it is unpacked: copying single codes across rows takes twice as long.
    return unpack(words.T, 4).transpose(1, 2)[:, _PLACES].flatten(0, 1)
