"""The adapters' kernels in plain PyTorch, as `rostra.kernels.reference` holds the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from rostra.kernels.lora import num_splits


def lora_shrink(
    x: torch.Tensor,
    a: torch.Tensor,
    ranks: torch.Tensor,
    tile_tokens: torch.Tensor,
    tile_slots: torch.Tensor,
) -> torch.Tensor:
    """See `rostra.kernels.lora.lora_shrink`. All is in the first part of the depth; what means
    nothing is NaN."""
    shape = (num_splits(x.shape[1]), len(x), *a.shape[1:3])
    hidden = torch.full(shape, float("nan"), dtype=torch.float32, device=x.device)
    for slot, rank, tokens in _tiles(ranks, tile_tokens, tile_slots):
        hidden[:, tokens, :, :rank] = 0.0
        product = torch.einsum("tk,ork->tor", x[tokens].float(), a[slot, :, :rank].float())
        hidden[0, tokens, :, :rank] = product
    return hidden


def lora_expand(
    hidden: torch.Tensor,
    b: torch.Tensor,
    ranks: torch.Tensor,
    tile_tokens: torch.Tensor,
    tile_slots: torch.Tensor,
    outputs: Sequence[int],
    out: torch.Tensor,
) -> None:
    """See `rostra.kernels.lora.lora_expand`."""
    for slot, rank, tokens in _tiles(ranks, tile_tokens, tile_slots):
        inner = hidden[:, tokens, :, :rank].sum(0).to(b.dtype).float()
        parts = b[slot, :rank].float().split(list(outputs), dim=1)
        added = torch.cat([inner[:, o] @ part for o, part in enumerate(parts)], dim=1)
        out[tokens] = (out[tokens].float() + added).to(out.dtype)


def _tiles(
    ranks: torch.Tensor, tile_tokens: torch.Tensor, tile_slots: torch.Tensor
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Slot, its rank and the tokens of each tile that has any."""
    for slot, tokens in zip(tile_slots.tolist(), tile_tokens, strict=True):
        if slot >= 0 and int(ranks[slot]) > 0:
            yield slot, int(ranks[slot]), tokens[tokens >= 0].long()
