"""The kernels in plain PyTorch: what each must compute, and what to run where Triton cannot.

Same names, signatures and contracts as the kernels, on any device. Clear before fast.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def paged_attention(
    query: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    block_table: torch.Tensor,
    query_start: torch.Tensor,
    seq_lens: torch.Tensor,
    *,
    scale: float,
    max_query_len: int,
    max_seq_len: int,
    sliding_window: int | None = None,
    soft_cap: float | None = None,
    key_scale: float = 1.0,
    value_scale: float = 1.0,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """See `rostra.kernels.paged_attention.paged_attention`.

    Computes in float32 and rounds once. Reads the lengths from the device, and needs neither of the
    two bounds; it refuses a batch that breaks them.
    """
    if out is None:
        out = torch.empty_like(query, memory_format=torch.contiguous_format)
    group = query.shape[1] // key_cache.shape[2]
    page = key_cache.shape[1]
    starts = query_start.tolist()
    for s, seq_len in enumerate(seq_lens.tolist()):
        begin, end = starts[s], starts[s + 1]
        if begin == end:
            continue
        if end - begin > max_query_len or seq_len > max_seq_len:
            raise ValueError(
                f"paged_attention: sequence {s} has {end - begin} new tokens of {seq_len}, "
                f"more than the bounds {max_query_len} and {max_seq_len}"
            )
        pages = block_table[s, : -(-seq_len // page)].long()
        keys, values = (
            # Widened first: PyTorch indexes and repeats few types of one byte.
            cache.index_select(0, pages).float().flatten(0, 1)[:seq_len].repeat_interleave(group, 1)
            for cache in (key_cache, value_cache)
        )
        scores = torch.einsum("qhd,khd->hqk", query[begin:end].float(), keys) * scale * key_scale
        if soft_cap is not None:
            scores = soft_cap * torch.tanh(scores / soft_cap)
        key_position = torch.arange(seq_len, device=query.device)
        query_position = key_position[seq_len - (end - begin) :, None]
        visible = key_position <= query_position
        if sliding_window is not None:
            visible &= query_position - key_position < sliding_window
        weights = scores.masked_fill(~visible, float("-inf")).softmax(dim=-1)
        attended = torch.einsum("hqk,khd->qhd", weights, values) * value_scale
        out[begin:end] = attended.to(out.dtype)
    return out


def rope_and_cache(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cos: torch.Tensor | None,
    sin: torch.Tensor | None,
    positions: torch.Tensor,
    key_cache: torch.Tensor,
    value_cache: torch.Tensor,
    slot_mapping: torch.Tensor,
    *,
    query_weight: torch.Tensor | None = None,
    key_weight: torch.Tensor | None = None,
    eps: float = 0.0,
    key_scale: float = 1.0,
    value_scale: float = 1.0,
) -> None:
    """See `rostra.kernels.rope_cache.rope_and_cache`."""
    for x, weight in ((query, query_weight), (key, key_weight)):
        wide = x.float()
        if weight is not None:
            wide = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + eps)
            wide = wide * weight.float()
        if cos is not None and sin is not None:
            rotated, rest = wide.tensor_split((2 * cos.shape[1],), dim=-1)
            low, high = rotated.chunk(2, dim=-1)
            c, s = cos[positions][:, None], sin[positions][:, None]
            wide = torch.cat((low * c - high * s, high * c + low * s, rest), dim=-1)
        x.copy_(wide)
    kept = slot_mapping >= 0
    block = torch.div(slot_mapping[kept], key_cache.shape[1], rounding_mode="floor")
    offset = slot_mapping[kept] % key_cache.shape[1]
    for x, cache, scale in ((key, key_cache, key_scale), (value, value_cache, value_scale)):
        stored = x[kept].float() * (1.0 / scale)
        if cache.dtype == torch.float8_e4m3fn:
            stored = stored.clamp(-448.0, 448.0)
        cache[block, offset] = stored.to(cache.dtype)


def rms_norm(
    x: torch.Tensor, weight: torch.Tensor, eps: float, residual: torch.Tensor | None = None
) -> torch.Tensor:
    """See `rostra.kernels.rms_norm.rms_norm`."""
    if residual is not None:
        x = residual.add_(x)
    wide = x.float()
    normed = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + eps)
    return (normed.to(weight.dtype) * weight).to(x.dtype)


def silu_and_mul(gate_up: torch.Tensor) -> torch.Tensor:
    """See `rostra.kernels.activation.silu_and_mul`."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def gelu_and_mul(gate_up: torch.Tensor) -> torch.Tensor:
    """See `rostra.kernels.activation.gelu_and_mul`."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.gelu(gate, approximate="tanh") * up


def quantized_matmul(
    x: torch.Tensor,
    weight: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """See `rostra.kernels.quantized_matmul.quantized_matmul`."""
    total = functional.linear(x.float(), weight.float() * scale[:, None])
    return (total if bias is None else total + bias.float()).to(x.dtype)


def dequantize(weight: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """See `rostra.kernels.quantized_matmul.dequantize`."""
    return (weight.float() * scale[:, None]).to(dtype)


def lowest_weight_kept(
    weights: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, min_p: torch.Tensor
) -> torch.Tensor:
    """See `rostra.kernels.sampling.lowest_weight_kept`."""
    vocab = weights.shape[1]
    ordered = weights.sort(dim=-1, descending=True).values
    limited = (top_k > 0) & (top_k < vocab)
    kth = ordered.gather(1, (top_k.clamp(1, vocab) - 1).long()[:, None])[:, 0]
    floor = torch.where(limited, kth, 0.0)
    left = ordered.masked_fill(ordered < floor[:, None], 0.0)
    # A token is needed when what comes before it is not enough; the first always is.
    cumulative = left.cumsum(dim=-1, dtype=torch.float64)
    wanted = top_p.double() * cumulative[:, -1]
    needed = (cumulative - left < wanted[:, None]).sum(dim=-1).clamp(min=1)
    last = left.gather(1, needed[:, None] - 1)[:, 0]
    floor = torch.where(top_p < 1, torch.maximum(floor, last), floor)
    return torch.maximum(floor, min_p * ordered[:, 0])


def apply_token_mask(logits: torch.Tensor, words: torch.Tensor, rows: torch.Tensor) -> None:
    """See `rostra.kernels.token_mask.apply_token_mask`."""
    vocab = logits.shape[1]
    bits = (words[:, :, None] >> torch.arange(32, device=words.device)) & 1
    excluded = bits.flatten(1)[:, :vocab] == 0
    logits[rows] = logits[rows].masked_fill(excluded, float("-inf"))
