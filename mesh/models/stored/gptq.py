"""GPTQ (arXiv 2210.17323) as AutoGPTQ and GPTQModel store it: 4 or 8 bits, unsigned.

`qweight` int32 [in * bits / 32, out] holds rows, `qzeros` int32 [groups, out * bits / 32] columns
of codes; `scales` [groups, out]; `g_idx` int32 [in] names each row's group, in any order where the
columns were quantised by their importance. weight = (code - zero) * scale. The first version of
the format stores zeros less one, taken from the packed integers as a whole; `gptq_v2` stores them
as they are.
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
from rostra.mesh.models.stored.unpack import PER_WORD, covering, unpack_columns
from rostra.mesh.ops.coded_weight import CodedWeight

_FORMATS = ("gptq", "gptq_v2")
_PARTS = ("qweight", "qzeros", "scales", "g_idx")
_ONES = {4: 0x11111111, 8: 0x01010101}
"""One in each code of an integer, by bits."""


def open_gptq(
    checkpoint: Checkpoint, settings: Mapping[str, Any], where: str
) -> QuantisedCheckpoint:
    """Raises RostraError, which begins with `where`, for a variant that is not supported."""
    kind = settings.get("checkpoint_format") or "gptq"
    if settings.get("is_marlin_format"):
        kind = "marlin"
    if kind not in _FORMATS:
        raise RostraError(
            f"{where}: checkpoint_format {kind!r} is not supported, only {' and '.join(_FORMATS)}"
        )
    bits, group_size = settings.get("bits"), settings.get("group_size", -1)
    if bits not in PER_WORD:
        raise RostraError(f"{where}: GPTQ of {bits!r} bits is not supported, only 4 and 8")
    if isinstance(group_size, bool) or not isinstance(group_size, int):
        raise RostraError(f"{where}: group_size: expected an integer, found {group_size!r}")
    names = [name for name in checkpoint.names if name.endswith(".qweight")]
    return QuantisedCheckpoint(
        checkpoint,
        [
            _GptqLayer(checkpoint, name.removesuffix(".qweight"), bits, group_size, kind)
            for name in names
        ],
    )


class _GptqLayer(CodedLayer):
    def __init__(
        self, checkpoint: Checkpoint, layer: str, bits: int, group_size: int, kind: str
    ) -> None:
        super().__init__(
            checkpoint, layer, [part for part in _PARTS if f"{layer}.{part}" in checkpoint]
        )
        self._group_size = group_size
        self._zeros_less_one = kind == "gptq"
        self._bits = bits
        if self.has("g_idx"):
            # Layers may have more bits than the settings say, which are the default only.
            found = 32 * self.part_shape("qweight")[0] / max(1, self.part_shape("g_idx")[0])
            self._bits = int(found) if found in PER_WORD else bits

    @property
    def shape(self) -> tuple[int, int]:
        words, out_features = self.part_shape("qweight")
        return out_features, words * PER_WORD[self._bits]

    def check(self) -> None:
        self.require("qweight", self.part_shape("qweight")[:2], "I32")
        out_features, in_features = self.shape
        per_word = PER_WORD[self._bits]
        groups = self.part_shape("scales")[0] if self.has("scales") else 1
        self.require("scales", (groups, out_features), *FLOATS)
        self.require("qzeros", (groups, -(-out_features // per_word)), "I32")
        if self.has("g_idx"):
            self.require("g_idx", (in_features,), "I32", "I64")
        elif self._group_size > 0 and groups != -(-in_features // self._group_size):
            needed = -(-in_features // self._group_size)
            raise self.error(
                "scales",
                f"has {groups} groups, but {in_features} columns in groups of {self._group_size} "
                f"make {needed}",
            )

    def read(self, rows: slice, columns: slice) -> CodedWeight:
        out_features, in_features = self.shape
        per_word = PER_WORD[self._bits]
        span, groups = group_span(self._groups(columns, in_features))
        words, inner = covering(columns, in_features, per_word)
        codes = unpack_columns(self.part("qweight", words, rows).T, self._bits)[:, inner]
        words, inner = covering(rows, out_features, per_word)
        packed = self.part("qzeros", span, words)
        if self._zeros_less_one:
            packed = packed + _ONES[self._bits]
        zeros = unpack_columns(packed, self._bits)[:, inner]
        scales = self.part("scales", span, rows).float().T.contiguous()
        if self._bits == 4:
            return CodedWeight(codes.contiguous(), scales, zeros.T.float(), groups)
        # Signed, which is what kernels for eight bits take; symmetric weights then have no zeros.
        signed = (codes ^ 128).view(torch.int8)
        offsets = zeros.T.float() - 128
        return CodedWeight(signed.contiguous(), scales, offsets if offsets.any() else None, groups)

    def _groups(self, columns: slice, in_features: int) -> Tensor:
        if not self.has("g_idx"):
            size = self._group_size if self._group_size > 0 else in_features
            return torch.arange(columns.start, columns.stop) // size
        groups = self.part("g_idx", columns).long()
        count = self.part_shape("scales")[0]
        if len(groups) and not 0 <= int(groups.min()) <= int(groups.max()) < count:
            raise self.error("g_idx", f"names groups beyond the {count} of scales")
        return groups
